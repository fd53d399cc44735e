/**
 * What each route of --routes took of an input as a small table; host/route-view.ts has it as JSON.
 */
import { formatBytes, formatCount, formatUsd } from '../../base/units.ts';
import type { LaneMode } from '../../domain/model.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';
import type { RouteSum } from '../../engine/ingest/route-sums.ts';
import { table } from '../terminal/ui.ts';

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
