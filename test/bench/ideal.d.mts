/** Types of ideal.mjs, for its test. */

export interface LimitPhase {
  readonly fromMs: number;
  readonly rpm: number;
  readonly itpm: number;
  readonly otpm: number;
}

export function idealMs(work: {
  readonly demand: { readonly requests: number; readonly input: number; readonly output: number };
  readonly phases: readonly LimitPhase[];
  readonly latencyMs: number;
}): number;
