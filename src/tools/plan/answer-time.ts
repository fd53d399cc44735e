/**
 * How long a call takes to be answered: as earlier runs of this state saw it, else by the table of speeds.
 */
import { answerMs, speedOf } from '../../domain/speeds.ts';
import type { PlanAccount } from './account.ts';
import type { Candidate } from './candidates.ts';

/** Weighed by rows; measured only where all of it is. */
export function answerSeconds(
  { parts }: Candidate,
  account: PlanAccount,
): { readonly seconds: number; readonly measured: boolean } {
  const rows = parts.reduce((sum, { part }) => sum + part.rows, 0);
  let total = 0;
  let measured = parts.length > 0;
  for (const { model, part, output } of parts) {
    const seenMs = account.latencyMs(model);
    if (seenMs === null) measured = false;
    const each = seenMs ?? answerMs(speedOf(model), output.tokens.expected / Math.max(1, part.rows));
    total += each * (part.rows / Math.max(1, rows));
  }
  return { seconds: total / 1_000, measured };
}
