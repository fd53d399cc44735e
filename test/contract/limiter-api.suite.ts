/** What every `Limiter` makes of what the API says: answers, headers, refusals. */
import { describe, expect, test } from 'vitest';
import type { BucketMark, BucketName, Sighting } from '../../src/domain/pacing/limiter.ts';
import { Calls, perMinute, POOL, type OpenLimiter } from './limiter.lab.ts';

function sighting(bucket: BucketName, mark: BucketMark | undefined, more: Partial<Sighting>): Sighting {
  if (!mark) throw new Error(`no mark of ${bucket}`);
  return { bucket, mark, remaining: 0, underWay: 0, roundedTo: 0, ...more };
}

export function limiterApiSuite(open: OpenLimiter): void {
  /** 600 a minute, of which 400 are there. */
  async function opened(): Promise<Calls> {
    const calls = new Calls(await open());
    await calls.lab.limiter.setLimits(POOL, { requests: perMinute(600) }, { requests: 400 });
    return calls;
  }

  describe('an answer', () => {
    test('that took more is paid, and what it took less is given back, up to what the bucket holds', async () => {
      const calls = new Calls(await open());
      const { limiter } = calls.lab;
      await limiter.setLimits(POOL, { requests: perMinute(10), input: perMinute(1_000), output: perMinute(100) });
      await calls.pays({ requests: 1, input: 500, output: 80 });
      await limiter.correct(POOL, { input: -200, output: 70 });
      expect(await calls.levels()).toEqual({ requests: 9, input: 700, output: -50 });
      await limiter.correct(POOL, { input: -9_000 });
      expect((await calls.levels())['input']).toBe(1_000);
    });
  });

  describe('what the API says is left', () => {
    test('lowers a level that was too high: others use the account', async () => {
      const calls = await opened();
      const { requests } = await calls.marks({ requests: 1 });
      await calls.lab.limiter.observe(POOL, [sighting('requests', requests, { remaining: 250 })]);
      expect(await calls.levels()).toEqual({ requests: 250 });
    });

    test('is not taken off once more by answers to calls that were sent before', async () => {
      const calls = await opened();
      const marks = [
        await calls.marks({ requests: 1 }),
        await calls.marks({ requests: 1 }),
        await calls.marks({ requests: 1 }),
      ];
      // 399, 398, 397 were left here; the API has 100 less each time.
      for (const [at, mark] of marks.entries()) {
        await calls.lab.limiter.observe(POOL, [sighting('requests', mark.requests, { remaining: 299 - at })]);
      }
      // The first look cannot tell two calls paid since from others' use.
      expect(await calls.levels()).toEqual({ requests: 297 });
    });

    test('says nothing where it was counted after calls that were paid later here', async () => {
      const calls = await opened();
      const first = await calls.marks({ requests: 1 });
      for (let at = 0; at < 50; at++) await calls.pays({ requests: 1 });
      await calls.lab.limiter.observe(POOL, [sighting('requests', first.requests, { remaining: 349 })]);
      expect(await calls.levels()).toEqual({ requests: 349 });
      await calls.lab.limiter.observe(POOL, [sighting('requests', first.requests, { remaining: 340 })]);
      expect(await calls.levels()).toEqual({ requests: 340 });
    });

    test('raises a level by what is sure: not by calls under way, not by rounding', async () => {
      const calls = await opened();
      const { requests } = await calls.marks({ requests: 1 });
      const seen = sighting('requests', requests, { remaining: 550, underWay: 20, roundedTo: 10 });
      await calls.lab.limiter.observe(POOL, [seen]);
      expect(await calls.levels()).toEqual({ requests: 399 + 121 });
      // The same news once more is none.
      await calls.lab.limiter.observe(POOL, [seen]);
      expect(await calls.levels()).toEqual({ requests: 520 });
    });

    test('does not raise it for a difference that is noise', async () => {
      const calls = await opened();
      const { requests } = await calls.marks({ requests: 1 });
      await calls.lab.limiter.observe(POOL, [sighting('requests', requests, { remaining: 399 + 6 })]);
      expect(await calls.levels()).toEqual({ requests: 399 });
    });

    test('does not raise it for what flowed in since, or for what came back', async () => {
      const calls = await opened();
      const { limiter } = calls.lab;
      const { requests } = await calls.marks({ requests: 1 });
      calls.lab.advance(10_000);
      await limiter.correct(POOL, { requests: -50 });
      expect(await calls.levels()).toEqual({ requests: 549 });
      await limiter.observe(POOL, [sighting('requests', requests, { remaining: 549 })]);
      expect(await calls.levels()).toEqual({ requests: 549 });
    });

    test('within what it rounds to says nothing', async () => {
      const calls = await opened();
      const { requests } = await calls.marks({ requests: 1 });
      await calls.lab.limiter.observe(POOL, [sighting('requests', requests, { remaining: 350, roundedTo: 49 })]);
      expect(await calls.levels()).toEqual({ requests: 399 });
      await calls.lab.limiter.observe(POOL, [sighting('requests', requests, { remaining: 300, roundedTo: 49 })]);
      expect(await calls.levels()).toEqual({ requests: 349 });
    });

    test('is not taken off again where a new limit has cut it off', async () => {
      const calls = await opened();
      const { requests } = await calls.marks({ requests: 1 });
      await calls.lab.limiter.setLimits(POOL, { requests: perMinute(300) });
      await calls.lab.limiter.observe(POOL, [sighting('requests', requests, { remaining: 290 })]);
      expect(await calls.levels()).toEqual({ requests: 290 });
    });

    test('of a bucket that is not there, or was there before this one, says nothing', async () => {
      const calls = await opened();
      const { limiter } = calls.lab;
      const { requests } = await calls.marks({ requests: 1 });
      await limiter.setLimits(POOL, { input: perMinute(600) });
      await limiter.observe(POOL, [sighting('requests', requests, { remaining: 1 })]);
      calls.lab.advance(1);
      await limiter.setLimits(POOL, { requests: perMinute(600) });
      await limiter.observe(POOL, [
        sighting('requests', requests, { remaining: 1 }),
        sighting('output', requests, { remaining: 1 }),
      ]);
      expect(await calls.levels()).toEqual({ requests: 600 });
    });

    test('of a pool of another life says nothing', async () => {
      const calls = await opened();
      const { requests } = await calls.marks({ requests: 1 });
      if (!requests) throw new Error('no mark');
      await calls.lab.limiter.observe(POOL, [sighting('requests', { ...requests, life: 'another' }, { remaining: 1 })]);
      expect(await calls.levels()).toEqual({ requests: 399 });
    });
  });

  describe('a refusal', () => {
    test('empties the buckets that it names, and answers to earlier calls do not fill them again', async () => {
      const calls = new Calls(await open());
      const { limiter } = calls.lab;
      await limiter.setLimits(POOL, { requests: perMinute(600), input: perMinute(6_000) });
      const { requests } = await calls.marks({ requests: 1 });
      await limiter.drain(POOL, ['requests', 'day']);
      expect(await calls.levels()).toEqual({ requests: 0, input: 6_000 });
      await limiter.observe(POOL, [sighting('requests', requests, { remaining: 20 })]);
      expect(await calls.levels()).toEqual({ requests: 0, input: 6_000 });
      await limiter.correct(POOL, { requests: 5 });
      await limiter.drain(POOL, ['requests']);
      expect(await calls.levels()).toEqual({ requests: -5, input: 6_000 });
    });
  });
}
