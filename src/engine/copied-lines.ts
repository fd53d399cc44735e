/**
 * Reads many lines out of result files, in the order in which they lie there: each file is opened once, and lines that
 * lie close together are one read.
 */
import type { ResultLocation } from '../domain/model.ts';
import type { FileReader, Files } from '../domain/ports.ts';
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
