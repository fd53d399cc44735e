/**
 * What a submit, or a check, found in the rows.
 */
import { plain } from '../base/units.ts';
import { wishesOf } from '../domain/model.ts';
import { worstRunCostUsd } from '../domain/reserve.ts';
import type { IngestReport } from '../engine/ingest/ingest.ts';
import type { SubmitOptions } from './options.ts';
import { wishesIn } from './submit.ts';
import { viewRoutes, type RouteReport } from '../host/route-view.ts';
import { libraryDetails, libraryText } from './words.ts';

/** What was read and checked: of a run that is submitted, or of rows that are only looked at. */
export interface SubmitReport {
  /** These rows were submitted before: it is that run, and nothing was read into a new one. */
  readonly resumed: boolean;
  readonly rows: number;
  /** Left out, with `onInvalid: 'skip'`. */
  readonly invalid: number;
  /** Batches that it takes. */
  readonly batches: number;
  readonly bytes: number;
  /**
   * If every answer is as long as `max_tokens` allows: what a budget (`maxCostUsd`) would set aside for all rows. Null where a
   * model has no known price.
   */
  readonly max_cost_usd: number | null;
  /** What is worth saying once for all rows that it touches. */
  readonly notices: readonly { readonly code: string; readonly message: string; readonly rows: number }[];
  /** The first rows that cannot be sent. They quote a few characters of a row at most. */
  readonly problems: readonly SubmitProblem[];
  readonly warnings: readonly string[];
  /** What each rule of `routes` took, those that took nothing too; `name` null: rows that no rule took. */
  readonly routes: readonly RouteReport[];
  /** What `cache` comes to, or why it comes to nothing. */
  readonly cache: readonly string[];
  /** The first request as it goes out, where rows were read. */
  readonly first_request: unknown;
}

/** A row that cannot be sent, and why. */
export interface SubmitProblem {
  /** The path of the input; `(rows)` where it was no file. */
  readonly file: string;
  /** From 1; of rows that were passed in, which one it was. */
  readonly line: number;
  readonly id: string;
  readonly code: string;
  readonly message: string;
}

export function toReport(
  report: IngestReport,
  options: SubmitOptions,
  { resumed, warnings, cache }: Pick<SubmitReport, 'resumed' | 'warnings' | 'cache'>,
): SubmitReport {
  const { rows, invalid, chunks: batches, bytes, mix, notices, firstParamsJson } = report;
  const { lane } = wishesOf({ settings: { wishes: wishesIn(options) } });
  return {
    ...{ resumed, rows, invalid, batches, bytes, warnings, cache },
    ...plain({ routes: viewRoutes(report.routes, lane), max_cost_usd: worstRunCostUsd(mix, lane) }),
    notices: notices.map(({ code, message, rows: touched }) => ({
      code,
      message: libraryText(message),
      rows: touched,
    })),
    problems: libraryDetails(report.problems),
    first_request: firstParamsJson === null ? null : (JSON.parse(firstParamsJson) as unknown),
  };
}
