/**
 * From the counts of a load test that is over to what is shown of it.
 */
import { findingsOf } from './findings.ts';
import type { LimitsView } from './rate-watch.ts';
import { correctionThinkMs, viewSettings, type EndedBy, type LoadSettings } from './settings.ts';
import { kneeNow, type Measured } from './snapshot.ts';
import { correctedTotal, type Part } from './tally.ts';
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
  const minutes = Math.max(1, session.elapsedMs) / 60_000;
  const measures: Measures = {
    latency: tally.latencies(thinkMs),
    ...{ sent: counts.sent, succeeded: counts.succeeded, failed: counts.failed, rateLimited: counts.rateLimited },
    perSecond: counts.succeeded / minutes / 60,
    inputPerMinute: counts.inputTokens / minutes,
    outputPerMinute: counts.outputTokens / minutes,
    tokensPerSecond: tally.speed.percentileMs(50),
    costUsd: tally.costKnown ? tally.costUsd : null,
  };
  const view: Omit<LoadView, 'findings'> = {
    settings: viewSettings(settings),
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
    by_stage: stagesOf(settings, tally.stages),
    knee: kneeNow(session),
    limits: [...tally.watches.values()].map((watch) => watch.view()).filter(hasLimits),
    thresholds: judge(conditions, measures),
    tester: { lag_p50_ms: tally.lag.percentileMs(50) ?? 0, lag_p99_ms: tally.lag.percentileMs(99) ?? 0 },
  };
  return { ...view, findings: findingsOf(view, tally.points) };
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
    total: correctedTotal(part, thinkMs),
    service: service.view(),
    first_token: firstToken.view(),
  };
}

function stagesOf({ load }: LoadSettings, parts: readonly Part[]): readonly StageView[] {
  if (load.kind === 'closed') return [];
  return parts.flatMap((part, at) => {
    const stage = load.plan.stages[at];
    if (!stage || part.counts.sent === 0) return [];
    const { fromMs, toMs, ratePerSecond } = stage;
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
