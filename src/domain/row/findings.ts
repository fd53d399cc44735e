/**
 * What the reading of one row has found so far: problems that keep it from being sent, and notices worth a word.
 *
 * Nearly every row has neither, so nothing is allocated until there is something. Notices that do not depend on the
 * row are shared constants: the caller says each code once and counts the rows.
 */
import type { RowNotice, RowProblem } from '../source.ts';

const NO_NOTICES: readonly RowNotice[] = Object.freeze([]);
const NO_PROBLEMS: readonly RowProblem[] = Object.freeze([]);
/** One broken row must not fill the report: a list of 100,000 bad messages is one mistake. */
const PROBLEMS_OF_A_ROW_MAX = 10;

export class Findings {
  #problems: RowProblem[] | undefined;
  #notices: RowNotice[] | undefined;

  problem(code: string, message: string): void {
    this.#problems ??= [];
    if (this.#problems.length < PROBLEMS_OF_A_ROW_MAX) this.#problems.push({ code, message });
  }

  notice(notice: RowNotice): void {
    this.#notices ??= [];
    if (!this.#notices.includes(notice)) this.#notices.push(notice);
  }

  get full(): boolean {
    return this.#problems !== undefined && this.#problems.length >= PROBLEMS_OF_A_ROW_MAX;
  }

  get problems(): readonly RowProblem[] {
    return this.#problems ?? NO_PROBLEMS;
  }

  get notices(): readonly RowNotice[] {
    return this.#notices ?? NO_NOTICES;
  }
}
