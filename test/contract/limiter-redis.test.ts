/** The limiter in Redis: the same contract, and the same numbers as the limiter of one process. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/clock.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { connectRedisLimiter } from '../../src/adapters/redis/limiter.ts';
import {
  BUCKET_NAMES,
  type Amounts,
  type Limiter,
  type Marks,
  type PoolLimits,
} from '../../src/domain/pacing/limiter.ts';
import { createLocalLimiter } from '../../src/domain/pacing/local-limiter.ts';
import { isRedisMissing, keysOfThisFile, REDIS_URL, redisClient } from '../support/redis.ts';
import { create, ORGANIZATION, perMinute, POOL } from './limiter.lab.ts';
import { limiterSuite } from './limiter.suite.ts';

const isMissing = await isRedisMissing();
const prefix = isMissing ? '' : keysOfThisFile();
let opened = 0;

/** With a room of its own in Redis. The time of the server is the clock's; without one it is the server's. */
async function open(clock?: VirtualClock, room = `${prefix}${opened++}:`): Promise<Limiter> {
  const limiter = await connectRedisLimiter(REDIS_URL, {
    clock: systemClock,
    rng: seededRng(`${room}-${opened++}`),
    prefix: room,
    ...(clock ? { serverNowMs: () => clock.monotonicMs() } : {}),
  });
  onTestFinished(() => limiter.close());
  expect(limiter.mode).toBe('shared');
  return limiter;
}

describe.skipIf(isMissing)('in Redis', () => {
  limiterSuite('of many processes', async () => {
    const clock = new VirtualClock();
    return { limiter: await open(clock), advance: (ms) => clock.advance(ms) };
  });

  test.each(Array.from({ length: 12 }, (_, seed) => seed))(
    'the same numbers come out as in one process (seed %i)',
    async (seed) => {
      const clock = new VirtualClock();
      const local = createLocalLimiter(clock);
      const redis = await open(clock);
      const rng = seededRng(`differential-${seed}`);
      const play = [new Player(local), new Player(redis)] as const;
      for (let turn = 0; turn < 250; turn++) {
        const step = randomStep(rng);
        const [expected, actual] = [await play[0].plays(step), await play[1].plays(step)];
        expect(actual, `turn ${turn}: ${JSON.stringify(step)}`).toEqual(expected);
        clock.advance(pick(rng, [0, 0, 1, 40, 700.25, 3_000, 20_000]));
      }
      expect(play[0].paid).toBeGreaterThan(20);
    },
  );

  test('the time is the server’s, and all keys go away by themselves', async () => {
    const room = `${prefix}time:`;
    const limiter = await open(undefined, room);
    const client = await redisClient();
    onTestFinished(() => client.destroy());
    await limiter.setLimits(POOL, { requests: perMinute(60) });
    const taken = await limiter.take({ pool: POOL, amounts: { requests: 1 }, waiter: null });
    const [seconds] = (await client.sendCommand(['TIME'])) as unknown as string[];
    if (taken.kind !== 'taken') throw new Error('it waits');
    expect(Math.abs((taken.marks.requests?.atMs ?? 0) - Number(seconds) * 1_000)).toBeLessThan(5_000);
    await limiter.leaseCreate(create('a'));
    const keys = await client.keys(`${room}*`);
    expect(keys.sort()).toEqual([`${room}{${POOL}}`, `${room}{${POOL}}:members`, `${room}{${ORGANIZATION}}:creates`]);
    for (const key of keys) expect(await client.ttl(key)).toBeGreaterThan(86_400);
  });

  test('limits that one process sets are the limits of all, and so are payments', async () => {
    const room = `${prefix}two:`;
    const clock = new VirtualClock();
    const [one, two] = [await open(clock, room), await open(clock, room)];
    await one.setLimits(POOL, { requests: perMinute(10) });
    await two.setLimits(POOL, { requests: perMinute(5) });
    expect((await one.view(POOL))?.buckets.requests?.limit.perWindow).toBe(5);
    const ask = async (limiter: Limiter): Promise<string> =>
      (await limiter.take({ pool: POOL, amounts: { requests: 3 }, waiter: 'row 1' })).kind;
    expect([await ask(one), await ask(two)]).toEqual(['taken', 'wait']);
    // What waits in one is not what waits under the same name in the other.
    await one.forget(POOL, 'row 1');
    expect((await one.view(POOL))?.buckets.requests?.aside).toBeGreaterThan(0);
    await two.forget(POOL, 'row 1');
    expect((await one.view(POOL))?.buckets.requests?.aside).toBe(0);
  });

  test('creates of all count, and one process does not give back another’s', async () => {
    const room = `${prefix}creates:`;
    const clock = new VirtualClock();
    const [one, two] = [await open(clock, room), await open(clock, room)];
    expect(await one.leaseCreate(create('1', { batchesMax: 1 }))).toBe(true);
    await two.releaseCreate(ORGANIZATION, '1');
    expect(await two.leaseCreate(create('1', { batchesMax: 1 }))).toBe(false);
    await one.releaseCreate(ORGANIZATION, '1');
    expect(await two.leaseCreate(create('1', { batchesMax: 1 }))).toBe(true);
  });

  test('a server that has lost its scripts is given them again', async () => {
    const limiter = await open(new VirtualClock());
    const client = await redisClient();
    onTestFinished(() => client.destroy());
    await limiter.setLimits(POOL, { requests: perMinute(2) });
    await client.sendCommand(['SCRIPT', 'FLUSH']);
    expect((await limiter.take({ pool: POOL, amounts: { requests: 1 }, waiter: null })).kind).toBe('taken');
    expect(limiter.mode).toBe('shared');
  });

  test('limits that Redis has lost are given again, and nothing is free meanwhile', async () => {
    const room = `${prefix}lost:`;
    const clock = new VirtualClock();
    const limiter = await open(clock, room);
    const client = await redisClient();
    onTestFinished(() => client.destroy());
    await limiter.setLimits(POOL, { requests: perMinute(60) });
    const ask = () => limiter.take({ pool: POOL, amounts: { requests: 1 }, waiter: null });
    expect((await ask()).kind).toBe('taken');
    await client.del(`${room}{${POOL}}`);
    expect(await ask()).toEqual({ kind: 'wait', waitMs: 1_000, bucket: 'requests' });
    await client.del(`${room}{${POOL}}`);
    await limiter.setLimits(POOL, { requests: perMinute(120) });
    expect(await ask()).toEqual({ kind: 'wait', waitMs: 500, bucket: 'requests' });
  });
});

