/**
 * What was seen of a run, look by look, for its charts and its pace: so many samples whatever the length of the run.
 * When they are full, every second one of the older half goes: what is long ago is known coarsely.
 */
import type { Sample } from './view.ts';

const SAMPLES_MAX = 720;
/** The pace is that of the last minutes: batches come back in lumps. */
const PACE_MS = 5 * 60_000;

export class History {
  #samples: Sample[];
  readonly #max: number;

  constructor(past: readonly Sample[] = [], max = SAMPLES_MAX) {
    this.#max = max;
    this.#samples = [...past];
    this.#thin();
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Has it seen something, and has more happened since? */
  isBehind({ finished, costUsd }: Pick<Sample, 'finished' | 'costUsd'>): boolean {
    const last = this.#samples.at(-1);
    return last !== undefined && (last.finished !== finished || last.costUsd !== costUsd);
  }

  /** Puts what was before the first look in front of it. */
  prepend(past: readonly Sample[]): void {
    const first = this.#samples[0]?.atMs ?? Infinity;
    this.#samples = [...past.filter(({ atMs }) => atMs < first), ...this.#samples];
    this.#thin();
  }

  /** A look like the two before it takes the place of the last one: a run that waits for hours costs nothing. */
  add(sample: Sample): void {
    const last = this.#samples.at(-1);
    const before = this.#samples.at(-2);
    // A clock that was set back: what was seen stays, and time goes on from there.
    const at = last && sample.atMs < last.atMs ? { ...sample, atMs: last.atMs } : sample;
    if (before && last && isAlike(before, last) && isAlike(last, at)) this.#samples.pop();
    this.#samples.push(at);
    this.#thin();
  }

  /** By the minute, over the last minutes; null before two looks. */
  pace(nowMs: number): { readonly rows: number; readonly tokens: number } | null {
    const last = this.#samples.at(-1);
    if (!last) return null;
    const sinceMs = nowMs - PACE_MS;
    const first = this.#samples.findLast(({ atMs }) => atMs <= sinceMs) ?? this.#samples[0];
    if (!first || first === last) return null;
    const minutes = (nowMs - Math.max(first.atMs, sinceMs)) / 60_000;
    if (minutes <= 0) return null;
    const tokens = ({ inputTokens, outputTokens }: Sample): number => inputTokens + outputTokens;
    return {
      rows: Math.max(0, last.finished - first.finished) / minutes,
      tokens: Math.max(0, tokens(last) - tokens(first)) / minutes,
    };
  }

  #thin(): void {
    while (this.#samples.length > this.#max) {
      const half = Math.floor(this.#samples.length / 2);
      this.#samples = this.#samples.filter((_, at) => at >= half || at % 2 === 0);
    }
  }
}

function isAlike(a: Sample, b: Sample): boolean {
  return (
    a.finished === b.finished &&
    a.failed === b.failed &&
    a.inputTokens === b.inputTokens &&
    a.outputTokens === b.outputTokens &&
    a.costUsd === b.costUsd &&
    a.refused === b.refused &&
    a.limitShare === b.limitShare &&
    a.rebuilt === b.rebuilt
  );
}
