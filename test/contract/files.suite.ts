/**
 * What every `Files` adapter promises: a file is there whole or not at all, a log is cut to what was committed, and a
 * reader is told when bytes are missing. Run on the disk and on the memory that simulations use.
 */
import { describe, expect, test } from 'vitest';
import type { Files, FileWriter } from '../../src/domain/ports.ts';

export interface FilesUnderTest {
  readonly files: Files;
  /** An existing folder that is not the state's, as an absolute path: where outputs go. */
  readonly outside: string;
  makeFolder(path: string): void;
}

export function filesSuite(name: string, open: () => FilesUnderTest): void {
  describe(`files: ${name}`, () => {
    describe('a file that is written', () => {
      test('appears with its commit, whole, and not before', async () => {
        const { files } = open();
        const writer = await files.create('runs/a/chunks/000001.json');
        await writer.write(bytes('{"requests":'));
        expect(await files.size('runs/a/chunks/000001.json')).toBeNull();
        await expect(files.open('runs/a/chunks/000001.json')).rejects.toMatchObject({ code: 'E_FILE' });
        expect(await files.list('runs/a/chunks')).not.toContain('000001.json');
        await writer.write(bytes('[]}'));
        expect(writer.bytes).toBe(15);
        await writer.commit();
        expect(await textOf(files, 'runs/a/chunks/000001.json')).toBe('{"requests":[]}');
        expect(await files.list('runs/a/chunks')).toEqual(['000001.json']);
      });

      test('that is thrown away leaves nothing', async () => {
        const { files } = open();
        const writer = await files.create('runs/a/x.json');
        await writer.write(bytes('half'));
        await writer.abort();
        expect(await files.size('runs/a/x.json')).toBeNull();
        expect(await files.list('runs/a')).toEqual([]);
        expect(await files.folderBytes('runs')).toBe(0);
      });

      test('replaces an older one at its commit, and an open reader keeps the old bytes', async () => {
        const { files } = open();
        await put(files, 'x', 'the old text');
        const reader = await files.open('x');
        const writer = await files.create('x');
        await writer.write(bytes('new'));
        expect(await textOf(files, 'x')).toBe('the old text');
        await writer.commit();
        expect(await textOf(files, 'x')).toBe('new');
        expect((await reader.read(4, 8)).toString()).toBe('old text');
        await reader.close();
      });

      test('that is thrown away leaves the older one as it is', async () => {
        const { files } = open();
        await put(files, 'x', 'old');
        const writer = await files.create('x');
        await writer.write(bytes('new'));
        await writer.abort();
        expect(await textOf(files, 'x')).toBe('old');
        expect(await files.list('.')).toEqual(['x']);
      });

      test('may be thrown away twice, and after its commit without harm', async () => {
        const { files } = open();
        const writer = await files.create('x');
        await writer.commit();
        await writer.abort();
        await writer.abort();
        expect(await files.size('x')).toBe(0);
      });

      test('two writers of one name do not mix: the last commit wins', async () => {
        const { files } = open();
        const first = await files.create('x');
        const second = await files.create('x');
        await first.write(bytes('first'));
        await second.write(bytes('2nd'));
        await second.commit();
        await first.commit();
        expect(await textOf(files, 'x')).toBe('first');
        expect(await files.list('.')).toEqual(['x']);
      });

      test('takes its name only where the permit, asked when all is written, is given', async () => {
        const { files } = open();
        await put(files, 'x', 'theirs');
        const refused = await files.create('x');
        await refused.write(bytes('ours'));
        await expect(refused.commit(() => Promise.reject(new Error('fenced')))).rejects.toThrow('fenced');
        await refused.abort();
        expect(await textOf(files, 'x')).toBe('theirs');
        const allowed = await files.create('x');
        await allowed.write(bytes('ours'));
        await allowed.commit(() => Promise.resolve());
        expect(await textOf(files, 'x')).toBe('ours');
        expect(await files.list('.')).toEqual(['x']);
      });

      test('keeps the bytes as they were when they were handed over', async () => {
        const { files } = open();
        const writer = await files.create('x');
        const data = bytes('before');
        await writer.write(data);
        data.fill(0);
        await writer.commit();
        expect(await textOf(files, 'x')).toBe('before');
      });

      test('takes large pieces and many of them', async () => {
        const { files } = open();
        const writer = await files.create('x');
        const whole = Buffer.concat(Array.from({ length: 50 }, (_, at) => Buffer.alloc(13_001, at)));
        for (let at = 0; at < whole.length; at += 13_001) await writer.write(whole.subarray(at, at + 13_001));
        await writer.commit();
        expect(whole.equals(await bytesOf(files.stream('x')))).toBe(true);
      });
    });

    describe('an output with an absolute path', () => {
      test('goes where it was asked to', async () => {
        const { files, outside } = open();
        await put(files, `${outside}/out.jsonl`, 'lines');
        expect(files.locate(`${outside}/out.jsonl`)).toBe(`${outside}/out.jsonl`);
        expect(await textOf(files, `${outside}/out.jsonl`)).toBe('lines');
      });

      test('in a missing folder is E_FILE, and nothing is made', async () => {
        const { files, outside } = open();
        const made = files.create(`${outside}/mistyped/out.jsonl`);
        await expect(made).rejects.toMatchObject({ code: 'E_FILE', message: expect.stringContaining('mistyped') });
        expect(await files.list(outside)).toEqual([]);
      });

      test('that is a folder is a clear E_FILE, and no temporary file stays', async () => {
        const { files, outside, makeFolder } = open();
        makeFolder(`${outside}/results`);
        const work = (async () => {
          const writer = await files.create(`${outside}/results`);
          await finishOrAbort(writer, 'lines');
        })();
        await expect(work).rejects.toMatchObject({
          code: 'E_FILE',
          message: expect.stringMatching(/results: it is a folder$/),
        });
        expect(await files.list(outside)).toEqual(['results']);
        expect(await files.list(`${outside}/results`)).toEqual([]);
      });
    });

    describe('a log', () => {
      test('begins empty, grows, and says how long it is', async () => {
        const { files } = open();
        const log = await files.openAppend('runs/a/results/realtime.jsonl', 0);
        expect(log.bytes).toBe(0);
        await log.append(bytes('one\n'));
        await log.append(bytes('two\n'));
        expect(log.bytes).toBe(8);
        await log.sync();
        await log.close();
        expect(await textOf(files, 'runs/a/results/realtime.jsonl')).toBe('one\ntwo\n');
      });

      test('is cut to its committed length when it is opened, at every length', async () => {
        const { files } = open();
        const text = 'one\ntwo\n';
        for (let committed = 0; committed <= text.length; committed++) {
          const path = `log-${committed}`;
          await put(files, path, text);
          const log = await files.openAppend(path, committed);
          expect(log.bytes).toBe(committed);
          await log.append(bytes('3'));
          await log.sync();
          await log.close();
          expect(await textOf(files, path)).toBe(`${text.slice(0, committed)}3`);
        }
      });

      test('shorter than its committed length is E_STATE_CORRUPT and stays as it is', async () => {
        const { files } = open();
        await put(files, 'log', 'short');
        await expect(files.openAppend('log', 6)).rejects.toMatchObject({
          code: 'E_STATE_CORRUPT',
          message: expect.stringMatching(/has 5 bytes; 6 were committed/),
        });
        expect(await textOf(files, 'log')).toBe('short');
      });

      test('that is gone although bytes were committed is E_STATE_CORRUPT', async () => {
        const { files } = open();
        await expect(files.openAppend('log', 1)).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
      });

      test('can be read while it is open', async () => {
        const { files } = open();
        const log = await files.openAppend('log', 0);
        await log.append(bytes('answer'));
        const reader = await files.open('log');
        expect((await reader.read(2, 3)).toString()).toBe('swe');
        await reader.close();
        await log.close();
      });
    });

    describe('reading', () => {
      test('gives exactly the bytes asked for, for every range', async () => {
        const { files } = open();
        const text = 'abcdefgh';
        await put(files, 'x', text);
        const reader = await files.open('x');
        expect(reader.bytes).toBe(8);
        for (let start = 0; start <= 8; start++) {
          for (let end = start; end <= 8; end++) {
            expect((await reader.read(start, end - start)).toString()).toBe(text.slice(start, end));
            expect((await bytesOf(files.stream('x', start, end))).toString()).toBe(text.slice(start, end));
          }
          expect((await bytesOf(files.stream('x', start))).toString()).toBe(text.slice(start));
        }
        await reader.close();
      });

      test('beyond the end is E_STATE_CORRUPT, never fewer bytes', async () => {
        const { files } = open();
        await put(files, 'x', 'abc');
        const reader = await files.open('x');
        await expect(reader.read(0, 4)).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
        await expect(reader.read(3, 1)).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
        await reader.close();
        await expect(bytesOf(files.stream('x', 0, 4))).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
        await expect(bytesOf(files.stream('x', 3, 4))).rejects.toMatchObject({ code: 'E_STATE_CORRUPT' });
      });

      test('a stream comes in several pieces where the file is large, and can be left early', async () => {
        const { files } = open();
        const whole = Buffer.alloc(700_000, 'x');
        await put(files, 'x', whole);
        const sizes: number[] = [];
        for await (const piece of files.stream('x')) sizes.push(piece.length);
        expect(sizes.length).toBeGreaterThan(1);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(700_000);
        for await (const piece of files.stream('x')) {
          expect(piece.length).toBeLessThan(700_000);
          break;
        }
      });

      test('of a file that is not there is E_FILE with its path; its size is null', async () => {
        const { files } = open();
        const missing = { code: 'E_FILE', message: expect.stringContaining('runs/none.json') };
        await expect(files.open('runs/none.json')).rejects.toMatchObject(missing);
        await expect(bytesOf(files.stream('runs/none.json'))).rejects.toMatchObject(missing);
        expect(await files.size('runs/none.json')).toBeNull();
      });
    });

    describe('folders', () => {
      test('are listed sorted, files and folders alike; a missing one is empty', async () => {
        const { files } = open();
        for (const path of ['f/b', 'f/a', 'f/sub/c', 'g/z']) await put(files, path, path);
        expect(await files.list('f')).toEqual(['a', 'b', 'sub']);
        expect(await files.list('none')).toEqual([]);
      });

      test('know the bytes of all that is in them', async () => {
        const { files } = open();
        await put(files, 'f/a', '12345');
        await put(files, 'f/sub/deep/b', '123');
        await put(files, 'fa', '1');
        expect(await files.folderBytes('f')).toBe(8);
        expect(await files.folderBytes('f/sub')).toBe(3);
        expect(await files.folderBytes('none')).toBe(0);
      });

      test('are removed with all that is in them, and nothing beside', async () => {
        const { files } = open();
        for (const path of ['runs/a/1', 'runs/a/sub/2', 'runs/ab/3']) await put(files, path, 'x');
        await files.removeFolder('runs/a');
        expect(await files.list('runs')).toEqual(['ab']);
        expect(await files.size('runs/a/sub/2')).toBeNull();
        await files.removeFolder('runs/a');
        await put(files, 'runs/a/1', 'again');
        expect(await textOf(files, 'runs/a/1')).toBe('again');
      });

      test('a file is removed once; to remove it again is no error', async () => {
        const { files } = open();
        await put(files, 'f/a', 'x');
        await files.remove('f/a');
        await files.remove('f/a');
        await files.remove('none/at/all');
        expect(await files.list('f')).toEqual([]);
      });
    });
  });
}

export function bytes(text: string): Buffer {
  return Buffer.from(text);
}

export async function put(files: Files, path: string, content: string | Buffer): Promise<void> {
  const writer = await files.create(path);
  await writer.write(Buffer.from(content));
  await writer.commit();
}

export async function bytesOf(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

export async function textOf(files: Files, path: string): Promise<string> {
  return (await bytesOf(files.stream(path))).toString();
}

/** As every caller does it: what cannot be committed is thrown away. */
async function finishOrAbort(writer: FileWriter, content: string): Promise<void> {
  try {
    await writer.write(bytes(content));
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
