/**
 * A Redis that goes away and comes back, on real sockets through a proxy that is cut. All waits are on virtual clocks:
 * what has to happen is an event, and nothing else passes the time.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { seededRng } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { STEP_MS_MAX } from '../../src/adapters/redis/connection.ts';
import { connectRedisLimiter } from '../../src/adapters/redis/limiter.ts';
import type { Limiter, Taken } from '../../src/domain/pacing/limiter.ts';
import { isRedisMissing, keysOfThisFile, REDIS_URL, redisClient } from '../support/redis.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { create, ORGANIZATION, perMinute, POOL } from './limiter.lab.ts';

const isMissing = await isRedisMissing();
const prefix = isMissing ? '' : keysOfThisFile();
let rooms = 0;

interface Said {
  readonly mode: 'shared' | 'alone';
  readonly cause: string | null;
}

/** A limiter behind a proxy, and one that has a way of its own to the same pool. */
class FallbackLab {
  readonly clock = new VirtualClock();
  /** For how long a step may take: it goes on only where a test says so, because the sockets are real. */
  readonly patience = new VirtualClock();
  readonly proxy: TcpProxy;
  readonly said: Said[] = [];
  readonly room = `${prefix}${rooms++}:`;
  readonly #heard = new EventTarget();

  constructor(proxy: TcpProxy) {
    this.proxy = proxy;
  }

  async connect(origin = this.proxy.origin.replace('http:', 'redis:'), seed = 'one'): Promise<Limiter> {
    const limiter = await connectRedisLimiter(origin, {
      clock: {
        now: () => this.clock.now(),
        monotonicMs: () => this.clock.monotonicMs(),
        sleep: (ms, signal) => (ms === STEP_MS_MAX ? this.patience : this.clock).sleep(ms, signal),
      },
      rng: seededRng(seed),
      prefix: this.room,
      serverNowMs: () => this.clock.monotonicMs(),
      onMode: (mode, cause) => {
        if (seed !== 'one') return;
        this.said.push({ mode, cause });
        this.#heard.dispatchEvent(new Event('said'));
      },
    });
    onTestFinished(() => limiter.close());
    return limiter;
  }

  other(): Promise<Limiter> {
    return this.connect(REDIS_URL, 'other');
  }

  async cut(): Promise<void> {
    await this.proxy.refuse();
    for (const connection of this.proxy.connections) connection.destroy();
    await this.says('alone');
  }

  /** Redis is there again, and the limiter finds it at its next try. */
  async mend(): Promise<void> {
    await this.proxy.accept();
    await this.rejoins();
  }

  async rejoins(): Promise<void> {
    while (this.said.at(-1)?.mode !== 'shared') {
      this.clock.advanceToNext();
      await turn();
    }
  }

