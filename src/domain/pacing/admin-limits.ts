/**
 * The limits as the Admin API tells them, for whoever has an admin key (facts 3.6). What a workspace was set to counts
 * where it is lower. Null: not named, so not known; never "without limit".
 */
import { isBatchrunError } from '../../base/errors.ts';
import type { ApiFailure } from '../failure-router.ts';

/** Of one group of models, which share them. */
export interface AdminModelLimits {
  /** Ids and aliases, as the API gives them. */
  readonly models: readonly string[];
  readonly requestsPerMinute: number | null;
  readonly inputTokensPerMinute: number | null;
  /** The same without what is read from a cache. */
  readonly inputTokensPerMinuteCacheAware: number | null;
  readonly outputTokensPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly tokensPerDay: number | null;
}

export interface AdminBatchLimits {
  /** Requests in batches that are not processed yet. */
  readonly queuedRequests: number | null;
  readonly requestsPerMinute: number | null;
}

export interface AdminLimits {
  /** Whose limits they are; null where the API does not say. */
  readonly organization: string | null;
  readonly groups: readonly AdminModelLimits[];
  readonly batch: AdminBatchLimits;
}

/** The limits that this model draws on; null where the Admin API does not name it. */
export function limitsOfModel(limits: AdminLimits, model: string): AdminModelLimits | null {
  const alias = model.replace(/-(?:20\d{6}|latest)$/, '');
  const group = limits.groups.find(({ models }) => models.includes(model) || models.includes(alias));
  return group ?? null;
}

/** What input may take in a minute. Of two that are named both hold: the lower one is safe for either way of counting. */
export function inputLimitOf(limits: AdminModelLimits): number | null {
  const { inputTokensPerMinute: all, inputTokensPerMinuteCacheAware: uncached } = limits;
  if (all === null || uncached === null) return all ?? uncached;
  return Math.min(all, uncached);
}

/** Did the Admin API refuse the key itself? Then there is no more to learn from it, and everything else goes on. */
export function isAdminKeyRefused(error: unknown): boolean {
  if (!isBatchrunError(error, 'E_API')) return false;
  const failure = error.details['failure'] as ApiFailure | undefined;
  return failure?.status === 401 || failure?.status === 403;
}
