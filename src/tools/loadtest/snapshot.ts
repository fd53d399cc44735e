/**
 * A load test as it stands, as plain JSON: for the live page, the terminal, and the report at its end.
 */
import type { KneeView, LoadChange, LoadPoint, LoadSnapshot, LoadState } from './live.ts';
import { LIVE_POINTS_MAX } from './live.ts';
import { kneeOf, type StageLoad } from './knee.ts';
import { correctionThinkMs, viewSettings, type LoadSettings } from './settings.ts';
import type { Tally } from './tally.ts';

/** Seconds of which the present rate is taken. */
const RECENT_SECONDS = 10;

/** What is looked at: a load test that runs or is over. */
export interface Measured {
  readonly settings: LoadSettings;
  readonly tally: Tally;
  readonly state: LoadState;
  readonly startedAt: string;
  readonly elapsedMs: number;
  /** As long as requests were sent. */
  readonly sendingMs: number;
  readonly users: number;
  readonly inFlight: number;
  readonly wantedUsers: number | null;
  readonly changes: readonly LoadChange[];
  readonly wantedPerSecond: number | null;
}

export function snapshotOf(session: Measured): LoadSnapshot {
  const { tally, settings } = session;
  const { counts } = tally;
  return {
    state: session.state,
    settings: viewSettings(settings),
    started_at: session.startedAt,
    elapsed_seconds: Math.round(session.elapsedMs) / 1_000,
    users: session.users,
    in_flight: session.inFlight,
    wanted_users: session.wantedUsers,
    wanted_per_second: session.wantedPerSecond,
    sent: counts.sent,
    succeeded: counts.succeeded,
    rate_limited: counts.rateLimited,
    failed: counts.failed,
    failures: Object.fromEntries([...tally.failures].sort(([, one], [, other]) => other - one)),
    canceled: counts.canceled,
    input_tokens: counts.inputTokens,
    output_tokens: counts.outputTokens,
    cost_usd: tally.costKnown ? tally.costUsd : null,
    requests_per_second: recentRate(tally.points),
    latency: tally.latencies(correctionThinkMs(settings)),
    knee: kneeNow(session),
    points: thinned(tally.points),
  };
}

export function kneeNow(session: Staged): KneeView | null {
  const { load } = session.settings;
  const { stages: parts, watches } = session.tally;
  if (load.kind === 'closed') return null;
  return kneeOf({ stages: load.plan.stages, parts, load: stageLoad(session), watches: watches.values() });
}

type Staged = Pick<Measured, 'settings' | 'tally' | 'changes' | 'sendingMs'>;

export function stageLoad({ settings, changes, sendingMs }: Staged): StageLoad {
  const isByPlan = changes.length === 0 && settings.entries.every(({ turns }) => turns === 1);
  return { isByPlan, sendingMs };
}

function recentRate(points: readonly LoadPoint[]): number {
  const recent = points.slice(-RECENT_SECONDS);
  if (recent.length === 0) return 0;
  const ended = recent.reduce(
    (sum, { succeeded, rate_limited: limited, failed }) => sum + succeeded + limited + failed,
    0,
  );
  return Math.round((ended / recent.length) * 100) / 100;
}

/** Every nth second, the last one always. */
export function thinned(points: readonly LoadPoint[], most = LIVE_POINTS_MAX): readonly LoadPoint[] {
  if (points.length <= most) return [...points];
  const step = Math.ceil(points.length / (most - 1));
  return points.filter((_, at) => at % step === 0 || at === points.length - 1);
}
