/**
 * Batches of a run that nothing uses, as far as its ledger knows them: a second batch of a chunk, and chunks whose rows
 * were given up. What they cost is in their results, which only `batchrun audit` can ask for: here it is about so much.
 */
import type { Ledger } from '../../domain/ledger.ts';
import type { BatchRecord, UsageEntry } from '../../domain/model.ts';

export interface SpareBatches {
  readonly batches: readonly SpareBatch[];
  /** Answers that are or will be paid and are not used. */
  readonly rows: number;
  /** By what an answer of this run cost in a batch; null where that is not known. */
  readonly usd: number | null;
  /** Chunks whose results were lost: what they cost is paid, and not known. */
  readonly lostChunks: number;
}

export interface SpareBatch {
  readonly id: string;
  readonly chunkNo: number;
  readonly rows: number;
  /** It has not ended: nobody knows yet how many of its rows are paid. */
  readonly open: boolean;
}

export async function spareBatches(
  ledger: Pick<Ledger, 'chunk' | 'chunkCounts'>,
  runId: string,
  { batches, usage }: { readonly batches: readonly BatchRecord[]; readonly usage: readonly UsageEntry[] },
): Promise<SpareBatches> {
  const byChunk = new Map<number, number>();
  for (const { chunkNo } of batches) if (chunkNo !== null) byChunk.set(chunkNo, (byChunk.get(chunkNo) ?? 0) + 1);
  const spare: SpareBatch[] = [];
  for (const batch of batches) {
    const { id, chunkNo, counts } = batch;
    if (chunkNo === null || (byChunk.get(chunkNo) ?? 0) < 2) continue;
    const used = (await ledger.chunk(runId, chunkNo))?.batchId;
    if (used === id) continue;
    const open = batch.status !== 'ended';
    spare.push({ id, chunkNo, rows: open ? counts.processing + counts.succeeded : counts.succeeded, open });
  }
  const rows = spare.reduce((sum, batch) => sum + batch.rows, 0);
  const each = usdEach(usage);
  const { lost } = await ledger.chunkCounts(runId);
  return { batches: spare, rows, usd: rows === 0 ? 0 : each === null ? null : each * rows, lostChunks: lost };
}

function usdEach(usage: readonly UsageEntry[]): number | null {
  const entries = usage.filter(({ lane }) => lane === 'batch');
  const rows = entries.reduce((sum, entry) => sum + entry.rows, 0);
  if (rows === 0 || entries.some(({ unpricedRows }) => unpricedRows > 0)) return null;
  return entries.reduce((sum, { costUsd }) => sum + costUsd, 0) / rows;
}
