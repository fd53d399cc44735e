/**
 * One pool: an organization and a class of models. What its limits are and where they are known from, what each key used
 * of it in the last hour, how long its calls take. The levels of its buckets are the limiter's.
 */
import type { KnownLimits } from '../../domain/pacing/known-limits.ts';
import type { BucketName } from '../../domain/pacing/limiter.ts';
import type { LatencyView, MinuteUse } from '../../domain/pacing/snapshot.ts';
import { UseRing } from '../../domain/pacing/use-ring.ts';
import { createLatencies, type Latencies } from './latency.ts';

/** Of what calls took: how much of it the newest replaces. */
const LATENCY_NEW_SHARE = 0.1;

export class Pool {
  readonly name: string;
  readonly organization: string;
  readonly rateClass: string;
  readonly known: KnownLimits;
  #histogram: Latencies | undefined;
  /** What was noted while the histogram was being loaded. */
  #noted: number[] = [];
  readonly #uses = new Map<string, UseRing>();
  underWay = 0;
  pausedUntilMs = 0;
  refreshedAtMs = 0;
  #latencyMs: number | null = null;

  constructor(organization: string, rateClass: string, known: KnownLimits) {
    this.name = `${organization}|${rateClass}`;
    this.organization = organization;
    this.rateClass = rateClass;
    this.known = known;
  }

  use(key: string): UseRing {
    const ring = this.#uses.get(key) ?? new UseRing();
    this.#uses.set(key, ring);
    return ring;
  }

  load(key: string, minutes: readonly MinuteUse[]): void {
    this.#uses.set(key, UseRing.fromJson(minutes));
  }

  uses(): ReadonlyMap<string, UseRing> {
    return this.#uses;
  }

  noteLatency(tookMs: number): void {
    this.#noted.push(tookMs);
    if (this.#histogram) this.#record(this.#histogram);
    else if (this.#noted.length === 1) this.#loadHistogram();
    this.#latencyMs =
      this.#latencyMs === null ? tookMs : this.#latencyMs + (tookMs - this.#latencyMs) * LATENCY_NEW_SHARE;
  }

  get latency(): LatencyView | null {
    return this.#histogram?.view() ?? null;
  }

  /** No answer waits for a picture of how long answers take. */
  #loadHistogram(): void {
    createLatencies().then(
      (histogram) => {
        this.#histogram = histogram;
        this.#record(histogram);
      },
      () => undefined,
    );
  }

  #record(histogram: Latencies): void {
    for (const tookMs of this.#noted.splice(0)) histogram.record(tookMs);
  }

  /** Mean, in ms; null before the first answer. */
  get latencyMs(): number | null {
    return this.#latencyMs;
  }

  requestsOfLastMinute(nowMs: number): number {
    let requests = 0;
    for (const ring of this.#uses.values()) requests += ring.lastMinute(nowMs).requests;
    return requests;
  }

  usedOfLastMinute(bucket: BucketName, nowMs: number): number {
    let used = 0;
    for (const ring of this.#uses.values()) {
      const { requests, inputTokens, outputTokens } = ring.lastMinute(nowMs);
      used +=
        bucket === 'requests'
          ? requests
          : bucket === 'input'
            ? inputTokens
            : bucket === 'output'
              ? outputTokens
              : inputTokens + outputTokens;
    }
    return used;
  }
}
