/**
 * Everything that is counted while a load test runs, in memory that does not grow with the number of requests: sums and
 * histograms over all, by kind of request and by stage, and a point for each second.
 *
 * Latencies are of answers that came whole, and of requests that ran into the timeout: leaving those out would make a
 * server look better the longer it stands still.
 */
import type { LoadAnswer } from '../../domain/load.ts';
import type { NewTimes, Times } from './histogram.ts';
import type { LatenciesView, LoadPoint } from './live.ts';
import { RateWatch } from './rate-watch.ts';

/** A request that is over. */
export interface Finished {
  /** The kind of request, by its name. */
  readonly name: string;
  readonly model: string;
  readonly stage: number | null;
  /** When it should have begun. */
  readonly intendedAtMs: number;
  readonly answer: LoadAnswer;
  readonly costUsd: number | null;
}

export interface Counts {
  sent: number;
  succeeded: number;
  rateLimited: number;
  failed: number;
  canceled: number;
  inputTokens: number;
  outputTokens: number;
}

/** Counts with times of their own: of a kind of request, of a stage. */
export interface Part {
  readonly counts: Counts;
  readonly total: Times;
  readonly service: Times;
  readonly firstToken: Times;
}

export type Outcome = 'succeeded' | 'rate_limited' | 'failed' | 'canceled';

/** Answers up to here are as usual (see correctedTotal). */
const USUAL_PERCENTILE = 90;
const SPREAD_MAX = 3;
/** A server that gives each error a name of its own must not fill the memory, nor the report. */
const KINDS_MAX = 50;
/** A day; a longer test is refused. */
const POINTS_MAX = 86_400;

export class Tally {
  readonly counts = noCounts();
  /** When the sending stopped; null before. */
  atStop: Readonly<Counts> | null = null;
  readonly failures = new Map<string, number>();
  readonly total: Times;
  readonly service: Times;
  readonly connect: Times;
  readonly firstByte: Times;
  readonly firstToken: Times;
  readonly stream: Times;
  /** How late the tester itself was with sending. */
  readonly lag: Times;
  /** Output tokens a second of single answers after their first token; of times only the arithmetic is used. */
  readonly speed: Times;
  readonly parts = new Map<string, Part>();
  readonly stages: Part[] = [];
  readonly watches = new Map<string, RateWatch>();
  readonly points: LoadPoint[] = [];
  costUsd = 0;
  costKnown = true;
  bytes = 0;
  connections = 0;
  readonly #newTimes: NewTimes;
  readonly #secondTotal: Times;
  readonly #secondFirstToken: Times;
  #second = noCounts();

  constructor(newTimes: NewTimes) {
    this.#newTimes = newTimes;
    [this.total, this.service, this.connect] = [newTimes(), newTimes(), newTimes()];
    [this.firstByte, this.firstToken, this.stream] = [newTimes(), newTimes(), newTimes()];
    [this.lag, this.speed, this.#secondTotal, this.#secondFirstToken] = [
      newTimes(),
      newTimes(),
      newTimes(),
      newTimes(),
    ];
  }

  noteSent({ name, stage }: Pick<Finished, 'name' | 'stage'>): void {
    this.counts.sent++;
    this.#second.sent++;
    this.#part(name).counts.sent++;
    if (stage !== null) this.#stage(stage).counts.sent++;
  }

