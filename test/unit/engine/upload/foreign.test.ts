/** Batches of other programs take room, ours take theirs once, and what the others leave is seen and used. */
import { describe, expect, test } from 'vitest';
import { createLocalLimiter } from '../../../../src/domain/pacing/local-limiter.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { newSession } from '../../../../src/engine/session.ts';
import { PoolKeeper } from '../../../../src/engine/pacing/pool-keeper.ts';
import { countsOf, lab, MINUTE_MS, refused, rows } from '../lab.ts';

const ONE_ROW_CHUNKS = { settings: { chunkRows: 1 } } as const;

describe('the queue of the organization', () => {
  test('a batch that was made a moment ago is ours, not another program’s as well', async () => {
    const it = lab({ pacing: { maxQueued: 10 } });
    const run = await it.submit(rows(12), ONE_ROW_CHUNKS);
    const the = await it.session();
    expect(await uploadRound(the, [run.id])).toEqual({ uploaded: 10, full: true, waiting: 2 });
    expect([...the.foreign.values()]).toEqual([{ batches: 0, rows: 0 }]);
  });

  test.each(['local', 'shared'] as const)(
    'is used in full with a %s limiter, by creates side by side',
    async (mode) => {
      const it = lab({ pacing: { maxQueued: 20, maxBatches: 100 } });
      const limiter = createLocalLimiter(it.clock);
      Object.assign(it.engine, { limiter: { ...limiter, mode } });
      const run = await it.submit(rows(22), ONE_ROW_CHUNKS);
      const the = await it.session();
      expect(await uploadRound(the, [run.id])).toEqual({ uploaded: 20, full: true, waiting: 2 });
      // Another process knows of them before its list shows them.
      const room = { organization: it.api.workspace, id: 'other', rows: 1, openBatches: 0, openRows: 0, ttlMs: 1_000 };
      const fits = await limiter.leaseCreate({ ...room, batchesMax: 100, rowsMax: 20 });
      expect(fits).toBe(mode === 'local');
    },
  );

  test('is looked at again while only others fill it', async () => {
    const it = lab({ pacing: { maxQueued: 10 } });
    const run = await it.submit(rows(2), ONE_ROW_CHUNKS);
    const the = await it.session();
    it.api.add('msgbatch_other', 10);
    // The first create finds out what the list shows.
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 1, full: true });
    it.api.end('msgbatch_1', [], { succeeded: 1 });
    await poll(the);
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 0, full: true });
    it.api.listed = it.api.listed.map((batch) => ({ ...batch, status: 'ended', counts: countsOf({ succeeded: 10 }) }));
    await poll(the);
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 1, waiting: 0 });
  });

  test('that others fill unseen is tried again after half an hour, also by the next process', async () => {
    const it = lab();
    const run = await it.submit(rows(6), ONE_ROW_CHUNKS);
    const the = await it.session();
    const full = { status: 429, type: 'rate_limit_error', message: 'too many batch requests in the processing queue' };
    let room = 2;
    it.api.onCreate = (body) => {
      if (room === 0) throw refused(full);
      room--;
      return it.api.make(body);
    };
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 2 });
    it.clock.advance(MINUTE_MS);
    room = 4;
    expect(await uploadRound(the, [run.id])).toEqual({ uploaded: 0, full: true, waiting: 4 });
    await new PoolKeeper(the).save(true);
    const next = newSession(it.engine, the.driver);
    await new PoolKeeper(next).load();
    expect(next.pacer.pools.batchLimits(it.api.workspace).rowsMax).toBe(200_000);
    it.clock.advance(30 * MINUTE_MS);
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 4, waiting: 0 });
  });

  test('whose limit the API told is the limit, and as old as it is', async () => {
    const it = lab();
    const run = await it.submit(rows(3), ONE_ROW_CHUNKS);
    const the = await it.session();
    const message = "This would exceed your organization's limit of 1 batch requests in the processing queue";
    it.api.onCreate = (body) => {
      if (it.api.listed.length > 0) throw refused({ status: 429, type: 'rate_limit_error', message });
      return it.api.make(body);
    };
    await uploadRound(the, [run.id]);
    it.clock.advance(60 * MINUTE_MS);
    await new PoolKeeper(the).save(true);
    const next = newSession(it.engine, the.driver);
    await new PoolKeeper(next).load();
    expect(next.pacer.pools.batchLimits(it.api.workspace).rowsMax).toBe(1);
    it.clock.advance(7 * 24 * 60 * MINUTE_MS);
    await new PoolKeeper(next).save(true);
    const later = newSession(it.engine, the.driver);
    await new PoolKeeper(later).load();
    expect(later.pacer.pools.batchLimits(it.api.workspace).rowsMax).toBe(200_000);
  });

  test('a create that breaks off here holds its room for others until a list would show it, and no longer', async () => {
    const it = lab();
    const limiter = createLocalLimiter(it.clock);
    Object.assign(it.engine, { limiter: { ...limiter, mode: 'shared' } });
    const run = await it.submit(rows(1));
    it.api.onCreate = () => {
      throw new Error('no space left on the device');
    };
    await expect(uploadRound(await it.session(), [run.id])).rejects.toThrow('no space');
    const room = { organization: it.api.workspace, id: 'other', rows: 1, openBatches: 0, openRows: 0, ttlMs: 1_000 };
    const fits = (): Promise<boolean> => limiter.leaseCreate({ ...room, batchesMax: 1, rowsMax: 20 });
    expect(await fits()).toBe(false);
    it.clock.advance(MINUTE_MS);
    expect(await fits()).toBe(true);
  });
});
