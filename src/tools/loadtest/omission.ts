/**
 * What coordinated omission has hidden: whoever would have asked every interval, and had to wait for a slow answer instead,
 * would have seen its rest. For each slow one those are its time less one interval, less two, down to one interval, as
 * HdrHistogram puts them back.
 *
 * Its own way there takes a step for each of them: a minute of standstill of a server that answers in a millisecond is
 * sixty thousand steps for each request that met it, each second that somebody looks. Here long rows of them are laid over
 * the buckets as what they are, evenly spread, in one walk for all.
 */
import type { Histogram } from '../../engine/pacing/latency.ts';

/** Rows that are longer are spread: where in its interval each single one of so many lies does not show. */
const ONE_BY_ONE_MAX = 64;

/** Where so many more, or fewer, begin to lie in each unit. */
interface Edge {
  readonly at: number;
  readonly change: number;
}

/** Adds to `whole` what `measured` has left out. */
export function putBack(whole: Histogram, measured: Histogram, interval: number): void {
  const edges: Edge[] = [];
  // Below two intervals nothing was left out.
  for (let from = 2 * interval; from <= measured.maxValue;) {
    const count = measured.getCountAtValue(from);
    from = measured.nextNonEquivalentValue(from);
    if (count === 0) continue;
    // The upper end of the bucket, as percentiles have it.
    const value = from - 1;
    const missing = Math.floor(value / interval) - 1;
    if (missing <= ONE_BY_ONE_MAX) {
      for (let nth = 1; nth <= missing; nth++) whole.recordValueWithCount(value - nth * interval, count);
      continue;
    }
    // Each stands for the interval around it.
    const end = value - interval / 2;
    const change = count / interval;
    edges.push({ at: end - missing * interval, change }, { at: end, change: -change });
  }
  spread(whole, edges);
}

function spread(whole: Histogram, edges: Edge[]): void {
  edges.sort((one, other) => one.at - other.at);
  let density = 0;
  // Parts of one are carried on, so that the sum is right everywhere.
  let owed = 0;
  let nth = 0;
  let from = Math.max(1, Math.floor(edges[0]?.at ?? 1));
  while (nth < edges.length) {
    const to = whole.nextNonEquivalentValue(from);
    let at = from;
    for (let edge = edges[nth]; edge && edge.at < to; edge = edges[++nth]) {
      owed += density * (edge.at - at);
      density += edge.change;
      at = edge.at;
    }
    owed += density * (to - at);
    const count = Math.round(owed);
    if (count > 0) {
      whole.recordValueWithCount(from, count);
      owed -= count;
    }
    from = to;
  }
}
