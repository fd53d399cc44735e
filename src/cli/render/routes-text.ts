/**
 * What each route of --routes took of an input: a small table, and the same as JSON.
 */
import { formatBytes, formatCount, formatUsd } from '../../base/units.ts';
import type { LaneMode } from '../../domain/model.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';
import type { RouteSum } from '../../engine/route-sums.ts';
import { table } from '../ui.ts';

const NO_RULE = '(no rule)';
const HEAD = ['route', 'rows', 'bytes', 'lane', 'at most', 'models'];

/** `mode`: where the whole run is wanted, which goes before its routes. */
export function routesText(routes: readonly RouteSum[], mode: LaneMode): string {
  const rows = routes.map((route) => [
    route.name ?? NO_RULE,
    formatCount(route.rows),
    formatBytes(route.bytes),
    route.lane ?? 'as the run',
    costText(route, mode),
    Object.keys(route.mix).join(', '),
  ]);
  return table([HEAD, ...rows]);
}

function costText(route: RouteSum, mode: LaneMode): string {
  const usd = worstRunCostUsd(route.mix, mode);
  return usd === null ? 'unknown' : formatUsd(usd);
}

export interface RouteView {
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

export function viewRoutes(routes: readonly RouteSum[], mode: LaneMode): readonly RouteView[] {
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