type Step =
  | { readonly kind: 'take'; readonly amounts: Amounts; readonly waiter: string | null }
  | { readonly kind: 'forget'; readonly waiter: string }
  | { readonly kind: 'correct'; readonly amounts: Amounts }
  | { readonly kind: 'setLimits'; readonly limits: PoolLimits; readonly levels: Amounts }
  | { readonly kind: 'observe'; readonly mark: number; readonly remaining: number; readonly underWay: number }
  | { readonly kind: 'drain'; readonly buckets: (keyof Amounts)[] }
  | { readonly kind: 'pause'; readonly forMs: number }
  | { readonly kind: 'lease'; readonly id: string; readonly rows: number }
  | { readonly kind: 'release'; readonly id: string };

function randomStep(rng: Rng): Step {
  const amounts = (): Amounts => {
    const some = BUCKET_NAMES.filter(() => chance(rng, 0.7));
    return Object.fromEntries(some.map((name) => [name, rng.next() * pick(rng, [1, 100, 100, 2_000])]));
  };
  const draw = rng.next();
  if (draw < 0.6) return { kind: 'take', amounts: amounts(), waiter: pick(rng, [null, 'a', 'b', 'c', 'd', 'e']) };
  if (draw < 0.65) return { kind: 'forget', waiter: pick(rng, ['a', 'b', 'c']) };
  if (draw < 0.72) {
    const signed = Object.entries(amounts()).map(([name, amount]) => [name, chance(rng, 0.5) ? amount : -amount]);
    return { kind: 'correct', amounts: Object.fromEntries(signed) as Amounts };
  }
  if (draw < 0.78) {
    const some = BUCKET_NAMES.filter(() => chance(rng, 0.8));
    const limits = some.map((name) => [name, perMinute(integerBetween(rng, 0, 20) * 300, 1 + rng.next() * 3_000)]);
    return { kind: 'setLimits', limits: Object.fromEntries(limits) as PoolLimits, levels: amounts() };
  }
  if (draw < 0.9) {
    return { kind: 'observe', mark: rng.next(), remaining: rng.next() * 3_000, underWay: pick(rng, [0, 10, 500]) };
  }
  if (draw < 0.92) return { kind: 'drain', buckets: BUCKET_NAMES.filter(() => chance(rng, 0.4)) };
  if (draw < 0.94) return { kind: 'pause', forMs: rng.next() * 9_000 };
  const id = pick(rng, ['1', '2', '3']);
  return chance(rng, 0.6) ? { kind: 'lease', id, rows: integerBetween(rng, 1, 50_000) } : { kind: 'release', id };
}

/** Plays steps on a limiter and tells what came of each; the marks of its own payments stay with it. */
class Player {
  paid = 0;
  readonly #limiter: Limiter;
  readonly #marks: Marks[] = [];

  constructor(limiter: Limiter) {
    this.#limiter = limiter;
  }

  async plays(step: Step): Promise<unknown> {
    const said = await this.#play(step);
    return { said, view: await this.#limiter.view(POOL) };
  }

  async #play(step: Step): Promise<unknown> {
    const limiter = this.#limiter;
    switch (step.kind) {
      case 'take': {
        const taken = await limiter.take({ pool: POOL, amounts: step.amounts, waiter: step.waiter });
        if (taken.kind === 'wait') return taken;
        this.paid++;
        this.#marks.push(taken.marks);
        return Object.entries(taken.marks).map(([name, mark]) => [name, { ...mark, life: '' }]);
      }
      case 'forget':
        return limiter.forget(POOL, step.waiter);
      case 'correct':
        return limiter.correct(POOL, step.amounts);
      case 'setLimits':
        return limiter.setLimits(POOL, step.limits, step.levels);
      case 'observe': {
        const marks = this.#marks[Math.floor(step.mark * this.#marks.length)] ?? {};
        const seen = BUCKET_NAMES.flatMap((bucket) => {
          const mark = marks[bucket];
          return mark ? [{ bucket, mark, remaining: step.remaining, underWay: step.underWay, roundedTo: 7 }] : [];
        });
        return limiter.observe(POOL, seen);
      }
      case 'drain':
        return limiter.drain(POOL, step.buckets);
      case 'pause':
        return limiter.pause(POOL, step.forMs);
      case 'lease':
        return limiter.leaseCreate(create(step.id, { rows: step.rows, ttlMs: 30_000 }));
      case 'release':
        return limiter.releaseCreate(ORGANIZATION, step.id);
    }
  }
}
