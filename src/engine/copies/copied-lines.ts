/**
 * Reads many lines out of result files: all that are known in the order in which they lie there, so that each file is
 * opened once, and lines that lie close together are one read; or one by one, as somebody comes to need them.
 */
import type { ResultLocation } from '../../domain/model.ts';
import type { FileReader, Files } from '../../domain/ports.ts';
import { resultPath } from './leaders.ts';

export interface LinePlace {
  /** The caller's number for it. */
  readonly index: number;
  readonly result: ResultLocation;
}

/** Bytes between two lines that are read with them: less than a read of their own would cost. */
const GAP_BYTES_MAX = 16 * 1024;
const SPAN_BYTES_MAX = 1024 * 1024;

export async function* readLines(
  files: Files,
  runId: string,
  places: readonly LinePlace[],
): AsyncGenerator<{ readonly index: number; readonly text: string }> {
  const sorted = [...places].sort(
    ({ result: one }, { result: other }) => one.chunkNo - other.chunkNo || one.offset - other.offset,
  );
  let reader: FileReader | null = null;
  let openNo = -1;
  try {
    for (let at = 0; at < sorted.length;) {
      const span = spanFrom(sorted, at);
      const { chunkNo, offset: start } = span.first;
      if (!reader || chunkNo !== openNo) {
        await reader?.close();
        reader = null;
        reader = await files.open(resultPath(runId, chunkNo));
        openNo = chunkNo;
      }
      const bytes = await reader.read(start, span.end - start);
      for (; at < span.next; at++) {
        const place = sorted[at];
        if (!place) continue;
        const from = place.result.offset - start;
        yield { index: place.index, text: bytes.toString('utf8', from, from + place.result.length) };
      }
    }
  } finally {
    await reader?.close();
  }
}

/** As many of them as are read at once. */
function spanFrom(
  sorted: readonly LinePlace[],
  at: number,
): { readonly first: ResultLocation; readonly end: number; readonly next: number } {
  const first = sorted[at]?.result ?? { chunkNo: 0, offset: 0, length: 0 };
  let end = first.offset + first.length;
  let next = at + 1;
  for (; next < sorted.length; next++) {
    const { chunkNo, offset, length } = sorted[next]?.result ?? first;
    if (chunkNo !== first.chunkNo || offset - end > GAP_BYTES_MAX) break;
    if (offset + length - first.offset > SPAN_BYTES_MAX) break;
    end = Math.max(end, offset + length);
  }
  return { first, end, next };
}

/** Files that are open at once while lines are read one by one. */
const OPEN_MAX = 32;
/** Bytes that are read at once: some hundred lines, where they are asked for in their order. */
const WINDOW_BYTES = 64 * 1024;

interface OpenFile {
  readonly reader: FileReader;
  start: number;
  window: Buffer;
}

/** Lines of any files in any order; most often the next one is near the last. To be closed. */
export class LineReaders {
  readonly #files: Files;
  /** By path, the one that was asked for longest ago first. */
  readonly #open = new Map<string, OpenFile>();

  constructor(files: Files) {
    this.#files = files;
  }

  async read(path: string, { offset, length }: { readonly offset: number; readonly length: number }): Promise<string> {
    const file = await this.#fileOf(path);
    const at = offset - file.start;
    if (at >= 0 && at + length <= file.window.length) return file.window.toString('utf8', at, at + length);
    const bytes = Math.max(length, Math.min(WINDOW_BYTES, file.reader.bytes - offset));
    file.window = await file.reader.read(offset, bytes);
    file.start = offset;
    return file.window.toString('utf8', 0, length);
  }

  async close(): Promise<void> {
    for (const { reader } of this.#open.values()) await reader.close();
    this.#open.clear();
  }

  async #fileOf(path: string): Promise<OpenFile> {
    let file = this.#open.get(path);
    if (file) this.#open.delete(path);
    else file = { reader: await this.#files.open(path), start: 0, window: Buffer.alloc(0) };
    this.#open.set(path, file);
    const [oldest] = this.#open;
    if (this.#open.size > OPEN_MAX && oldest) {
      this.#open.delete(oldest[0]);
      await oldest[1].reader.close();
    }
    return file;
  }
}
