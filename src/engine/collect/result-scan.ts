/**
 * Reads the lines of a result file as they arrive and proves that they are whole: each wire id of the chunk exactly
 * once, nothing else, and the sums that the API itself gave. A stream that ends early at a line boundary looks like
 * success to every client; here it does not.
 */
import { costUsd } from '../../domain/pricing.ts';
import { NO_USAGE, type Lane, type RequestCounts, type UsageEntry } from '../../domain/model.ts';
import { outcomeByte } from '../../domain/packed-index.ts';
import { deviantType, type AnswerCheck } from '../../domain/answer-check.ts';
import type { IndexOf } from './wire-ids.ts';
import { NOTABLE_STOP_REASONS, parseResultLine, readResultLine, type ResultLine } from '../../domain/result-line.ts';

/** A line of a row that did not succeed, or whose answer was cut or does not follow a schema where that is looked for. */
export interface RestLine {
  readonly index: number;
  readonly line: ResultLine;
}

/** What the lines of a result file come to; it can be handed from one thread to another. */
export interface ScannedResults {
  /** By the number of the row: where its line lies; length 0 where it has none. */
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  readonly outcomes: Uint8Array;
  readonly rest: readonly RestLine[];
  readonly usage: readonly UsageEntry[];
  readonly stopReasons: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<ResultLine['type'], number>>;
  readonly lines: number;
  /** A line of it belongs to no row of the chunk. */
  readonly foreign: boolean;
}

export class ResultScan {
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  readonly #outcomes: Uint8Array;
  readonly #usage = new UsageSum('batch');
  readonly #stopReasons = new StopReasonSum();
  readonly #rest: RestLine[] = [];
  readonly #indexOf: IndexOf;
  readonly #cutOffs: boolean;
  readonly #check: AnswerCheck | null;
  readonly #counts = { succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  #foreign = false;
  #lines = 0;

  /**
   * `cutOffs`: answers that max_tokens cut are handed out as `rest`: whether they are final is not known here. So are
   * those that do not follow the schema of `check`.
   */
  constructor(rowCount: number, indexOf: IndexOf, cutOffs = false, check: AnswerCheck | null = null) {
    this.#check = check;
    this.#indexOf = indexOf;
    this.#cutOffs = cutOffs;
    this.#offsets = new Float64Array(rowCount);
    this.#lengths = new Float64Array(rowCount);
    this.#outcomes = new Uint8Array(rowCount);
  }

  get lines(): number {
    return this.#lines;
  }

  get results(): ScannedResults {
    return {
      offsets: this.#offsets,
      lengths: this.#lengths,
      outcomes: this.#outcomes,
      rest: this.#rest,
      usage: this.#usage.entries(),
      stopReasons: this.#stopReasons.counts,
      counts: this.#counts,
      lines: this.#lines,
      foreign: this.#foreign,
    };
  }

  /** Takes a line; gives the reason when the file cannot be believed because of it. */
  take(text: string, { offset, bytes }: { readonly offset: number; readonly bytes: number }): string | null {
    if (bytes === 0) return null;
    const line = this.#check === null ? parseResultLine(text) : checkedLine(text, this.#check);
    if (!line) return `line ${this.#lines + 1} is not a result`;
    const index = this.#indexOf(line.wireId);
    if (index === null) {
      this.#foreign = true;
      return `line ${this.#lines + 1} belongs to no row of this chunk`;
    }
    if (this.#lengths[index] !== 0) return `row ${index} came twice`;
    this.#lines++;
    this.#offsets[index] = offset;
    this.#lengths[index] = bytes;
    this.#counts[line.type]++;
    if (line.type === 'succeeded') {
      this.#outcomes[index] = outcomeByte('succeeded', line.stopReason);
      this.#usage.add(line);
      const isCut = this.#cutOffs && line.stopReason === 'max_tokens';
      if (isCut || line.deviation !== undefined) this.#rest.push({ index, line });
      if (!isCut) this.#stopReasons.add(line);
    } else {
      this.#rest.push({ index, line });
    }
    return null;
  }
}

/** The line with what its answer deviates in. */
export function checkedLine(text: string, check: AnswerCheck): ResultLine | null {
  const read = readResultLine(text);
  if (!read?.message) return read?.line ?? null;
  const deviation = deviantType(check, read.message, read.line.stopReason);
  return deviation === null ? read.line : { ...read.line, deviation };
}

/** The reason why a result file is not whole, or null. */
export function whyNotWhole({ lines, lengths, counts }: ScannedResults, said: RequestCounts): string | null {
  if (lines < lengths.length) return `${lines} of ${lengths.length} lines came`;
  for (const kind of ['succeeded', 'errored', 'canceled', 'expired'] as const) {
    if (counts[kind] !== said[kind]) return `${counts[kind]} lines are ${kind}; the batch says ${said[kind]}`;
  }
  return null;
}

/** Adds up tokens and cost by model. */
export class UsageSum {
  readonly #lane: Lane;
  readonly #entries = new Map<string, { -readonly [K in keyof UsageEntry]: UsageEntry[K] }>();

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  add(line: ResultLine): void {
    const model = line.model ?? 'unknown';
    const usage = line.usage ?? NO_USAGE;
    let entry = this.#entries.get(model);
    if (!entry) {
      entry = { model, lane: this.#lane, rows: 0, costUsd: 0, unpricedRows: 0, ...NO_USAGE };
      this.#entries.set(model, entry);
    }
    entry.rows++;
    entry.inputTokens += usage.inputTokens;
    entry.outputTokens += usage.outputTokens;
    entry.cacheWrite5mTokens += usage.cacheWrite5mTokens;
    entry.cacheWrite1hTokens += usage.cacheWrite1hTokens;
    entry.cacheReadTokens += usage.cacheReadTokens;
    const cost = costUsd({ model, lane: this.#lane, usage, inferenceGeo: line.inferenceGeo });
    if (cost === null) entry.unpricedRows++;
    else entry.costUsd += cost;
  }

  entries(): UsageEntry[] {
    return [...this.#entries.values()];
  }
}

/** Counts the stop reasons that deserve a look. */
export class StopReasonSum {
  readonly counts: Record<string, number> = {};

  add(line: ResultLine): void {
    const reason = line.stopReason;
    if (reason !== undefined && (NOTABLE_STOP_REASONS as readonly string[]).includes(reason)) this.addReason(reason);
  }

  addReason(reason: string): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
  }
}
