/**
 * From the counts of a load test that is over to what is shown of it.
 */
import { findingsOf } from './findings.ts';
import type { LimitsView } from './rate-watch.ts';
import { correctionThinkMs, viewSettings, type EndedBy } from './settings.ts';
import { stageRate } from './knee.ts';
import { kneeNow, stageLoad, type Measured } from './snapshot.ts';
import { correctedTotal, type Counts, type Part } from './tally.ts';
import { judge, type Condition, type Measures } from './thresholds.ts';
import type { LoadView, PartView, SpeedView, StageView } from './view.ts';

/** A test that is over. */
export interface Finished extends Measured {
  readonly endedBy: EndedBy | null;
  readonly budget: { readonly uncertainUsd: number };
}

export interface ViewParts {
  readonly conditions: readonly Condition[];
  /** False for the simulator. */
  readonly charged: boolean;
}

export function viewLoad(session: Finished, { conditions, charged }: ViewParts): LoadView {
  const { settings, tally } = session;
  const { counts } = tally;
  const thinkMs = correctionThinkMs(settings);
  const through = throughput(session);
  const measures: Measures = {
    latency: tally.latencies(thinkMs),
    ...{ sent: counts.sent, succeeded: counts.succeeded, failed: counts.failed, rateLimited: counts.rateLimited },
    perSecond: through.succeeded / 60,
    inputPerMinute: through.inputTokens,
    outputPerMinute: through.outputTokens,
    tokensPerSecond: tally.speed.percentileMs(50),
    costUsd: tally.costKnown ? tally.costUsd : null,
  };
  const view: Omit<LoadView, 'findings'> = {
    settings: viewSettings(settings),
    changes: session.changes,
    started_at: session.startedAt,
    elapsed_seconds: Math.round(session.elapsedMs) / 1_000,
    ended_by: session.endedBy ?? 'duration',
    requests: {
      ...{ sent: counts.sent, succeeded: counts.succeeded, rate_limited: counts.rateLimited, failed: counts.failed },
      failures: Object.fromEntries([...tally.failures].sort(([, one], [, other]) => other - one)),
      canceled: counts.canceled,
    },
    tokens: { input: counts.inputTokens, output: counts.outputTokens },
    throughput: {
      requests_per_minute: rounded(measures.perSecond * 60),
      input_tokens_per_minute: Math.round(measures.inputPerMinute),
      output_tokens_per_minute: Math.round(measures.outputPerMinute),
    },
    cost_usd: { total: measures.costUsd, uncertain: session.budget.uncertainUsd, charged },
    latency: measures.latency,
    tokens_per_second: speedOf(session),
    ...{ connections: tally.connections, bytes: tally.bytes },
    by_request: [...tally.parts].map(([name, part]) => ({ name, ...partView(part, thinkMs) })),
    by_stage: stagesOf(session),
    knee: kneeNow(session),
    limits: [...tally.watches.values()].map((watch) => watch.view()).filter(hasLimits),
    thresholds: judge(conditions, measures),
    tester: { lag_p50_ms: tally.lag.percentileMs(50) ?? 0, lag_p99_ms: tally.lag.percentileMs(99) ?? 0 },
  };
  return { ...view, findings: findingsOf(view, tally.points) };
}

/**
 * What came through a minute: to the last answer, or while requests were sent, whichever is more. One answer that hangs
 * until its timeout must not make a test of a minute look like one of three; where answers are long and none hangs, those
 * that came after the last request belong to it.
 */
function throughput({ tally, elapsedMs, sendingMs }: Finished): Record<keyof Came, number> {
  const whole = aMinute(tally.counts, elapsedMs);
  const sending = aMinute(tally.atStop ?? tally.counts, tally.atStop ? sendingMs : elapsedMs);
  return sending.succeeded > whole.succeeded ? sending : whole;
}

type Came = Pick<Counts, 'succeeded' | 'inputTokens' | 'outputTokens'>;

function aMinute({ succeeded, inputTokens, outputTokens }: Came, ms: number): Record<keyof Came, number> {
  const minutes = Math.max(1, ms) / 60_000;
  return {
    succeeded: succeeded / minutes,
    inputTokens: inputTokens / minutes,
    outputTokens: outputTokens / minutes,
  };
}

function speedOf({ tally: { speed } }: Finished): SpeedView | null {
  const { meanMs } = speed;
  if (meanMs === null) return null;
  const at = (percentile: number): number => rounded(speed.percentileMs(percentile) ?? 0);
  return { mean: rounded(meanMs), p10: at(10), p50: at(50), p90: at(90) };
}

function partView(part: Part, thinkMs: number | null): Omit<PartView, 'name'> {
  const { counts, service, firstToken } = part;
  return {
    ...{ sent: counts.sent, succeeded: counts.succeeded, rate_limited: counts.rateLimited, failed: counts.failed },
    ...{ input_tokens: counts.inputTokens, output_tokens: counts.outputTokens },
    total: correctedTotal(part.total, [part], thinkMs),
    service: service.view(),
    first_token: firstToken.view(),
  };
}

function stagesOf(session: Finished): readonly StageView[] {
  const { load } = session.settings;
  if (load.kind === 'closed') return [];
  return session.tally.stages.flatMap((part, at) => {
    const stage = load.plan.stages[at];
    if (!stage || part.counts.sent === 0) return [];
    const { fromMs, toMs } = stage;
    const ratePerSecond = stageRate(stage, part.counts, stageLoad(session));
    const when = { from_seconds: rounded(fromMs / 1_000), to_seconds: rounded(toMs / 1_000) };
    return [{ ...when, rate_per_second: Number(ratePerSecond.toPrecision(4)), ...partView(part, null) }];
  });
}

function hasLimits({ requests, input_tokens: input, output_tokens: output, tokens }: LimitsView): boolean {
  return [requests, input, output, tokens].some((limit) => limit !== null);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
