/**
 * Reads every row of an input and says everything that is wrong with it, and what is worth knowing about the rest. Makes
 * nothing that lasts. Memory does not grow with the rows: each problem is handed on as it is found.
 */
import { generatedId } from '../../domain/row-file.ts';
import type { Files } from '../../domain/ports.ts';
import {
  lineOf,
  type RowNotice,
  type RowProblem,
  type RowReading,
  type RowSource,
  type SourceRecord,
} from '../../domain/source.ts';
import type { ShownProblem } from '../../engine/ingest/problems.ts';
import { stopped } from '../results/read-results.ts';
import { Tally } from '../results/tally.ts';
import { IdCheck } from './id-check.ts';

export interface CheckReport {
  readonly rows: number;
  /** Rows that cannot be sent. */
  readonly bad_rows: number;
  readonly problem_count: number;
  /** By kind, the most frequent first. */
  readonly kinds: readonly ProblemKind[];
  readonly notices: readonly (RowNotice & { readonly rows: number })[];
  /** Of the rows that can be sent. */
  readonly models: Readonly<Record<string, number>>;
  readonly request_bytes: number;
  readonly largest: { readonly file: string; readonly line: number; readonly bytes: number } | null;
}

export interface ProblemKind {
  readonly code: string;
  readonly count: number;
  readonly first: ShownProblem;
}

export interface CheckParts {
  readonly source: RowSource;
  readonly read: (record: SourceRecord) => RowReading;
  /** As messages name them. */
  readonly inputs: readonly string[];
  /** Only the first so many rows. */
  readonly limit: number | null;
  readonly files: Files;
  readonly signal: AbortSignal;
  readonly onProblem: (problem: ShownProblem) => Promise<void> | undefined;
}

export async function checkRows(parts: CheckParts): Promise<CheckReport> {
  const check = new Check(parts);
  await check.readAll();
  await check.findDuplicates();
  return check.report();
}

/** Kinds of notices; beyond them one more cannot be told from the others anyway. */
const NOTICES_MAX = 1_000;

class Check {
  readonly #parts: CheckParts;
  readonly #ids: IdCheck;
  readonly #kinds = new Map<string, { count: number; readonly first: ShownProblem }>();
  readonly #notices = new Map<string, RowNotice & { rows: number }>();
  readonly #models = new Tally();
  #rows = 0;
  #badRows = 0;
  #problems = 0;
  #bytes = 0;
  #largest: CheckReport['largest'] = null;

  constructor(parts: CheckParts) {
    this.#parts = parts;
    this.#ids = new IdCheck(parts.files);
  }

  async readAll(): Promise<void> {
    const { source, limit, signal } = this.#parts;
    for await (const records of source.records()) {
      if (signal.aborted) throw stopped();
      for (const record of records) {
        if (limit !== null && this.#rows >= limit) return;
        const written = this.#take(record);
        if (written) await written;
      }
    }
  }

  async findDuplicates(): Promise<void> {
    for await (const { id, line, file, message } of this.#ids.duplicates()) {
      if (this.#parts.signal.aborted) throw stopped();
      this.#badRows++;
      await this.#tell({ code: 'duplicate_id', message }, { file, line, id });
    }
  }

  #take(record: SourceRecord): Promise<void> | undefined {
    this.#rows++;
    const { file } = record;
    const line = lineOf(record);
    const reading = this.#parts.read(record);
    const customId = reading.ok ? reading.row.customId : reading.customId;
    const generated = generatedId(file, line, this.#parts.inputs.length);
    const id = customId ?? generated;
    if (!reading.ok) return this.#refused(reading.problems, { file, line, id });
    for (const notice of reading.notices) this.#note(notice);
    this.#models.add(reading.row.model);
    this.#measure(reading.row.paramsJson, { file, line });
    return this.#ids.add({ id, line, file, generated: id === generated });
  }

  async #refused(problems: readonly RowProblem[], place: Place): Promise<void> {
    this.#badRows++;
    for (const problem of problems) await this.#tell(problem, place);
  }

  #tell({ code, message }: RowProblem, { file, line, id }: Place): Promise<void> | undefined {
    this.#problems++;
    const problem = { file: this.#parts.inputs[file] ?? '', line, id, code, message };
    const kind = this.#kinds.get(code);
    if (kind) kind.count++;
    else this.#kinds.set(code, { count: 1, first: problem });
    return this.#parts.onProblem(problem);
  }

  #note(notice: RowNotice): void {
    const known = this.#notices.get(notice.message);
    if (known) known.rows++;
    else if (this.#notices.size < NOTICES_MAX) this.#notices.set(notice.message, { ...notice, rows: 1 });
  }

  #measure(paramsJson: string, { file, line }: Omit<Place, 'id'>): void {
    const bytes = Buffer.byteLength(paramsJson);
    this.#bytes += bytes;
    if (bytes <= (this.#largest?.bytes ?? -1)) return;
    this.#largest = { file: this.#parts.inputs[file] ?? '', line, bytes };
  }

  report(): CheckReport {
    const kinds = [...this.#kinds].map(([code, { count, first }]) => ({ code, count, first }));
    return {
      rows: this.#rows,
      bad_rows: this.#badRows,
      problem_count: this.#problems,
      kinds: kinds.sort((one, other) => other.count - one.count),
      notices: [...this.#notices.values()],
      models: this.#models.toObject(),
      request_bytes: this.#bytes,
      largest: this.#largest,
    };
  }
}

interface Place {
  readonly file: number;
  readonly line: number;
  readonly id: string;
}
