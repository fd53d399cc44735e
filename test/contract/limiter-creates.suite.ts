/** Creates under way: what every `Limiter` counts beside what the workspace's list shows. */
import { describe, expect, test } from 'vitest';
import { create, ORGANIZATION, type OpenLimiter } from './limiter.lab.ts';

export function limiterCreatesSuite(open: OpenLimiter): void {
  describe('a create', () => {
    test('counts as a batch beside those that are open, until it is given back', async () => {
      const { limiter } = await open();
      const room = { openBatches: 8, batchesMax: 10 };
      expect(await limiter.leaseCreate(create('a', room))).toBe(true);
      expect(await limiter.leaseCreate(create('b', room))).toBe(true);
      expect(await limiter.leaseCreate(create('c', room))).toBe(false);
      await limiter.releaseCreate(ORGANIZATION, 'a');
      expect(await limiter.leaseCreate(create('c', room))).toBe(true);
    });

    test('counts with its rows', async () => {
      const { limiter } = await open();
      const room = { openRows: 5_000, rowsMax: 10_000, rows: 2_500 };
      expect(await limiter.leaseCreate(create('a', room))).toBe(true);
      expect(await limiter.leaseCreate(create('b', room))).toBe(true);
      expect(await limiter.leaseCreate(create('c', { ...room, rows: 1 }))).toBe(false);
      await limiter.releaseCreate(ORGANIZATION, 'b');
      expect(await limiter.leaseCreate(create('c', { ...room, rows: 2_501 }))).toBe(false);
      expect(await limiter.leaseCreate(create('c', room))).toBe(true);
    });

    test('whose holder has died is void after its time', async () => {
      const lab = await open();
      const room = { batchesMax: 1, ttlMs: 5_000 };
      expect(await lab.limiter.leaseCreate(create('dead', room))).toBe(true);
      lab.advance(4_999);
      expect(await lab.limiter.leaseCreate(create('next', room))).toBe(false);
      lab.advance(1);
      expect(await lab.limiter.leaseCreate(create('next', room))).toBe(true);
    });

    test('that asks again is counted once, and held for longer', async () => {
      const lab = await open();
      const room = { batchesMax: 1, ttlMs: 5_000 };
      expect(await lab.limiter.leaseCreate(create('a', room))).toBe(true);
      lab.advance(4_000);
      expect(await lab.limiter.leaseCreate(create('a', room))).toBe(true);
      lab.advance(4_000);
      expect(await lab.limiter.leaseCreate(create('b', room))).toBe(false);
    });

    test('that was refused counts for nothing, and giving back what is not held does nothing', async () => {
      const { limiter } = await open();
      expect(await limiter.leaseCreate(create('a', { rowsMax: 10 }))).toBe(false);
      await limiter.releaseCreate(ORGANIZATION, 'a');
      expect(await limiter.leaseCreate(create('b', { batchesMax: 1 }))).toBe(true);
    });

    test('of another organization does not count', async () => {
      const { limiter } = await open();
      expect(await limiter.leaseCreate(create('a', { batchesMax: 1 }))).toBe(true);
      expect(await limiter.leaseCreate(create('a', { batchesMax: 1, organization: 'org_2' }))).toBe(true);
      await limiter.releaseCreate('org_2', 'a');
      expect(await limiter.leaseCreate(create('b', { batchesMax: 1 }))).toBe(false);
    });
  });
}
