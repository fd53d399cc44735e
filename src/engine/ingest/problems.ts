/**
 * The rows that cannot be sent: the first few for the eyes, the count of all, and with --on-invalid skip every one of
 * them in a file beside the row files, so that it gets its line in the output and in --errors.
 */
import { paths } from '../../domain/ids.ts';
import { PROBLEMS_SHOWN_MAX } from '../../domain/limits.ts';
import type { Files, FileWriter } from '../../domain/ports.ts';
import { encodeInvalidEntry, type InvalidEntry } from '../../domain/row-file.ts';

export interface ShownProblem {
  readonly file: string;
  readonly line: number;
  readonly id: string;
  readonly code: string;
  readonly message: string;
}

export class ProblemList {
  readonly #files: Files;
  readonly #runId: string;
  readonly #inputs: readonly string[];
  readonly #keep: boolean;
  readonly shown: ShownProblem[] = [];
  /** Problems; a row can have several. */
  count = 0;
  /** Rows with a problem. */
  rows = 0;
  duplicates = 0;
  /** A part of an input could not be read at all: then no row of it is known, and nothing may be sent without it. */
  unread = false;
  #invalid: FileWriter | undefined;
  #duplicates: FileWriter | undefined;

  constructor(files: Files, runId: string, inputs: readonly string[], keep: boolean) {
    this.#files = files;
    this.#runId = runId;
    this.#inputs = inputs;
    this.#keep = keep;
  }

  /**
   * Duplicates come at the end of ingest, in their own order: they have a file of their own. `text` is its line, where
   * that was made already.
   */
  add(entry: Omit<InvalidEntry, 'columns' | 'params'>, text = encodeInvalidEntry(entry)): Promise<void> | undefined {
    this.rows++;
    for (const problem of entry.problems) {
      this.count++;
      if (problem.code === 'duplicate_id') this.duplicates++;
      if (problem.code === 'unread') this.unread = true;
      if (this.shown.length >= PROBLEMS_SHOWN_MAX) continue;
      const file = this.#inputs[entry.file ?? 0] ?? '';
      this.shown.push({ file, line: entry.line, id: entry.id, ...problem });
    }
    return this.#keep ? this.#write(entry.problems, text) : undefined;
  }

  async close(): Promise<void> {
    await this.#invalid?.commit();
    await this.#duplicates?.commit();
  }

  async #write(problems: InvalidEntry['problems'], text: string): Promise<void> {
    const line = Buffer.from(text);
    if (problems.some((problem) => problem.code === 'duplicate_id')) {
      this.#duplicates ??= await this.#files.create(paths.duplicates(this.#runId));
      await this.#duplicates.write(line);
    } else {
      this.#invalid ??= await this.#files.create(paths.invalid(this.#runId));
      await this.#invalid.write(line);
    }
  }
}