  /** The last thing that it says, now or later. */
  async says(mode: Said['mode']): Promise<void> {
    while (this.said.at(-1)?.mode !== mode) {
      await new Promise((resolve) => this.#heard.addEventListener('said', resolve, { once: true }));
    }
  }
}

interface Opened {
  readonly lab: FallbackLab;
  readonly limiter: Limiter;
  /** Has come to pass. */
  readonly stalled: Promise<unknown>;
}

/** With `stall`, answers of the first connection stop behind the nth of this word: the step has run, and nobody knows. */
async function opened(
  stall: { readonly mark: string; readonly nth: number } = { mark: 'never', nth: 1 },
): Promise<Opened> {
  const proxy = await startTcpProxy(Number(new URL(REDIS_URL).port || 6379));
  onTestFinished(() => proxy.close());
  const lab = new FallbackLab(proxy);
  const fate = proxy.fate(/^\*/, { direction: 'down', at: stall, deed: 'stall_down' });
  return { lab, limiter: await lab.connect(), stalled: fate.met };
}

/** Lets everything go on that can. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function ask(limiter: Limiter, requests: number, waiter: string | null = null): Promise<Taken> {
  return limiter.take({ pool: POOL, amounts: { requests }, waiter });
}

async function levelOf(limiter: Limiter): Promise<number | undefined> {
  const level = (await limiter.view(POOL))?.buckets.requests?.level;
  return level === undefined ? undefined : Math.round(level * 1e3) / 1e3;
}

describe.skipIf(isMissing)('a Redis that is away', () => {
  test('at the start is said, and a quarter of each limit is used', async () => {
    const proxy = await startTcpProxy(1);
    await proxy.refuse();
    const lab = new FallbackLab(proxy);
    const limiter = await lab.connect(proxy.origin.replace('http://', 'redis://someone:s3cret@'));
    expect(limiter.mode).toBe('alone');
    expect(lab.said).toEqual([
      {
        mode: 'alone',
        cause: expect.stringMatching(/^Redis at redis:\/\/127\.0\.0\.1:\d+ cannot be used: .*ECONNREFUSED/),
      },
    ]);
    expect(JSON.stringify(lab.said)).not.toContain('s3cret');
    await limiter.setLimits(POOL, { requests: perMinute(240) }, { requests: 40 });
    expect((await limiter.view(POOL))?.buckets.requests).toEqual({ limit: perMinute(60), level: 10, aside: 0 });
    expect(await ask(limiter, 20)).toEqual({ kind: 'wait', waitMs: 10_000, bucket: 'requests' });
    await limiter.close();
    expect(lab.clock.sleeping).toBe(0);
  });

  test('and comes back is told limits, levels and what was spent alone', async () => {
    const proxy = await startTcpProxy(Number(new URL(REDIS_URL).port || 6379));
    onTestFinished(() => proxy.close());
    await proxy.refuse();
    const lab = new FallbackLab(proxy);
    const limiter = await lab.connect();
    await limiter.setLimits(POOL, { requests: perMinute(240) }, { requests: 40 });
    expect((await ask(limiter, 10)).kind).toBe('taken');
    await lab.mend();
    expect(limiter.mode).toBe('shared');
    expect(await levelOf(limiter)).toBe(30);
    expect((await limiter.view(POOL))?.buckets.requests?.limit).toEqual(perMinute(240));
  });

  test('in the middle: half is left to others, from nothing on, and the server’s levels count again afterwards', async () => {
    const { lab, limiter } = await opened();
    const other = await lab.other();
    await limiter.setLimits(POOL, { requests: perMinute(600) });
    expect((await ask(limiter, 100)).kind).toBe('taken');
    await lab.cut();
    expect(lab.said.at(-1)?.cause).toMatch(/cannot be used/);
    expect(await ask(limiter, 5)).toEqual({ kind: 'wait', waitMs: 1_000, bucket: 'requests' });
    lab.clock.advance(1_000);
    expect((await ask(limiter, 5)).kind).toBe('taken');
    expect((await ask(other, 50)).kind).toBe('taken');
    await limiter.correct(POOL, { requests: 2 });
    await limiter.correct(POOL, { requests: -3 });
    const before = await levelOf(other);
    await lab.mend();
    const flowed = lab.clock.monotonicMs() / 100;
    expect(await levelOf(limiter)).toBeCloseTo(Math.min(600, (before ?? 0) - 4 + (flowed - 10)), 3);
    expect(await levelOf(other)).toBe(await levelOf(limiter));
  });

  test('leaves each of several processes its part', async () => {
    const { lab, limiter } = await opened();
    await limiter.setLimits(POOL, { requests: perMinute(600) });
    for (const seed of ['b', 'c', 'd', 'e']) await ask(await lab.connect(REDIS_URL, seed), 1);
    await ask(limiter, 1);
    await lab.cut();
    expect((await limiter.view(POOL))?.buckets.requests?.limit.perWindow).toBe(120);
  });

  test('charges of a long time alone no more than a bucket holds', async () => {
    const { lab, limiter } = await opened();
    await limiter.setLimits(POOL, { requests: perMinute(600) });
    await ask(limiter, 1);
    await lab.cut();
    for (let minute = 0; minute < 60; minute++) {
      lab.clock.advance(60_000);
      expect((await ask(limiter, 300)).kind).toBe('taken');
    }
    await lab.mend();
    // An hour at half the rate: the last minute of it is missing in a bucket that has long been full.
    expect(await levelOf(limiter)).toBeGreaterThan(299);
    expect(await levelOf(limiter)).toBeLessThan(320);
  });

  test('for one answer: the step is paid again alone, and what may have been paid there stays paid', async () => {
    const { lab, limiter, stalled } = await opened({ mark: 'taken', nth: 1 });
    const other = await lab.other();
    await limiter.setLimits(POOL, { requests: perMinute(60) });
    const asked = ask(limiter, 10);
    await stalled;
    expect(await levelOf(other)).toBe(50);
    lab.patience.advance(STEP_MS_MAX);
    expect(await asked).toEqual({ kind: 'wait', waitMs: 40_000, bucket: 'requests' });
    expect(lab.said.at(-1)).toEqual({ mode: 'alone', cause: expect.stringContaining('no answer within 1000 ms') });
    lab.clock.advance(40_000);
    expect((await ask(limiter, 10)).kind).toBe('taken');
    await lab.rejoins();
    expect(await levelOf(limiter)).toBeLessThanOrEqual(60 - 10);
  });

  test('does not give back what may have been given back there', async () => {
    const { lab, limiter, stalled } = await opened({ mark: 'done', nth: 2 });
    await limiter.setLimits(POOL, { requests: perMinute(60) });
    await ask(limiter, 50);
    const corrected = limiter.correct(POOL, { requests: -40 });
    await stalled;
    lab.patience.advance(STEP_MS_MAX);
    await corrected;
    expect([limiter.mode, await levelOf(limiter)]).toEqual(['alone', 0]);
  });

  test('keeps creates that are under way, and what is given back meanwhile is given back there', async () => {
    const { lab, limiter } = await opened();
    const other = await lab.other();
    const room = { batchesMax: 3, ttlMs: 600_000 };
    expect(await limiter.leaseCreate(create('kept', room))).toBe(true);
    expect(await limiter.leaseCreate(create('ended', room))).toBe(true);
    await lab.cut();
    // One at a time, and there are two.
    expect(await limiter.leaseCreate(create('third', room))).toBe(false);
    await limiter.releaseCreate(ORGANIZATION, 'ended');
    expect(await limiter.leaseCreate(create('third', room))).toBe(false);
    expect(await other.leaseCreate(create('others', room))).toBe(true);
    expect(await other.leaseCreate(create('too many', room))).toBe(false);
    await lab.mend();
    expect(await limiter.leaseCreate(create('third', room))).toBe(true);
    expect(await other.leaseCreate(create('too many', room))).toBe(false);
  });

  test('tells nothing of creates whose time is over', async () => {
    const { lab, limiter } = await opened();
    const other = await lab.other();
    const room = { batchesMax: 2, ttlMs: 1_000 };
    expect(await limiter.leaseCreate(create('made', room))).toBe(true);
    lab.clock.advance(1_000);
    await lab.cut();
    await lab.mend();
    expect(await other.leaseCreate(create('one', room))).toBe(true);
    expect(await other.leaseCreate(create('two', room))).toBe(true);
  });

  test('lets one create at a time through where there is room', async () => {
    const { lab, limiter } = await opened();
    await lab.cut();
    const room = { batchesMax: 100, openBatches: 99, rowsMax: 1_000, rows: 900 };
    expect(await limiter.leaseCreate(create('a', { ...room, openRows: 200 }))).toBe(false);
    expect(await limiter.leaseCreate(create('a', room))).toBe(true);
    expect(await limiter.leaseCreate(create('b', { ...room, openBatches: 0, rows: 50 }))).toBe(false);
    await limiter.releaseCreate(ORGANIZATION, 'a');
    expect(await limiter.leaseCreate(create('b', { ...room, openBatches: 0, rows: 50 }))).toBe(true);
    expect(await limiter.leaseCreate(create('c', { ...room, openBatches: 100 }))).toBe(false);
  });

  test('takes a pause and new limits over when it is back', async () => {
    const { lab, limiter } = await opened();
    const other = await lab.other();
    await limiter.setLimits(POOL, { requests: perMinute(60) });
    await lab.cut();
    await limiter.pause(POOL, 600_000);
    await limiter.setLimits(POOL, { requests: perMinute(30), output: perMinute(9) }, { output: 4 });
    expect(await ask(limiter, 1)).toMatchObject({ kind: 'wait', bucket: 'paused' });
    await lab.mend();
    const view = await other.view(POOL);
    expect(view?.buckets).toMatchObject({
      requests: { limit: perMinute(30), level: 30 },
      output: { limit: perMinute(9) },
    });
    expect(view?.pausedMs).toBeGreaterThan(590_000);
  });

  test('and came back empty: nobody knows how full the buckets were', async () => {
    const { lab, limiter } = await opened();
    await limiter.setLimits(POOL, { requests: perMinute(60) });
    await lab.cut();
    const client = await redisClient();
    onTestFinished(() => client.destroy());
    await client.del(`${lab.room}{${POOL}}`);
    await lab.mend();
    expect(await levelOf(limiter)).toBe(0);
  });

  test('believes what is left only where it lowers a share, and marks of before say nothing', async () => {
    const { lab, limiter } = await opened();
    await limiter.setLimits(POOL, { requests: perMinute(600) });
    const before = await ask(limiter, 1);
    await lab.cut();
    lab.clock.advance(10_000);
    const alone = await ask(limiter, 1);
    if (before.kind !== 'taken' || alone.kind !== 'taken' || !before.marks.requests || !alone.marks.requests)
      throw new Error('it waits');
    const seen = { bucket: 'requests', underWay: 0, roundedTo: 0 } as const;
    await limiter.observe(POOL, [{ ...seen, mark: before.marks.requests, remaining: 3 }]);
    await limiter.observe(POOL, [{ ...seen, mark: alone.marks.requests, remaining: 590 }]);
    expect(await levelOf(limiter)).toBe(49);
    await limiter.observe(POOL, [{ ...seen, mark: alone.marks.requests, remaining: 20 }]);
    expect(await levelOf(limiter)).toBe(20);
  });

  test('is asked again after growing pauses, and no timer is left when the limiter is closed', async () => {
    const { lab, limiter } = await opened();
    await lab.cut();
    const triesMs: number[] = [];
    while (triesMs.length < 8) {
      const atMs = lab.clock.monotonicMs();
      if (lab.clock.advanceToNext()) triesMs.push(lab.clock.monotonicMs() - atMs);
      await turn();
    }
    expect(triesMs[0]).toBeLessThanOrEqual(500);
    expect(Math.max(...triesMs)).toBeLessThanOrEqual(15_000);
    expect(Math.max(...triesMs)).toBeGreaterThan(7_000);
    await limiter.close();
    expect([lab.clock.sleeping, lab.patience.sleeping]).toEqual([0, 0]);
    expect(lab.said.map(({ mode }) => mode)).toEqual(['shared', 'alone']);
  });
});

describe.skipIf(isMissing)('a Redis that lets nobody in', () => {
  test.each([
    ['nobody:s3cret@', '', /does not let batchrun in: WRONGPASS/],
    ['', '/4999', /does not let batchrun in: .*index/],
  ])('is a mistake in the configuration: %s %s', async (login, database, message) => {
    const url = `redis://${login}${new URL(REDIS_URL).host}${database}`;
    const failed = connectRedisLimiter(url, { clock: new VirtualClock(), rng: seededRng(1) });
    await expect(failed).rejects.toMatchObject({ code: 'E_CONFIG', message: expect.stringMatching(message) });
    await expect(failed).rejects.not.toThrow('s3cret');
  });
});
