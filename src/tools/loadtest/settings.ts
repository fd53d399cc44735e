/**
 * What a load test is to do: everything that shapes it, whole and bounded. Made from flags by the command; the live page
 * may change users and rates within it, never its bounds.
 */
import type { ArrivalPlan, ArrivalShape } from './arrivals.ts';
import type { LoadSettingsView } from './live.ts';
import type { MixEntry } from './mix.ts';

export interface LoadSettings {
  /** As reports call it. */
  readonly target: string;
  readonly entries: readonly MixEntry[];
  readonly load: ClosedLoad | OpenLoad;
  /** Before the next message of a user or of a conversation. */
  readonly thinkMs: readonly [number, number];
  readonly stream: boolean;
  readonly durationMs: number;
  readonly maxRequests: number;
  readonly maxCostUsd: number | null;
  readonly timeoutMs: number;
  readonly seed: number;
  /** As it was typed. */
  readonly failIf: string | null;
}

export interface ClosedLoad {
  readonly kind: 'closed';
  readonly users: number;
  /** Users that begin in a second; null: all at once. */
  readonly spawnPerSecond: number | null;
}

export interface OpenLoad {
  readonly kind: 'open';
  readonly shape: ArrivalShape;
  readonly rate: readonly [number, number];
  readonly plan: ArrivalPlan;
}

/** Why nothing more was sent. */
export type EndedBy = 'duration' | 'max_requests' | 'max_cost' | 'knee' | 'nothing_succeeds' | 'stopped';

/** Requests under way at once; what arrives beyond is counted as not sent. */
export const IN_FLIGHT_MAX = 10_000;

export function viewSettings(settings: LoadSettings): LoadSettingsView {
  const { load, thinkMs, entries } = settings;
  const closed = load.kind === 'closed' ? load : null;
  const open = load.kind === 'open' ? load : null;
  return {
    target: settings.target,
    load: load.kind,
    users: closed?.users ?? null,
    spawn_per_second: closed?.spawnPerSecond ?? null,
    think_seconds: thinkMs[1] === 0 ? null : [thinkMs[0] / 1_000, thinkMs[1] / 1_000],
    arrivals: open?.shape ?? null,
    rate_per_second: open?.rate ?? null,
    turns: Math.max(...entries.map(({ turns }) => turns)),
    stream: settings.stream,
    models: [...new Set(entries.map(({ model }) => model))],
    duration_seconds: settings.durationMs / 1_000,
    max_requests: settings.maxRequests,
    max_cost_usd: settings.maxCostUsd,
    timeout_seconds: settings.timeoutMs / 1_000,
    seed: settings.seed,
    fail_if: settings.failIf,
  };
}

/** What a user of the closed model thinks on average; null in the open model (see tally.ts). */
export function correctionThinkMs({ load, thinkMs }: LoadSettings): number | null {
  return load.kind === 'closed' ? (thinkMs[0] + thinkMs[1]) / 2 : null;
}
