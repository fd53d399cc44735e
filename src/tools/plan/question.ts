/**
 * All that a plan is made from: what was read of the input, what is known of the account, and what the user asks.
 */
import type { Band } from '../../domain/estimate/band.ts';
import type { Lane, PartSums } from '../../domain/model.ts';
import type { PlanAccount } from './account.ts';
import type { Candidate, CandidatePart } from './candidates.ts';
import type { Counts } from './counts.ts';
import type { LongRows } from './model-view.ts';
import type { DuplicatesView } from './view.ts';

/** Rows of one model that one rule took, or none. */
export interface PlanRoute {
  readonly route: string | null;
  readonly model: string;
  readonly lane: Lane;
  readonly sums: PartSums;
}

export interface PlanQuestion {
  readonly candidates: readonly Candidate[];
  readonly counts: Counts;
  readonly account: PlanAccount;
  readonly rows: { readonly total: number; readonly invalid: number };
  readonly chunks: number;
  readonly bytes: number;
  readonly batchesMax: number;
  readonly concurrency: number;
  readonly nowMs: number;
  readonly deadlineMs: number | null;
  readonly maxCostUsd: number | null;
  readonly lane: 'batch' | 'realtime';
  /** Why the API was not asked; null where it was. */
  readonly offline: string | null;
  readonly longRows: (part: CandidatePart, end: keyof Band) => LongRows;
  readonly routes: readonly PlanRoute[] | null;
  readonly duplicates: DuplicatesView | null;
}
