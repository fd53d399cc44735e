/**
 * Looking writes nothing: `check` neither makes nor touches a state, and leaves nothing in the folder for temporary files.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Row } from '../../src/library/options.ts';
import { MODEL, params } from '../support/cli.ts';
import { tempFolder } from '../support/temp.ts';
import { lab, rowsOf } from './lab.ts';

/** From here on temporary files are made there. */
function scratchFolder(): string {
  const folder = tempFolder();
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  return folder;
}

/** Every file below a folder, with its size and the instant of its last change. */
function pictureOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return `${name} ${size} ${mtimeMs}`;
    })
    .sort();
}

it('a check makes no state folder', async () => {
  const { bench: b, open } = await lab();
  const scratch = scratchFolder();
  const report = await open({ apiKey: [] }).check(rowsOf(5), { model: MODEL });
  expect(report).toMatchObject({ rows: 5, batches: 1, resumed: false, first_request: params('question 1') });
  expect(b.calls()).toBe(0);
  expect(existsSync(b.state)).toBe(false);
  expect(readdirSync(scratch)).toEqual([]);
});

it('a check touches no file of a state that is there', async () => {
  const { bench: b, open } = await lab();
  const first = open();
  await first.submit(rowsOf(3), { start: false });
  await first.close();
  const before = pictureOf(b.state);
  await open().check(rowsOf(20), { chunkRows: 5, dedupe: true, reuse: true });
  expect(pictureOf(b.state)).toEqual(before);
});

it('a check that fails, or is closed on the way, leaves nothing behind, and no handler of the process', async () => {
  const { bench: b, open } = await lab();
  const scratch = scratchFolder();
  const handlers = process.listenerCount('exit');
  await expect(open().check([{ text: 'no prompt' }])).rejects.toMatchObject({ code: 'E_INPUT_INVALID' });
  const batchrun = open();
  let closed: Promise<void> | undefined;
  async function* rows(): AsyncGenerator<Row> {
    for (let at = 0; ; at++) {
      if (at === 500) closed = batchrun.close();
      yield { custom_id: `r${at}`, params: params('x') };
      await Promise.resolve();
    }
  }
  await expect(batchrun.check(rows())).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  await closed;
  await expect(batchrun.check(rowsOf(1))).rejects.toMatchObject({ code: 'E_USAGE' });
  expect(readdirSync(scratch)).toEqual([]);
  expect(existsSync(b.state)).toBe(false);
  expect(process.listenerCount('exit')).toBe(handlers);
});
