/**
 * Load tests on a virtual clock: against the simulator without sockets, or against a server that is a function.
 */
import { setMaxListeners } from 'node:events';
import { messageReader } from '../../../../src/adapters/load/answer-reader.ts';
import { ratesOf } from '../../../../src/adapters/anthropic/rate-headers.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import type { LoadAnswer, LoadCall, LoadClient } from '../../../../src/domain/load.ts';
import { NO_USAGE } from '../../../../src/domain/model.ts';
import { refusalOf } from '../../../../src/domain/pacing/refusal.ts';
import { arrivalPlan, type ArrivalShape } from '../../../../src/tools/loadtest/arrivals.ts';
import { loadTimes } from '../../../../src/tools/loadtest/histogram.ts';
import type { LoadPoint } from '../../../../src/tools/loadtest/live.ts';
import type { MixEntry } from '../../../../src/tools/loadtest/mix.ts';
import { viewLoad } from '../../../../src/tools/loadtest/result.ts';
import { LoadSession } from '../../../../src/tools/loadtest/session.ts';
import type { LoadSettings, OpenLoad } from '../../../../src/tools/loadtest/settings.ts';
import { parseThresholds } from '../../../../src/tools/loadtest/thresholds.ts';
import type { LoadView } from '../../../../src/tools/loadtest/view.ts';
import type { SimOptions } from '../../../../src/tools/sim/options.ts';
import { createSimWorld } from '../../../../src/tools/sim/world.ts';

export const ENTRY: MixEntry = {
  ...{ name: 'claude-haiku-5-5', model: 'claude-haiku-5-5', maxTokens: 100, share: 1, turns: 1, betas: [], params: {} },
  addedTokens: 0,
  ask: { kind: 'tokens', tokens: 50 },
};

export function settings(given: Partial<LoadSettings>): LoadSettings {
  return {
    ...{ target: 'sim', entries: [ENTRY], load: { kind: 'closed', users: 5, spawnPerSecond: null } },
    ...{ thinkMs: [0, 0], stream: false, durationMs: 10_000, maxRequests: 100_000, maxCostUsd: null },
    ...{ timeoutMs: 60_000, seed: 1, failIf: null },
    ...given,
  };
}

export function open(shape: ArrivalShape, rate: readonly [number, number], durationMs: number): OpenLoad {
  return { kind: 'open', shape, rate, plan: arrivalPlan({ shape, rate, durationMs }) };
}

export interface Tested {
  readonly session: LoadSession;
  readonly view: LoadView;
  readonly points: readonly LoadPoint[];
  /** The bodies that were sent, in their order. */
  readonly bodies: readonly string[];
}

/** Runs a load test to its end; `meanwhile` is told of the session before it begins. */
export async function tested(
  given: Partial<LoadSettings>,
  makeClient: (clock: VirtualClock) => LoadClient,
  { meanwhile, failIf }: { readonly meanwhile?: (session: LoadSession) => void; readonly failIf?: string } = {},
): Promise<Tested> {
  const clock = new VirtualClock();
  const client = makeClient(clock);
  const bodies: string[] = [];
  const points: LoadPoint[] = [];
  const noting: LoadClient = {
    ...client,
    send: (call) => {
      bodies.push(call.body);
      return client.send(call);
    },
  };
  const session = new LoadSession(settings(given), {
    ...{ clock, client: noting, newTimes: await loadTimes(), onPoint: (point) => void points.push(point) },
  });
  meanwhile?.(session);
  await clock.run(session.run());
  const conditions = failIf === undefined ? [] : parseThresholds(failIf);
  return { session, points, bodies, view: viewLoad(session, { conditions, charged: false }) };
}

/** The simulator, asked in this process. */
export function simClient(options: SimOptions): (clock: VirtualClock) => LoadClient {
  return (clock) => {
    const world = createSimWorld(options, clock);
    return {
      send: async ({ body }) => {
        const sentAtMs = clock.monotonicMs();
        const response = await world.handle({
          ...{ method: 'POST', path: '/v1/messages', body: Buffer.from(body) },
          headers: { 'x-api-key': 'sim', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
        });
        const reader = messageReader(true);
        for (const piece of response.body) reader.take(Buffer.from(piece));
        const read = reader.end();
        const { status } = response;
        const rates = ratesOf(new Headers(response.headers), clock.now());
        const failure = {
          ...{ status, type: read.error?.type ?? null, errorCode: null, message: read.error?.message ?? '' },
          ...{ retryAfterMs: 1_000, shouldRetry: null, requestId: null, connection: null, unreadable: false, rates },
        };
        return {
          ...NO_ANSWER,
          ...{ sentAtMs, endedAtMs: clock.monotonicMs(), status, rates, usage: read.usage, text: read.text },
          failure:
            status === 200
              ? null
              : { kind: failure.type ?? '', refusal: refusalOf(failure), retryAfterMs: failure.retryAfterMs },
        };
      },
      cancelAll: () => undefined,
      close: () => undefined,
    };
  };
}

const NO_ANSWER: LoadAnswer = {
  ...{ sentAtMs: 0, endedAtMs: 0, connectMs: null, firstByteMs: null, firstTokenMs: null, status: null, bytes: 0 },
  ...{ requestId: null, rates: null, failure: null, usage: NO_USAGE, model: null, text: null },
};

export interface Served {
  readonly tookMs: number;
  /** `timeout`, …; none: a good answer. */
  readonly kind?: string;
  readonly status?: number;
}

/** A server that is a function of when it is asked. */
export function madeUp(
  serve: (atMs: number, call: LoadCall) => Served,
): (clock: VirtualClock) => LoadClient & { readonly underWay: () => number } {
  return (clock) => {
    const broken = new AbortController();
    setMaxListeners(0, broken.signal);
    let underWay = 0;
    return {
      underWay: () => underWay,
      send: async (call) => {
        const sentAtMs = clock.monotonicMs();
        const { tookMs, kind, status = 200 } = serve(sentAtMs, call);
        underWay++;
        await clock.sleep(Math.min(tookMs, call.timeoutMs), broken.signal);
        underWay--;
        const canceled = broken.signal.aborted && clock.monotonicMs() < sentAtMs + tookMs;
        const failed = canceled ? 'canceled' : tookMs > call.timeoutMs ? 'timeout' : kind;
        return {
          ...NO_ANSWER,
          ...{ sentAtMs, endedAtMs: clock.monotonicMs(), status: failed === undefined ? 200 : status, text: 'Yes.' },
          usage: failed === undefined ? { ...NO_USAGE, inputTokens: 50, outputTokens: 10 } : NO_USAGE,
          failure: failed === undefined ? null : { kind: failed, refusal: null, retryAfterMs: null },
        };
      },
      cancelAll: () => broken.abort(),
      close: () => undefined,
    };
  };
}
