/**
 * What each route of --routes took of an input: a small table, and the same as JSON.
 */
import { formatBytes, formatCount, formatUsd } from '../../base/units.ts';
import type { RouteSum } from '../../engine/route-sums.ts';
import { upperCostUsd } from '../../engine/upper-cost.ts';
import { table } from '../ui.ts';

const NO_RULE = '(no rule)';
const HEAD = ['route', 'rows', 'bytes', 'lane', 'at most', 'models'];

export function routesText(routes: readonly RouteSum[]): string {
  const rows = routes.map((route) => [
    route.name ?? NO_RULE,
    formatCount(route.rows),
    formatBytes(route.bytes),
    route.lane ?? 'as the run',
    costText(route),
    Object.keys(route.mix).join(', '),
  ]);
  return table([HEAD, ...rows]);
}

function costText(route: RouteSum): string {
  const usd = upperCostUsd(route.mix);
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

export function viewRoutes(routes: readonly RouteSum[]): readonly RouteView[] {
  return routes.map(({ name, rows, bytes, maxTokens, lane, mix }) => ({
    name,
    rows,
    bytes,
    max_tokens: maxTokens,
    lane: lane ?? 'auto',
    models: Object.fromEntries(Object.entries(mix).map(([model, part]) => [model, part.rows])),
    cost_usd: { estimated_max: upperCostUsd(mix) },
  }));
}
