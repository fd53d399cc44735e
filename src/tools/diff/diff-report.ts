/**
 * What two results files have in common and what not: counts, sums, and the first differences in the order of the first
 * file. Its report is what `batchrun diff --json` prints.
 */
import type { ResultView } from '../results/result-view.ts';
import { Tally } from '../results/tally.ts';
import type { StoredRow } from './buckets.ts';
import { compareRows, outcomeText, type Change } from './compare.ts';
import { excerpts } from './excerpts.ts';

export type DifferenceKind = 'outcome' | 'answer' | 'only_in_a' | 'only_in_b';

export interface Difference {
  readonly id: string;
  readonly kind: DifferenceKind;
  readonly line_a: number | null;
  readonly line_b: number | null;
  /** A few characters from where they part; the outcome where that changed. */
  readonly a: string | null;
  readonly b: string | null;
  readonly fields: readonly string[] | null;
}

export interface Sums {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  /** Null where an answer has no known price. */
  readonly cost_usd: number | null;
}

export interface DiffReport {
  readonly both: number;
  readonly only_in_a: number;
  readonly only_in_b: number;
  readonly same: number;
  readonly answer_changed: number;
  /** Answers that changed and are JSON in both files. */
  readonly answer_changed_json: number;
  /** The same JSON, written in another way: counted among the same. */
  readonly layout_changed: number;
  readonly outcome_changed: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly stop_reasons: Readonly<Record<string, number>>;
  /** In how many rows each field of a JSON answer differs. */
  readonly fields: Readonly<Record<string, number>>;
  /** Of the rows that are in both files. */
  readonly a: Sums;
  readonly b: Sums;
  readonly differences: readonly Difference[];
}

const DIFFERENCES_SHOWN_MAX = 20;

type Shown = Difference & { readonly order: number };

export class DiffSums {
  #both = 0;
  #onlyInA = 0;
  #onlyInB = 0;
  readonly #kinds = { same: 0, answer: 0, layout: 0, outcome: 0 };
  #json = 0;
  readonly #outcomes = new Tally();
  readonly #stops = new Tally();
  readonly #fields = new Tally();
  readonly #a = new SideSums();
  readonly #b = new SideSums();
  #shown: Shown[] = [];

  addBoth(a: StoredRow, b: StoredRow): void {
    this.#both++;
    this.#a.add(a);
    this.#b.add(b);
    const change = compareRows(a, b);
    this.#kinds[change.kind]++;
    if (a.stopReason !== b.stopReason && a.outcome === b.outcome) {
      this.#stops.add(`${a.stopReason ?? '(none)'} -> ${b.stopReason ?? '(none)'}`);
    }
    if (change.kind === 'outcome') this.#outcomes.add(`${outcomeText(a)} -> ${outcomeText(b)}`);
    if (change.kind === 'answer' && change.fields) {
      this.#json++;
      for (const field of change.fields) this.#fields.add(field);
    }
    if (change.kind === 'outcome' || change.kind === 'answer') this.#show(a.seq, () => differenceOf(a, b, change));
  }

  addOnlyInA(row: StoredRow): void {
    this.#onlyInA++;
    const { id, line } = row;
    const empty = { line_b: null, b: null, fields: null };
    this.#show(row.seq, () => ({ id, kind: 'only_in_a', line_a: line, a: outcomeText(row), ...empty }));
  }

  /** They come after all of the first file. */
  addOnlyInB(row: StoredRow): void {
    this.#onlyInB++;
    const { id, line } = row;
    const empty = { line_a: null, a: null, fields: null };
    this.#show(AFTER_A + row.seq, () => ({ id, kind: 'only_in_b', line_b: line, b: outcomeText(row), ...empty }));
  }

  report(): DiffReport {
    const { same, answer, layout, outcome } = this.#kinds;
    return {
      both: this.#both,
      only_in_a: this.#onlyInA,
      only_in_b: this.#onlyInB,
      same: same + layout,
      answer_changed: answer,
      answer_changed_json: this.#json,
      layout_changed: layout,
      outcome_changed: outcome,
      outcomes: this.#outcomes.toObject(),
      stop_reasons: this.#stops.toObject(),
      fields: this.#fields.toObject(),
      a: this.#a.view(),
      b: this.#b.view(),
      differences: this.#shown.map(({ order: _order, ...difference }) => difference),
    };
  }

  /** Buckets come in no order: the first differences are those with the smallest places. */
  #show(order: number, difference: () => Difference): void {
    const last = this.#shown.at(-1);
    if (this.#shown.length === DIFFERENCES_SHOWN_MAX && last && last.order < order) return;
    const at = this.#shown.findIndex((one) => one.order > order);
    this.#shown.splice(at < 0 ? this.#shown.length : at, 0, { ...difference(), order });
    this.#shown = this.#shown.slice(0, DIFFERENCES_SHOWN_MAX);
  }
}

const AFTER_A = 2 ** 50;

function differenceOf(a: StoredRow, b: StoredRow, change: Extract<Change, { kind: 'outcome' | 'answer' }>): Difference {
  const place = { id: a.id, kind: change.kind, line_a: a.line, line_b: b.line };
  if (change.kind === 'outcome') return { ...place, a: outcomeText(a), b: outcomeText(b), fields: null };
  const [one, other] = excerpts(answerText(a), answerText(b));
  return { ...place, a: one, b: other, fields: change.fields };
}

function answerText({ text, calls }: ResultView): string {
  return `${text ?? ''}${calls.length === 0 ? '' : JSON.stringify(calls)}`;
}

class SideSums {
  #input = 0;
  #output = 0;
  #written = 0;
  #read = 0;
  #costUsd = 0;
  #unpriced = 0;

  add({ usage, costUsd }: ResultView): void {
    if (usage) {
      this.#input += usage.inputTokens;
      this.#output += usage.outputTokens;
      this.#written += usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
      this.#read += usage.cacheReadTokens;
    }
    if (costUsd === null) this.#unpriced++;
    else this.#costUsd += costUsd;
  }

  view(): Sums {
    return {
      input_tokens: this.#input,
      output_tokens: this.#output,
      cache_creation_input_tokens: this.#written,
      cache_read_input_tokens: this.#read,
      // Twelve digits: no noise of binary fractions.
      cost_usd: this.#unpriced > 0 ? null : Number(this.#costUsd.toPrecision(12)),
    };
  }
}
