/**
 * What really went through the limits, by organization and class of models: for judges of whoever paces the calls.
 * Refusals by a fault that a test planted are not in here; those by a limit are, each under the bucket that it named.
 */
import type { BucketKind } from './bucket.ts';

export type RefusedBy = BucketKind | 'ramp' | 'queue' | 'batches';

export interface LedgerRates {
  readonly organization: string;
  /** As the models' catalogue says; `batches` and `count_tokens` for those endpoints. */
  readonly rateClass: string;
  readonly taken: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** 429s by what refused them. */
  readonly refused: ReadonlyMap<RefusedBy, number>;
  /** The lowest that each bucket ever stood; below zero: overdrawn by what was known only afterwards. */
  readonly lowest: ReadonlyMap<BucketKind, number>;
}

export interface LedgerLoad {
  readonly organization: string;
  readonly peakQueued: number;
  /** The limit when that peak was reached. */
  readonly queueMax: number;
  readonly peakBatches: number;
  readonly batchesMax: number | null;
}

export interface RateBook {
  readonly rates: ReadonlyMap<string, LedgerRates>;
  readonly loads: ReadonlyMap<string, LedgerLoad>;
  noteTaken(organization: string, rateClass: string, tokens: { readonly input?: number }): void;
  noteOutput(organization: string, rateClass: string, tokens: number): void;
  noteLimited(organization: string, rateClass: string, by: RefusedBy): void;
  noteLevel(organization: string, rateClass: string, kind: BucketKind, level: number): void;
  noteOpen(
    load: { readonly organization: string; readonly batches: number; readonly queued: number } & LoadLimits,
  ): void;
}

interface LoadLimits {
  readonly queueMax: number;
  readonly batchesMax: number | null;
}

interface Rates extends LedgerRates {
  taken: number;
  inputTokens: number;
  outputTokens: number;
  readonly refused: Map<RefusedBy, number>;
  readonly lowest: Map<BucketKind, number>;
}

export function createRateBook(): RateBook {
  const rates = new Map<string, Rates>();
  const loads = new Map<string, LedgerLoad>();
  const of = (organization: string, rateClass: string): Rates => {
    const key = `${organization}|${rateClass}`;
    const known = rates.get(key);
    if (known !== undefined) return known;
    const fresh: Rates = {
      ...{ organization, rateClass, taken: 0, inputTokens: 0, outputTokens: 0 },
      refused: new Map(),
      lowest: new Map(),
    };
    rates.set(key, fresh);
    return fresh;
  };
  return {
    rates,
    loads,
    noteTaken(organization, rateClass, { input = 0 }) {
      const one = of(organization, rateClass);
      one.taken++;
      one.inputTokens += input;
    },
    noteOutput(organization, rateClass, tokens) {
      of(organization, rateClass).outputTokens += tokens;
    },
    noteLimited(organization, rateClass, by) {
      const { refused } = of(organization, rateClass);
      refused.set(by, (refused.get(by) ?? 0) + 1);
    },
    noteLevel(organization, rateClass, kind, level) {
      const { lowest } = of(organization, rateClass);
      lowest.set(kind, Math.min(lowest.get(kind) ?? level, level));
    },
    noteOpen({ organization, batches, queued, queueMax, batchesMax }) {
      const known = loads.get(organization);
      const isPeak = known === undefined || queued >= known.peakQueued;
      loads.set(organization, {
        organization,
        peakQueued: isPeak ? queued : known.peakQueued,
        queueMax: isPeak ? queueMax : known.queueMax,
        peakBatches: Math.max(known?.peakBatches ?? 0, batches),
        batchesMax,
      });
    },
  };
}
