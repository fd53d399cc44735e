/**
 * What one chunk may cost where there is a budget.
 */
import { wishesOf } from '../domain/model.ts';
import type { IngestRequest } from './ingest.ts';

/** With a budget a chunk is at most this part of it, so that the cap is come near to and not only stayed below. */
const CHUNK_BUDGET_SHARE = 0.05;

export function chunkUsdMax({ run, adopt }: IngestRequest): number | null {
  const { maxCostUsd } = wishesOf(run);
  // An adopted batch is paid already, and is as large as it is.
  return maxCostUsd === null || adopt ? null : maxCostUsd * CHUNK_BUDGET_SHARE;
}
