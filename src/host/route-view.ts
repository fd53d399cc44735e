/**
 * What each route took of an input, as JSON and as programs get it.
 */
import type { RouteSum } from '../engine/ingest/route-sums.ts';
import type { LaneMode } from '../domain/model.ts';
import { worstRunCostUsd } from '../domain/reserve.ts';

/** What a rule of `routes` took of an input. */
export interface RouteReport {
  /** Null: the rows that no rule took. */
  readonly name: string | null;
  readonly rows: number;
  readonly bytes: number;
  readonly max_tokens: number;
  /** `auto`: as the run. */
  readonly lane: 'auto' | 'batch' | 'realtime';
  /** Rows by model. */
  readonly models: Readonly<Record<string, number>>;
  readonly cost_usd: { readonly estimated_max: number | null };
}

export function viewRoutes(routes: readonly RouteSum[], mode: LaneMode): readonly RouteReport[] {
  return routes.map(({ name, rows, bytes, maxTokens, lane, mix }) => ({
    name,
    rows,
    bytes,
    max_tokens: maxTokens,
    lane: lane ?? 'auto',
    models: Object.fromEntries(Object.entries(mix).map(([model, part]) => [model, part.rows])),
    cost_usd: { estimated_max: worstRunCostUsd(mix, mode) },
  }));
}
