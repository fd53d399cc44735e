/**
 * Reads of the ledger that are answered from memory as long as nothing has been written: most rounds of a driver find
 * nothing new, and a simulated night has thousands of them. What SQLite counts as changes decides, so nothing is stale.
 */
import type { Db } from '../../src/adapters/sqlite/db.ts';
import type { Store } from '../../src/domain/store.ts';
import { bound } from './fence.ts';

const READS = [
  ...(['runs', 'run', 'chunkCounts', 'chunks', 'chunk', 'rowRecords', 'failureCounts', 'nextRetryAtMs'] as const),
  ...(['batches', 'batch', 'secondBatches', 'driver', 'waits'] as const),
];

export function cachedReads(store: Store, db: Db): Store {
  const kept = new Map<string, Promise<unknown>>();
  let changes = -1;
  const cached =
    (name: string, read: (...given: unknown[]) => Promise<unknown>) =>
    (...given: unknown[]): Promise<unknown> => {
      const now = db.get<{ n: number }>('SELECT total_changes() AS n')?.n ?? 0;
      if (now !== changes) {
        kept.clear();
        changes = now;
      }
      const key = `${name}${JSON.stringify(given)}`;
      const known = kept.get(key);
      if (known) return known;
      const fresh = read(...given);
      kept.set(key, fresh);
      return fresh;
    };
  const outer = bound(store) as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>;
  for (const name of READS) {
    const read = outer[name];
    if (read) outer[name] = cached(name, read);
  }
  return outer as unknown as Store;
}
