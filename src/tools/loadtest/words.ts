/**
 * How figures of a load test are written, in text and on pages alike.
 */
import { formatCount, plural } from '../../base/units.ts';
import type { LatencyView, LimitName, LoadSettingsView } from './live.ts';
import type { ImpliedLimit, LimitsView } from './rate-watch.ts';

/** `0.42ms`, `38ms`, `1.24s`: three digits that matter. */
export function milliseconds(ms: number): string {
  if (ms < 10) return `${Number(ms.toPrecision(2))}ms`;
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)}s`;
}

/** Mean, percentiles and the most. */
export function timeCells(view: LatencyView): string[] {
  const { mean_ms: mean, p50_ms: p50, p75_ms: p75, p90_ms: p90, p95_ms: p95, p99_ms: p99 } = view;
  return [mean, p50, p75, p90, p95, p99, view.p99_9_ms, view.max_ms].map(milliseconds);
}

/** What loads: `50 users who think 1-5 s`, `20/s at random`. */
export function loadLine(settings: LoadSettingsView): string {
  const { think_seconds: think, rate_per_second: rate, users, spawn_per_second: spawn } = settings;
  const thinks = think === null ? '' : ` who think ${think[0] === think[1] ? think[0] : think.join('-')} s`;
  if (settings.load === 'closed') {
    return `${plural(users ?? 0, 'user')}${thinks}${spawn === null ? '' : `, ${spawn} more each second`}`;
  }
  const [from, to] = (rate ?? [0, 0]).map((one) => `${Number(one.toPrecision(3))}/s`);
  switch (settings.arrivals) {
    case 'constant':
      return `${from} evenly`;
    case 'ramp':
      return `a ramp from ${from} to ${to}`;
    case 'spike':
      return `${from} with a burst of ${to}`;
    case 'steps':
      return `steps from ${from} to ${to}`;
    default:
      return `${from} at random`;
  }
}

export function settingsLine({ models, stream, turns }: LoadSettingsView): string {
  const talks = turns > 1 ? `, conversations of up to ${turns} messages` : '';
  return `${models.join(', ')}${stream ? ', streamed' : ''}${talks}`;
}

const LIMITS: readonly (readonly [LimitName, string])[] = [
  ['requests', 'requests'],
  ['input_tokens', 'input tokens'],
  ['output_tokens', 'output tokens'],
  ['tokens', 'tokens of both kinds'],
];
const SOURCES: Readonly<Record<ImpliedLimit['source'], string>> = {
  headers: 'headers',
  refusal: 'refusals',
  observed: 'what went through',
  at_least: 'what went through',
};

/** Model, limit, how much, from where, and whether it was the one that bound. */
export function limitsRows(limits: readonly LimitsView[]): string[][] {
  return limits.flatMap((one) =>
    LIMITS.flatMap(([name, text]) => {
      const limit = one[name];
      if (limit === null) return [];
      const more =
        limit.source === 'at_least' ? `${formatCount(limit.per_minute)} or more` : formatCount(limit.per_minute);
      return [[one.model, text, more, SOURCES[limit.source], one.bound_by === name ? 'reached' : '']];
    }),
  );
}
