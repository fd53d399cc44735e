/**
 * What every endpoint of the simulator is given: the settings, the time, chance, and the rooms that remember.
 */
import type { BatchView } from './batch.ts';
import type { BatchStore } from './batch-store.ts';
import type { RateLimiter } from './buckets.ts';
import { drawBetween } from './draw.ts';
import type { FaultBox } from './faults.ts';
import { invalidRequest, Refusal } from './http.ts';
import type { LedgerBook } from './ledger.ts';
import type { LimitsBook } from './limits-book.ts';
import type { AccountProblem, SimRates } from './options.ts';
import { CREDIT_TOO_LOW } from './batch.ts';
import type { PromptCache } from './prompt-cache.ts';

export interface SimContext extends BatchView {
  readonly faults: FaultBox;
  readonly limiter: RateLimiter;
  readonly limits: LimitsBook;
  readonly cache: PromptCache;
  readonly ledger: LedgerBook;
  readonly batches: BatchStore;
  /** May be changed while the world runs. */
  readonly current: { rates: SimRates; accountProblem: AccountProblem | undefined };
  /** Counts up for ids that need nothing but to be new. */
  nextOrdinal(purpose: string): number;
}

/** Who calls, what it may see, and how it wants to be answered. */
export interface Caller {
  readonly organization: string;
  readonly workspace: string;
  readonly accountProblem?: AccountProblem | undefined;
  readonly version: string;
  readonly betas: readonly string[];
  readonly origin: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal | undefined;
}

/** The wait that a passing 429 asks for: as the options say, else as usual. */
export function retryAfter(context: SimContext, usualSeconds: number): { readonly 'retry-after': string } {
  const range = context.settings.retryAfterSeconds;
  if (range === null) return { 'retry-after': String(usualSeconds) };
  const rng = context.draws('retry_after', context.nextOrdinal('retry_after'));
  return { 'retry-after': String(Math.round(drawBetween(rng, range))) };
}

/** Refuses what costs money while something is wrong with the account (facts 3.5). */
export function checkAccount(context: SimContext, caller: Caller): void {
  switch (caller.accountProblem ?? context.current.accountProblem) {
    case undefined:
      return;
    case 'credit_too_low':
      throw invalidRequest(CREDIT_TOO_LOW.message);
    case 'usage_limit':
      throw invalidRequest(
        'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.',
      );
    case 'on_hold':
      throw invalidRequest('This organization is on hold.', { error_code: 'organization_on_hold' });
    case 'spend_limit':
      // No retry-after: nothing changes before the month ends or the tier rises.
      throw new Refusal(429, 'rate_limit_error', 'Your organization has reached its monthly spend limit.', {
        details: { error_code: 'enforced_spend_limit_reached' },
      });
    case 'billing':
      throw new Refusal(402, 'billing_error', 'The linked organization has reached its spend limit.', {
        details: { error_code: 'linked_organization_spend_limit_reached' },
      });
    case 'permission':
      throw new Refusal(
        403,
        'permission_error',
        'Your API key does not have permission to use the specified resource.',
      );
  }
}
