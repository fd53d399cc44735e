/**
 * Compares two files of rows by their ids, bucket by bucket. Memory holds one bucket of the first file, and the ids of
 * the second one that the first does not have.
 */
import type { Buckets, StoredRow } from './buckets.ts';
import { DiffSums, type DiffReport } from './diff-report.ts';
import { stopped } from '../results/read-results.ts';

export interface DiffResult extends DiffReport {
  /** Rows whose id came before in the same file: the first counts. */
  readonly duplicatesInA: number;
  readonly duplicatesInB: number;
}

export interface DiffParts {
  readonly a: Buckets;
  readonly b: Buckets;
  readonly count: number;
  readonly signal: AbortSignal;
}

export async function diffBuckets({ a, b, count, signal }: DiffParts): Promise<DiffResult> {
  const sums = new DiffSums();
  let [duplicatesInA, duplicatesInB] = [0, 0];
  for (let bucket = 0; bucket < count; bucket++) {
    if (signal.aborted) throw stopped();
    const rows = new Map<string, StoredRow>();
    for await (const row of a.read(bucket)) {
      if (rows.has(row.id)) duplicatesInA++;
      else rows.set(row.id, row);
    }
    const seen = new Set<string>();
    for await (const row of b.read(bucket)) {
      const { id } = row;
      if (seen.has(id)) {
        duplicatesInB++;
        continue;
      }
      seen.add(id);
      const other = rows.get(id);
      rows.delete(id);
      if (other) sums.addBoth(other, row);
      else sums.addOnlyInB(row);
    }
    for (const row of rows.values()) sums.addOnlyInA(row);
  }
  return { ...sums.report(), duplicatesInA, duplicatesInB };
}
