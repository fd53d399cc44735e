/**
 * What every `Limiter` promises: a call is paid from all its buckets or from none, waits are told as they are, a large
 * call is not starved and does not stop the small ones, and what the API says is believed only as far as it is sure.
 */
import { describe, expect, test } from 'vitest';
import { limiterApiSuite } from './limiter-api.suite.ts';
import { limiterCreatesSuite } from './limiter-creates.suite.ts';
import { Calls, perMinute, POOL, type OpenLimiter } from './limiter.lab.ts';
import { limiterPropertiesSuite } from './limiter-properties.suite.ts';

export function limiterSuite(name: string, open: OpenLimiter): void {
  describe(`limiter: ${name}`, () => {
    limiterPaysSuite(open);
    limiterLineSuite(open);
    limiterApiSuite(open);
    limiterCreatesSuite(open);
    limiterPropertiesSuite(open);
  });
}

function limiterPaysSuite(open: OpenLimiter): void {
  describe('a call', () => {
    test('is paid from all its buckets', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, {
        requests: perMinute(60),
        input: perMinute(6_000),
        output: perMinute(600),
      });
      expect(await calls.pays({ requests: 1, input: 2_000, output: 100 })).toBe(true);
      expect(await calls.levels()).toEqual({ requests: 59, input: 4_000, output: 500 });
    });

    test('that one bucket cannot pay takes nothing from the others', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, {
        requests: perMinute(60),
        input: perMinute(6_000),
        output: perMinute(600),
      });
      expect(await calls.pays({ requests: 1, input: 2_000, output: 600 })).toBe(true);
      expect(await calls.waitOf({ requests: 1, input: 10, output: 60 })).toEqual({ waitMs: 6_000, bucket: 'output' });
      expect(await calls.levels()).toEqual({ requests: 59, input: 4_000, output: 0 });
    });

    test('is told to the millisecond when it can be paid', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { requests: perMinute(600), input: perMinute(7_000) });
      expect(await calls.pays({ requests: 1, input: 7_000 })).toBe(true);
      const { waitMs, bucket } = await calls.waitOf({ requests: 1, input: 1_000 });
      expect([waitMs, bucket]).toEqual([Math.ceil((1_000 / 7_000) * 60_000), 'input']);
      calls.lab.advance(waitMs - 1);
      expect(await calls.waitOf({ requests: 1, input: 1_000 })).toEqual({ waitMs: 1, bucket: 'input' });
      calls.lab.advance(1);
      expect(await calls.pays({ requests: 1, input: 1_000 })).toBe(true);
    });

    test('waits for the bucket that takes longest', async () => {
      const calls = new Calls(await open());
      const limits = { requests: perMinute(60), tokens: perMinute(600), day: { perWindow: 86_400, capacity: 10 } };
      await calls.lab.limiter.setLimits(POOL, limits, { requests: 0, tokens: 0, day: 0 });
      expect(await calls.waitOf({ requests: 1, tokens: 20, day: 5 })).toEqual({ waitMs: 5_000, bucket: 'day' });
      expect(await calls.waitOf({ requests: 1, tokens: 20 })).toEqual({ waitMs: 2_000, bucket: 'tokens' });
    });

    test('of more than a bucket holds goes when it is full, and is paid in full', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { requests: perMinute(60), input: perMinute(6_000, 1_000) });
      expect(await calls.pays({ requests: 1, input: 100 })).toBe(true);
      expect(await calls.waitOf({ requests: 1, input: 3_000 })).toEqual({ waitMs: 1_000, bucket: 'input' });
      calls.lab.advance(1_000);
      expect(await calls.pays({ requests: 1, input: 3_000 })).toBe(true);
      expect((await calls.levels())['input']).toBe(-2_000);
      expect(await calls.waitOf({ requests: 1, input: 100 })).toEqual({ waitMs: 21_000, bucket: 'input' });
      // Who needs nothing of it does not wait for it.
      expect(await calls.pays({ requests: 1 })).toBe(true);
    });

    test('is free where there are no limits', async () => {
      const calls = new Calls(await open());
      expect(await calls.lab.limiter.view(POOL)).toBeNull();
      expect(await calls.ask({ requests: 1, input: 1e9 })).toEqual({ kind: 'taken', marks: {} });
    });

    test('of one pool is not paid by another', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { requests: perMinute(1) });
      await calls.lab.limiter.setLimits('org_2|opus_5', { requests: perMinute(1) });
      expect([await calls.pays({ requests: 1 }), await calls.pays({ requests: 1 })]).toEqual([true, false]);
      const other = await calls.lab.limiter.take({ pool: 'org_2|opus_5', amounts: { requests: 1 }, waiter: null });
      expect(other.kind).toBe('taken');
    });
  });

  describe('a bucket', () => {
    test('fills continuously, and never above what it holds', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, {
        requests: perMinute(60, 10),
        day: { perWindow: 86_400, capacity: 100 },
      });
      expect(await calls.pays({ requests: 10, day: 100 })).toBe(true);
      for (const [ms, requests, day] of [
        [500, 0.5, 0.5],
        [1_000, 1.5, 1.5],
        [8_000, 9.5, 9.5],
        [60_000, 10, 69.5],
      ] as const) {
        calls.lab.advance(ms);
        expect(await calls.levels()).toEqual({ requests, day });
      }
    });

    test('into which nothing flows lets nobody through, and is asked again', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { requests: perMinute(0, 1) }, { requests: 0 });
      const { waitMs } = await calls.waitOf({ requests: 1 }, 'a');
      expect(waitMs).toBe(3_600_000);
      expect((await calls.waitOf({ requests: 1 }, 'b')).waitMs).toBe(3_600_000);
    });
  });

  describe('limits', () => {
    test('that change leave the levels, and cut what is above them', async () => {
      const calls = new Calls(await open());
      const { limiter } = calls.lab;
      await limiter.setLimits(
        POOL,
        { requests: perMinute(100), input: perMinute(1_000) },
        { requests: 50, input: 5_000 },
      );
      expect(await calls.levels()).toEqual({ requests: 50, input: 1_000 });
      await limiter.setLimits(POOL, { requests: perMinute(200), input: perMinute(400) }, { requests: 0 });
      expect(await calls.levels()).toEqual({ requests: 50, input: 400 });
      const view = await limiter.view(POOL);
      expect(view?.buckets.requests).toEqual({ limit: { perWindow: 200, capacity: 200 }, level: 50, aside: 0 });
      calls.lab.advance(3_000);
      expect(await calls.levels()).toEqual({ requests: 60, input: 400 });
    });

    test('that are not named any more are gone, and a new one begins full or as was said', async () => {
      const calls = new Calls(await open());
      const { limiter } = calls.lab;
      await limiter.setLimits(POOL, { requests: perMinute(10), input: perMinute(10) });
      await limiter.setLimits(
        POOL,
        { requests: perMinute(10), output: perMinute(10), tokens: perMinute(10) },
        { tokens: 3 },
      );
      expect(await calls.levels()).toEqual({ requests: 10, output: 10, tokens: 3 });
      expect(await calls.pays({ requests: 1, input: 1e6 })).toBe(true);
    });
  });

  describe('a pause', () => {
    test('holds everybody, and a shorter one does not end it', async () => {
      const calls = new Calls(await open());
      const { limiter } = calls.lab;
      await limiter.setLimits(POOL, { requests: perMinute(60) });
      await limiter.pause(POOL, 5_000);
      await limiter.pause(POOL, 1_000);
      expect(await calls.waitOf({ requests: 1 })).toEqual({ waitMs: 5_000, bucket: 'paused' });
      expect((await limiter.view(POOL))?.pausedMs).toBe(5_000);
      calls.lab.advance(5_000);
      expect((await limiter.view(POOL))?.pausedMs).toBe(0);
      expect(await calls.pays({ requests: 1 })).toBe(true);
    });

    test('does not cost those that wait their place', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { requests: perMinute(60, 1) }, { requests: 0 });
      await calls.waitOf({ requests: 1 }, 'first');
      await calls.lab.limiter.pause(POOL, 300_000);
      await calls.waitOf({ requests: 1 }, 'first');
      calls.lab.advance(300_000);
      expect(await calls.pays({ requests: 1 }, 'second')).toBe(false);
      expect(await calls.pays({ requests: 1 }, 'first')).toBe(true);
    });
  });
}

