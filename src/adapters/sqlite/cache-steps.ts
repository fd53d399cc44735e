/**
 * The driver's steps around warming the prompt cache: the call is written down before it leaves, with what it may cost,
 * and what it used once it is answered. What a run knows of its prefixes is in its settings.
 */
import { invariant } from '../../base/errors.ts';
import { withWarmUp, type WarmUpSum } from '../../domain/cache/settings.ts';
import type { RunSettings, UsageEntry } from '../../domain/model.ts';
import type { DriverStore } from '../../domain/store.ts';
import type { DriverTransaction } from './batch-steps.ts';
import type { Db } from './db.ts';
import { addEvent, addUsage } from './moves.ts';
import { reserve } from './retry-steps.ts';

type CacheSteps = Pick<DriverStore, 'claimWarmUp' | 'settleWarmUp'>;

export function createCacheSteps(db: Db, step: DriverTransaction): CacheSteps {
  return {
    claimWarmUp: ({ runId, chunkNo, key, atMs, reserveUsd }) =>
      step(() => {
        const run = db.get<{ state: string }>('SELECT state FROM runs WHERE id = ?', runId);
        if (run?.state !== 'ready' && run?.state !== 'active') return false;
        if (reserveUsd > 0) reserve(db, runId, reserveUsd);
        addEvent(db, { runId, chunkNo, atMs, kind: 'cache.warming', data: { prefix: key } });
        return true;
      }),
    settleWarmUp: ({ runId, chunkNo, end, releasedUsd, cause }) =>
      step(() => {
        const row = db.get<{ settings: string }>('SELECT settings FROM runs WHERE id = ?', runId);
        invariant(row, `run ${runId} exists`);
        const settings = JSON.parse(row.settings) as RunSettings;
        invariant(settings.cache, `run ${runId} has prefixes to warm`);
        if (releasedUsd > 0) reserve(db, runId, -releasedUsd);
        const { key, used, atMs, useless } = end;
        const data = { prefix: key, ...(cause === null ? {} : { cause }) };
        const kind = used === null ? 'cache.cold' : useless ? 'cache.useless' : 'cache.warm';
        addEvent(db, { runId, chunkNo, atMs, kind, data });
        if (used === null) return;
        addUsage(db, runId, [usageOf(used)]);
        const changed: RunSettings = { ...settings, cache: withWarmUp(settings.cache, end) };
        db.run('UPDATE runs SET settings = ? WHERE id = ?', JSON.stringify(changed), runId);
      }),
  };
}

/** Of no row: its tokens and its cost count, and rows are counted as before. */
function usageOf({ calls: _calls, unpricedCalls, ...sums }: WarmUpSum): UsageEntry {
  return { ...sums, lane: 'realtime', rows: 0, unpricedRows: unpricedCalls };
}
