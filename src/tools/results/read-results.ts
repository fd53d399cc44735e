/**
 * Goes through a results file: what is a row of it, and what is broken. A broken line is counted and named; the others
 * are read as if it were not there.
 */
import { BatchrunError } from '../../base/errors.ts';
import { lineOf, type RowSource } from '../../domain/source.ts';
import { viewResult, type ResultView } from './result-view.ts';

export interface BrokenLine {
  readonly line: number;
  readonly message: string;
}

export interface ResultsOptions {
  readonly idColumn?: string | undefined;
  readonly signal: AbortSignal;
}

/** Broken lines that are named; all are counted. */
const BROKEN_SHOWN_MAX = 20;

export class BrokenLines {
  readonly shown: BrokenLine[] = [];
  count = 0;

  add(line: number, message: string): void {
    this.count++;
    if (this.shown.length < BROKEN_SHOWN_MAX) this.shown.push({ line, message });
  }
}

/** Calls `take` for each row; it may give a promise where something has to be written first. */
export async function readResults(
  source: RowSource,
  options: ResultsOptions,
  take: (view: ResultView, line: number) => Promise<void> | undefined,
): Promise<BrokenLines> {
  const broken = new BrokenLines();
  const file = { columns: source.columns, idColumn: options.idColumn };
  for await (const records of source.records()) {
    if (options.signal.aborted) throw stopped();
    for (const record of records) {
      const view = record.problem === undefined ? viewResult(record.value, file) : null;
      if (!view) {
        broken.add(lineOf(record), record.problem?.message ?? 'not a row of a results file');
        continue;
      }
      const written = take(view, lineOf(record));
      if (written) await written;
    }
  }
  return broken;
}

export function stopped(): BatchrunError {
  return new BatchrunError('E_NOT_FINISHED', 'interrupted: not all of it was read', {
    hint: 'Nothing is left behind: run it again.',
  });
}