function limiterLineSuite(open: OpenLimiter): void {
  describe('a large call that waits', () => {
    test.each([0, 400, 900])(
      'is paid within twice its lone time while small ones take all they get, from %i',
      async (level) => {
        const calls = new Calls(await open());
        await calls.lab.limiter.setLimits(POOL, { input: perMinute(1_200) }, { input: level });
        const loneMs = (1_000 - level) * 50;
        let small = 0;
        const takeSmall = async (): Promise<void> => {
          while (await calls.pays({ input: 5 })) small += 5;
        };
        const told = await calls.waitOf({ input: 1_000 }, 'large');
        expect(told.waitMs).toBe(loneMs);
        await takeSmall();
        let waitedMs = 0;
        while (!(await calls.pays({ input: 1_000 }, 'large'))) {
          calls.lab.advance(250);
          waitedMs += 250;
          await takeSmall();
          expect(waitedMs).toBeLessThanOrEqual(2 * loneMs + 500);
        }
        // The other half of what flowed in went to them.
        expect(small).toBeGreaterThan((0.45 * waitedMs) / 50);
      },
    );

    test('holds back no more than it needs: small ones go at once on the rest', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(
        POOL,
        { requests: perMinute(60), input: perMinute(6_000) },
        { requests: 30, input: 500 },
      );
      await calls.waitOf({ requests: 1, input: 1_000 }, 'large');
      // Of the requests it needs one, in five seconds; of the input it needs all that is there.
      for (let at = 0; at < 30; at++) expect(await calls.pays({ requests: 1 })).toBe(true);
      expect(await calls.pays({ requests: 1, input: 1 })).toBe(false);
      calls.lab.advance(2_000);
      expect(await calls.pays({ requests: 1, input: 100 })).toBe(true);
      expect(await calls.pays({ requests: 1, input: 10 })).toBe(false);
    });

    test('lets small ones know when they can pass it', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { input: perMinute(6_000) }, { input: 0 });
      expect((await calls.waitOf({ input: 4_000 }, 'large')).waitMs).toBe(40_000);
      // Half of a hundred a second.
      const { waitMs } = await calls.waitOf({ input: 50 }, 'small');
      expect(waitMs).toBe(1_000);
      calls.lab.advance(999);
      expect(await calls.pays({ input: 50 }, 'small')).toBe(false);
      calls.lab.advance(1);
      expect(await calls.pays({ input: 50 }, 'small')).toBe(true);
    });
  });

  describe('those that wait', () => {
    test('are paid in the order in which they came, and told so', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { requests: perMinute(60) }, { requests: 0 });
      const names = ['a', 'b', 'c', 'd'];
      const told: number[] = [];
      for (const name of names) told.push((await calls.waitOf({ requests: 1 }, name)).waitMs);
      expect(told).toEqual([1_000, 2_000, 3_000, 4_000]);
      const paid: string[] = [];
      for (let second = 0; second < 4; second++) {
        calls.lab.advance(1_000);
        // Who comes last asks first.
        for (const name of [...names].reverse()) {
          if (!paid.includes(name) && (await calls.pays({ requests: 1 }, name))) paid.push(name);
        }
      }
      expect(paid).toEqual(names);
    });

    test('and need different buckets do not wait for each other', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(
        POOL,
        { input: perMinute(600), output: perMinute(600) },
        { input: 0, output: 100 },
      );
      expect((await calls.waitOf({ input: 300 }, 'input')).waitMs).toBe(30_000);
      expect(await calls.pays({ output: 100 }, 'output')).toBe(true);
    });

    test('and have gone are forgotten a quarter of a minute after they were due', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { input: perMinute(600) }, { input: 0 });
      expect((await calls.waitOf({ input: 600 }, 'gone')).waitMs).toBe(60_000);
      calls.lab.advance(74_000);
      expect(await calls.pays({ input: 300 })).toBe(false);
      calls.lab.advance(1_500);
      expect(await calls.pays({ input: 300 })).toBe(true);
    });

    test('and say that they go are forgotten at once', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { input: perMinute(600) }, { input: 300 });
      await calls.waitOf({ input: 600 }, 'goes');
      expect(await calls.pays({ input: 300 })).toBe(false);
      await calls.lab.limiter.forget(POOL, 'goes');
      expect((await calls.lab.limiter.view(POOL))?.buckets.input?.aside).toBe(0);
      expect(await calls.pays({ input: 300 })).toBe(true);
    });

    test('and come again with other amounts keep their place', async () => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, { input: perMinute(600) }, { input: 0 });
      await calls.waitOf({ input: 300 }, 'first');
      await calls.waitOf({ input: 10 }, 'second');
      expect((await calls.waitOf({ input: 100 }, 'first')).waitMs).toBe(10_000);
      calls.lab.advance(10_000);
      expect(await calls.pays({ input: 100 }, 'first')).toBe(true);
      expect((await calls.waitOf({ input: 10 }, 'second')).waitMs).toBe(1_000);
    });
  });
}
