/**
 * What one chunk may cost where there is a budget.
 */
import { wishesOf } from '../../domain/model.ts';

/** With a budget a chunk is at most this part of it, so that the cap is come near to and not only stayed below. */
const CHUNK_BUDGET_SHARE = 0.05;

interface ChunkUsdOf {
  readonly run: Parameters<typeof wishesOf>[0];
  /** A batch that is followed. */
  readonly adopt?: unknown;
}

export function chunkUsdMax({ run, adopt }: ChunkUsdOf): number | null {
  const { maxCostUsd } = wishesOf(run);
  // An adopted batch is paid already, and is as large as it is.
  return maxCostUsd === null || adopt ? null : maxCostUsd * CHUNK_BUDGET_SHARE;
}