  note(finished: Finished): Outcome {
    const { name, model, stage, answer, costUsd } = finished;
    const outcome = outcomeOf(answer);
    const parts = stage === null ? [this.#part(name)] : [this.#part(name), this.#stage(stage)];
    for (const counts of [this.counts, this.#second, ...parts.map((part) => part.counts)])
      count(counts, outcome, answer);
    if (outcome === 'canceled') return outcome;
    const watch = this.watches.get(model) ?? new RateWatch(model);
    this.watches.set(model, watch);
    watch.note(answer);
    this.bytes += answer.bytes;
    if (costUsd === null) this.costKnown = false;
    else this.costUsd += costUsd;
    if (outcome === 'failed') {
      const named = answer.failure?.kind ?? 'unknown';
      const kind = this.failures.has(named) || this.failures.size < KINDS_MAX ? named : 'other';
      this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
    }
    this.#time(finished, parts);
    return outcome;
  }

  /** The sending is over: what comes now is late. */
  noteStop(): void {
    this.atStop ??= { ...this.counts };
  }

  /** An arrival for which there was no room: the test has failed it, not the server. */
  noteUnsent({ name, stage }: Pick<Finished, 'name' | 'stage'>): void {
    const all = [this.counts, this.#second, this.#part(name).counts];
    if (stage !== null) all.push(this.#stage(stage).counts);
    for (const counts of all) counts.failed++;
    this.failures.set('not_sent', (this.failures.get('not_sent') ?? 0) + 1);
  }

  #time({ intendedAtMs, answer }: Finished, parts: readonly Part[]): void {
    const { sentAtMs, endedAtMs, connectMs, firstByteMs, firstTokenMs, failure, usage } = answer;
    if (connectMs !== null) {
      this.connect.record(connectMs);
      this.connections++;
    }
    this.lag.record(Math.max(0, sentAtMs - intendedAtMs));
    if (failure !== null && failure.kind !== 'timeout') return;
    const totalMs = endedAtMs - Math.min(intendedAtMs, sentAtMs);
    const serviceMs = endedAtMs - sentAtMs;
    for (const one of [this, ...parts]) {
      one.total.record(totalMs);
      one.service.record(serviceMs);
      if (firstTokenMs !== null) one.firstToken.record(firstTokenMs);
    }
    this.#secondTotal.record(totalMs);
    if (firstByteMs !== null) {
      this.firstByte.record(firstByteMs);
      this.stream.record(serviceMs - firstByteMs);
    }
    if (firstTokenMs === null) return;
    this.#secondFirstToken.record(firstTokenMs);
    const writingMs = serviceMs - firstTokenMs;
    // The first token is not among those that were waited for.
    if (failure === null && usage.outputTokens > 1 && writingMs > 0) {
      this.speed.record(((usage.outputTokens - 1) / writingMs) * 1_000);
    }
  }

  /** Has nothing happened since the last point? */
  get isSecondEmpty(): boolean {
    const { sent, succeeded, rateLimited, failed, canceled } = this.#second;
    return sent + succeeded + rateLimited + failed + canceled === 0;
  }

  /** Closes a second and gives its point. */
  tick(now: Pick<LoadPoint, 'second' | 'users' | 'in_flight' | 'wanted_per_second'>): LoadPoint {
    const { sent, succeeded, rateLimited, failed, inputTokens, outputTokens } = this.#second;
    const point: LoadPoint = {
      ...now,
      ...{ sent, succeeded, rate_limited: rateLimited, failed },
      ...{ input_tokens: inputTokens, output_tokens: outputTokens },
      p50_ms: this.#secondTotal.percentileMs(50),
      p95_ms: this.#secondTotal.percentileMs(95),
      p99_ms: this.#secondTotal.percentileMs(99),
      first_token_p95_ms: this.#secondFirstToken.percentileMs(95),
    };
    this.#second = noCounts();
    this.#secondTotal.clear();
    this.#secondFirstToken.clear();
    if (this.points.length < POINTS_MAX) this.points.push(point);
    return point;
  }

  /** `thinkMs`: how long users of the closed model think; null in the open model, where arrivals wait for nothing. */
  latencies(thinkMs: number | null): LatenciesView {
    return {
      total: correctedTotal(this.total, [...this.parts.values()], thinkMs),
      service: this.service.view(),
      connect: this.connect.view(),
      first_byte: this.firstByte.view(),
      first_token: this.firstToken.view(),
      stream: this.stream.view(),
    };
  }

  #part(name: string): Part {
    const part = this.parts.get(name) ?? newPart(this.#newTimes);
    this.parts.set(name, part);
    return part;
  }

  #stage(at: number): Part {
    while (this.stages.length <= at) this.stages.push(newPart(this.#newTimes));
    return this.stages[at] ?? newPart(this.#newTimes);
  }
}

/**
 * In the open model times count from the planned arrival already. A user of the closed model, whom nothing holds up, asks
 * each time that he has thought and been answered as usual: that is the interval of the correction. As usual are nine of
 * ten answers: by the median the ordinary spread of answers would count as stalls, and half as much would be added to
 * times of which nothing was omitted. Beyond three times the median (exponential times have 3.3) it is no spread any more:
 * where more than a tenth stall, the ninth of ten is a stall itself. All of this by kind of request: beside a quick model
 * the ordinary answers of a slow one are no stalls.
 */
export function correctedTotal(
  total: Times,
  kinds: readonly Pick<Part, 'total' | 'service'>[],
  thinkMs: number | null,
): ReturnType<Times['view']> {
  if (thinkMs === null) return total.view();
  const usual = kinds.map(({ total: times, service }) => {
    const most = SPREAD_MAX * (service.percentileMs(50) ?? 0);
    const usualMs = Math.min(service.percentileMs(USUAL_PERCENTILE) ?? 0, most);
    return { times, intervalMs: thinkMs + usualMs };
  });
  return total.corrected(usual);
}

export function outcomeOf({ failure }: LoadAnswer): Outcome {
  if (failure === null) return 'succeeded';
  if (failure.kind === 'canceled') return 'canceled';
  // That money is missing is no matter of the rate.
  return failure.refusal !== null && failure.refusal.kind !== 'money' ? 'rate_limited' : 'failed';
}

function count(counts: Counts, outcome: Outcome, { usage }: LoadAnswer): void {
  if (outcome === 'succeeded') counts.succeeded++;
  else if (outcome === 'rate_limited') counts.rateLimited++;
  else if (outcome === 'canceled') counts.canceled++;
  else counts.failed++;
  counts.inputTokens += usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens + usage.cacheReadTokens;
  counts.outputTokens += usage.outputTokens;
}

export function noCounts(): Counts {
  return { sent: 0, succeeded: 0, rateLimited: 0, failed: 0, canceled: 0, inputTokens: 0, outputTokens: 0 };
}

function newPart(newTimes: NewTimes): Part {
  return { counts: noCounts(), total: newTimes(), service: newTimes(), firstToken: newTimes() };
}
