/**
 * Rows that a program hands over, as a source like any file: one at a time, so that memory does not grow with them.
 *
 * Each goes through JSON once. So it is what a file would hold (dates as text, nothing undefined), and what its owner does
 * to the object later changes nothing.
 */
import { resolve } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { RowProblem, RowSource, SourceRecord } from '../domain/source.ts';
import { stopped } from './driving.ts';
import type { RowsInput } from './options.ts';

/** How the input of such a run is called where files have their paths. */
const ROWS_INPUT = '(rows)';

/** Rows of a plain iterable that are taken before others get their turn. */
const SLICE_ROWS = 256;

/** The paths of files; null where the input is the rows themselves. */
export function pathsOf(input: RowsInput): readonly string[] | null {
  if (typeof input === 'string') return [input];
  // An empty list is one without rows.
  const isPaths = Array.isArray(input) && input.length > 0 && input.every((one) => typeof one === 'string');
  return isPaths ? input : null;
}

/** As they are kept with the run. */
export function inputsOf(input: RowsInput): readonly string[] {
  return pathsOf(input)?.map((path) => resolve(path)) ?? [ROWS_INPUT];
}

/** `signal`: rows that do not come are not waited for any more. */
export function rowsSource(rows: Iterable<object> | AsyncIterable<object>, signal: AbortSignal): RowSource {
  const read = { rows: 0, bytes: 0 };
  const toRecord = (row: unknown): SourceRecord => {
    const place = { file: 0, line: ++read.rows };
    try {
      const text = JSON.stringify(row) as string | undefined;
      if (text === undefined) return { ...place, value: undefined, problem: notJson(`it is ${typeof row}`) };
      read.bytes += text.length;
      return { ...place, value: JSON.parse(text) as unknown };
    } catch (error) {
      return { ...place, value: undefined, problem: notJson(messageOf(error).split('\n')[0] ?? '') };
    }
  };
  return {
    columns: [],
    records: () => (Symbol.asyncIterator in rows ? oneByOne(rows, toRecord, signal) : slices(rows, toRecord)),
    progress: () => ({ readBytes: read.bytes, totalBytes: null }),
  };
}

function notJson(why: string): RowProblem {
  return { code: 'json', message: `the row cannot be written as JSON: ${why}` };
}

async function* oneByOne(
  rows: AsyncIterable<object>,
  toRecord: (row: unknown) => SourceRecord,
  signal: AbortSignal,
): AsyncGenerator<Iterable<SourceRecord>> {
  const iterator = rows[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await unlessStopped(Promise.resolve(iterator.next()), signal);
      if (next.done === true) {
        ended = true;
        return;
      }
      yield [toRecord(next.value)];
    }
  } catch (error) {
    ended = !signal.aborted;
    throw error;
  } finally {
    const left = ended ? undefined : iterator.return?.();
    // A generator that waits itself does not end before what it waits for.
    if (signal.aborted) left?.catch(() => undefined);
    else await left;
  }
}

function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(stopped());
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

async function* slices(
  rows: Iterable<object>,
  toRecord: (row: unknown) => SourceRecord,
): AsyncGenerator<Iterable<SourceRecord>> {
  const iterator = rows[Symbol.iterator]();
  const slice = { ended: false };
  function* next(): Generator<SourceRecord> {
    for (let taken = 0; taken < SLICE_ROWS; taken++) {
      const one = iterator.next();
      if (one.done === true) {
        slice.ended = true;
        return;
      }
      yield toRecord(one.value);
    }
  }
  try {
    while (!slice.ended) {
      yield next();
      await Promise.resolve();
    }
  } finally {
    if (!slice.ended) iterator.return?.();
  }
}
