/**
 * What each route of --routes took of an input as a small table; host/route-view.ts has it as JSON.
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
