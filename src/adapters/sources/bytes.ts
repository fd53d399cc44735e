/**
 * The bytes of one input, whatever it is: a file, a pipe, or stdin; plain or gzipped (known by its first bytes).
 *
 * `openBytes` looks at the beginning of the input, so that a missing file, a folder or a broken archive is refused
 * before the first record. A regular file is closed again after the look and opened a second time for the reading:
 * thousands of inputs need no thousands of open files. A pipe cannot be read twice, so what was seen of it is kept.
 * Memory: the head and a chunk or two, never more.
 */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { BatchrunError, isBatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';

/** 1 MiB: 256 KiB needs four times the turns of the event loop and measured 10-20 % slower. */
const CHUNK_BYTES = 2 ** 20;
/** What is looked at to tell the format; a CSV header must fit into it. */
const HEAD_BYTES = 256 * 1_024;
/** The name of stdin among the inputs. */
export const STDIN = '-';

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

export interface InputBytes {
  /** The input as messages name it. */
  readonly name: string;
  /** Its size as it lies on disk, or null where it has none (a pipe). */
  readonly totalBytes: number | null;
  /** The first HEAD_BYTES or more, unpacked, without the UTF-8 mark. */
  readonly head: Buffer;
  /** The head is all there is. */
  readonly headIsAll: boolean;
  /** It was packed with gzip. */
  readonly packed: boolean;
  /**
   * All bytes from the beginning, unpacked, without the UTF-8 mark. Once. With `reuse` a chunk is good only until the
   * next one is asked for: then its memory may be used again.
   */
  chunks(reuse?: boolean): AsyncGenerator<Buffer, void, undefined>;
  /** Bytes taken from the disk or the pipe so far. */
  readBytes(): number;
}

export async function openBytes(input: string, stdin?: AsyncIterable<Uint8Array>): Promise<InputBytes> {
  if (input === STDIN) {
    if (!stdin) throw new BatchrunError('E_USAGE', 'the input - means stdin, and there is none here');
    return openStream('stdin', stdin);
  }
  const info = await stat(input).catch((error: unknown) => {
    throw fileError(input, error);
  });
  if (info.isDirectory()) throw new BatchrunError('E_INPUT_MISSING', `${input} is a folder, not a file`);
  if (!info.isFile()) return openStream(input, createReadStream(input, { highWaterMark: CHUNK_BYTES }));
  return openFile(input, info.size);
}

async function openFile(path: string, totalBytes: number): Promise<InputBytes> {
  let packed = false;
  const bytes = unpacked(
    path,
    () => fileChunks(path, () => undefined),
    () => (packed = true),
  );
  const peeked = await takeHead(bytes);
  await peeked.rest.return();
  const { head, markBytes, done } = peeked;
  let readBytes = 0;
  const count = (bytes: number): void => void (readBytes += bytes);
  return {
    name: path,
    totalBytes,
    head,
    headIsAll: done,
    packed,
    chunks: (reuse = false) => {
      const memory = { reuse };
      // Whoever unpacks takes several chunks at once.
      const bytes = unpacked(
        path,
        () => fileChunks(path, count, memory),
        () => (memory.reuse = false),
      );
      return skipBytes(bytes, markBytes);
    },
    readBytes: () => readBytes,
  };
}

async function openStream(name: string, stream: AsyncIterable<Uint8Array>): Promise<InputBytes> {
  let readBytes = 0;
  async function* counted(): AsyncGenerator<Buffer, void, undefined> {
    for await (const part of stream) {
      readBytes += part.length;
      yield Buffer.isBuffer(part) ? part : Buffer.from(part);
    }
  }
  let packed = false;
  const { head, done, rest } = await takeHead(unpacked(name, counted, () => (packed = true)));
  const waiting = [head];
  async function* all(): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* waiting.splice(0);
      yield* rest;
    } finally {
      await rest.return();
    }
  }
  return { name, totalBytes: null, head, headIsAll: done, packed, chunks: all, readBytes: () => readBytes };
}

interface Peeked {
  /** Without the mark. */
  readonly head: Buffer;
  readonly markBytes: number;
  /** There is nothing after the head. */
  readonly done: boolean;
  readonly rest: AsyncGenerator<Buffer, void, undefined>;
}

