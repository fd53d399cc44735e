/**
 * The history of a run in columns, as a chart takes it.
 */
import type { Sample } from '../progress/view.ts';

export interface TimelineView {
  /** Milliseconds since 1970. */
  readonly at: readonly number[];
  readonly finished: readonly number[];
  readonly failed: readonly number[];
  readonly input_tokens: readonly number[];
  readonly output_tokens: readonly number[];
  readonly cost_usd: readonly number[];
  readonly refused: readonly number[];
  readonly limit_share: readonly (number | null)[];
  /** Until then tokens and cost are shared out by rows; null where all of it was seen. */
  readonly rebuilt_until: number | null;
}

export function viewTimeline(samples: readonly Sample[]): TimelineView {
  const column = <K extends keyof Sample>(name: K): Sample[K][] => samples.map((sample) => sample[name]);
  return {
    at: column('atMs'),
    finished: column('finished'),
    failed: column('failed'),
    input_tokens: column('inputTokens'),
    output_tokens: column('outputTokens'),
    cost_usd: column('costUsd'),
    refused: column('refused'),
    limit_share: column('limitShare'),
    rebuilt_until: samples.findLast(({ rebuilt }) => rebuilt)?.atMs ?? null,
  };
}
