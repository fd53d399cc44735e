/**
 * The store and warm-ups of the prompt cache: written down before they leave, with their money; settled with what they
 * used, in the usage of the run and in its settings.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { CacheSettings, WarmUpSum } from '../../src/domain/cache/settings.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import { AT, RUN, storeBench, type OpenStore } from './store.bench.ts';
import { checkLedger, newChunk, newRun } from './store.lab.ts';

const KEY = '0123456789abcdef';
const MODEL = 'claude-haiku-5-5';
const CACHE: CacheSettings = {
  ...{ mode: 'auto', refused: ['x'], declined: null },
  prefixes: [{ key: KEY, model: MODEL, ttl: '1h', tokens: 5_000 }],
};
const USED: WarmUpSum = {
  ...{ model: MODEL, calls: 1, inputTokens: 1, outputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 5_000 },
  ...{ cacheReadTokens: 0, costUsd: 0.001, unpricedCalls: 0 },
};

export function storeCacheSuite(name: string, open: OpenStore): void {
  describe(`store: ${name}: a warm-up`, () => {
    const bench = storeBench(open);
    const claim = { runId: RUN, chunkNo: 1, key: KEY, atMs: AT, reserveUsd: 0.25 };
    const end = { key: KEY, workspace: 'w', used: USED, atMs: AT + 5, useless: false };
    const settle = { runId: RUN, chunkNo: 1, end, releasedUsd: 0.25, cause: null };
    let store: Store;
    let driver: DriverStore;

    beforeEach(async () => {
      ({ store, driver } = bench);
      const run = newRun(RUN);
      await store.beginRun({ ...run, settings: { ...run.settings, cache: CACHE, wishes: { priority: 'high' } } });
      await store.sealChunk(RUN, newChunk(1, [0, 1]), AT);
      const sums = { totalRows: 2, invalidRows: 0, mix: {}, again: false, fingerprint: 'f' };
      await store.finishIngest({ runId: RUN, atMs: AT, ...sums });
    });

    const reserved = async (): Promise<number | undefined> => (await store.run(RUN))?.realtimeReservedUsd;

    test('keeps its money reserved until it is settled, and leaves two events', async () => {
      expect(await driver.claimWarmUp(claim)).toBe(true);
      expect(await reserved()).toBe(0.25);
      await driver.settleWarmUp(settle);
      expect(await reserved()).toBe(0);
      expect((await bench.kinds()).slice(-2)).toEqual(['cache.warming', 'cache.warm']);
      await checkLedger(store);
    });

    test('is in the usage of the run as no row, and in its settings with its time', async () => {
      await driver.claimWarmUp(claim);
      await driver.settleWarmUp(settle);
      await driver.settleWarmUp({ ...settle, end: { ...end, workspace: 'v', atMs: AT + 9 } });
      expect(await store.usage(RUN)).toMatchObject([
        { model: MODEL, lane: 'realtime', rows: 0, cacheWrite1hTokens: 10_000, costUsd: 0.002, unpricedRows: 0 },
      ]);
      const { settings } = (await store.run(RUN)) ?? {};
      expect(settings?.wishes).toEqual({ priority: 'high' });
      expect(settings?.cache).toEqual({
        ...CACHE,
        prefixes: [{ ...CACHE.prefixes[0], warmAtMs: { w: AT + 5, v: AT + 9 } }],
        warmUps: [{ ...USED, calls: 2, inputTokens: 2, cacheWrite1hTokens: 10_000, costUsd: 0.002 }],
      });
    });

    test('that came to no answer changes nothing but its event', async () => {
      await driver.claimWarmUp(claim);
      const failed = { ...settle, end: { ...end, used: null }, releasedUsd: 0, cause: '500 api_error' };
      await driver.settleWarmUp(failed);
      expect(await store.usage(RUN)).toEqual([]);
      expect((await store.run(RUN))?.settings.cache).toEqual(CACHE);
      expect(await reserved()).toBe(0.25);
      const [event] = await store.events(RUN, { limit: 1, newest: true });
      expect(event).toMatchObject({ kind: 'cache.cold', chunkNo: 1, data: { prefix: KEY, cause: '500 api_error' } });
    });

    test('that shows that there is no use is the last', async () => {
      await driver.settleWarmUp({ ...settle, end: { ...end, useless: true } });
      expect((await store.run(RUN))?.settings.cache?.prefixes).toEqual([{ ...CACHE.prefixes[0], useless: true }]);
      expect((await bench.kinds()).at(-1)).toBe('cache.useless');
    });

    test('is not made for a run that is canceled', async () => {
      await store.requestCancel(RUN, AT);
      const kinds = await bench.kinds();
      expect(await driver.claimWarmUp(claim)).toBe(false);
      expect(await reserved()).toBe(0);
      expect(await bench.kinds()).toEqual(kinds);
    });
  });
}