async function takeHead(rest: AsyncGenerator<Buffer, void, undefined>): Promise<Peeked> {
  const pieces: Buffer[] = [];
  let done = false;
  for (let bytes = 0; bytes < HEAD_BYTES;) {
    const next = await rest.next();
    if (next.done === true) {
      done = true;
      break;
    }
    pieces.push(next.value);
    bytes += next.value.length;
  }
  const head = Buffer.concat(pieces);
  const markBytes = head.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
  return { head: head.subarray(markBytes), markBytes, done, rest };
}

async function* skipBytes(
  chunks: AsyncGenerator<Buffer, void, undefined>,
  bytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let left = bytes;
  for await (const chunk of chunks) {
    const skipped = Math.min(left, chunk.length);
    left -= skipped;
    if (skipped < chunk.length) yield skipped === 0 ? chunk : chunk.subarray(skipped);
  }
}

/** The chunks of a file, the next one being read while one is looked at. */
async function* fileChunks(
  path: string,
  count: (bytes: number) => void,
  /** Asked anew for each chunk. */
  memory: { readonly reuse: boolean } = { reuse: false },
): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(path, 'r');
  // One is looked at while the other is being read.
  const both: Buffer[] = [];
  let turn = 0;
  const nextMemory = (): Buffer =>
    memory.reuse ? (both[turn++ % 2] ??= Buffer.allocUnsafeSlow(CHUNK_BYTES)) : Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const readNext = () => handle.read(nextMemory(), 0, CHUNK_BYTES, null);
  let next = readNext();
  try {
    for (;;) {
      const { bytesRead, buffer } = await next;
      if (bytesRead === 0) return;
      count(bytesRead);
      next = readNext();
      // Its error is met by the `await` above; this only keeps it from counting as unhandled until then.
      next.catch(() => undefined);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    // A read that is under way must be over before its file is closed; what came of it no longer matters.
    await next.catch(() => undefined);
    await handle.close();
  }
}

/** The bytes as they are, or unpacked where they begin as gzip does. */
async function* unpacked(
  name: string,
  raw: () => AsyncGenerator<Buffer, void, undefined>,
  onPacked: () => void = () => undefined,
): AsyncGenerator<Buffer, void, undefined> {
  const source = raw();
  try {
    let first: Buffer = Buffer.alloc(0);
    while (first.length < 2) {
      const next = await source.next();
      if (next.done === true) break;
      first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
    }
    if (first[0] === 0x1f && first[1] === 0x8b) {
      onPacked();
      yield* gunzipped(name, first, source);
      return;
    }
    if (first.length > 0) yield first;
    yield* source;
  } catch (error) {
    throw fileError(name, error);
  } finally {
    await source.return();
  }
}

async function* gunzipped(
  name: string,
  first: Buffer,
  rest: AsyncGenerator<Buffer, void, undefined>,
): AsyncGenerator<Buffer, void, undefined> {
  async function* packed(): AsyncGenerator<Buffer, void, undefined> {
    yield first;
    yield* rest;
  }
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // The pipeline's error is the one that the loop below throws; here it would be told a second time.
  const feeding = pipeline(Readable.from(packed(), { objectMode: true }), gunzip).catch(() => undefined);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code?.startsWith('Z_') !== true) throw error;
    const what = code === 'Z_BUF_ERROR' ? 'ends in the middle (it was cut off)' : `is damaged (${messageOf(error)})`;
    throw new BatchrunError('E_INPUT_FORMAT', `${name}: the gzip data ${what} near byte ${gunzip.bytesWritten}`, {
      hint: 'Fetch or pack the file again; `gzip -t` checks it. Nothing was sent.',
      cause: error,
    });
  } finally {
    gunzip.destroy();
    await feeding;
  }
}

/** An address that was meant for --target: its name and password go into no log. */
const ACCOUNT = /\/\/[^/@\s]+@/g;

function fileError(name: string, error: unknown): BatchrunError {
  if (isBatchrunError(error)) return error;
  const code = systemCodeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new BatchrunError('E_INPUT_MISSING', `there is no file ${name.replace(ACCOUNT, '//****@')}`, {
      cause: error,
      // A prompt that the shell has cut at its blanks.
      ...(name.includes('{{') ? { hint: "Put the prompt in quotes: --prompt 'Classify: {{text}}'" } : {}),
    });
  }
  return new BatchrunError('E_FILE', `cannot read ${name}: ${messageOf(error)}`, { cause: error });
}
