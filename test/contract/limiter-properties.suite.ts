/** What holds of every `Limiter` whatever is asked of it, on random scripts with seeds. */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng } from '../../src/base/random.ts';
import { BUCKET_NAMES, windowMs, type Amounts, type PoolLimits } from '../../src/domain/pacing/limiter.ts';
import { Calls, perMinute, POOL, type OpenLimiter } from './limiter.lab.ts';

const LIMITS: PoolLimits = {
  requests: perMinute(120, 20),
  input: perMinute(6_000),
  output: perMinute(1_200, 300),
  tokens: perMinute(7_000),
  day: { perWindow: 1_000_000, capacity: 9_000 },
};

interface Payment {
  readonly atMs: number;
  readonly amounts: Amounts;
}

export function limiterPropertiesSuite(open: OpenLimiter): void {
  describe('whatever is asked', () => {
    test.each([1, 2, 3, 4, 5, 6])('in no time more is paid than was there and flowed in (seed %i)', async (seed) => {
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, LIMITS);
      const payments = await randomPayments(calls, seed);
      expect(payments.length).toBeGreaterThan(40);
      for (const name of BUCKET_NAMES) expectWithinLimit(payments, name);
    });

    test.each([11, 12, 13])('who asks when told to is paid at last (seed %i)', async (seed) => {
      const rng = seededRng(`served-${seed}`);
      const calls = new Calls(await open());
      await calls.lab.limiter.setLimits(POOL, LIMITS, { input: 0 });
      const waiting = new Map<string, Amounts>();
      const dueMs = new Map<string, number>();
      let nowMs = 0;
      let paid = 0;
      for (let at = 0; at < 40; at++) {
        waiting.set(`w${at}`, {
          requests: 1,
          input: integerBetween(rng, 1, 5_000),
          output: integerBetween(rng, 1, 300),
        });
        dueMs.set(`w${at}`, 0);
      }
      for (let turn = 0; turn < 5_000 && waiting.size > 0; turn++) {
        const [name, atMs] = [...dueMs].reduce((first, one) => (one[1] < first[1] ? one : first));
        calls.lab.advance(Math.max(0, atMs - nowMs));
        nowMs = Math.max(nowMs, atMs);
        const taken = await calls.ask(waiting.get(name) ?? {}, name);
        if (taken.kind === 'wait') dueMs.set(name, nowMs + taken.waitMs);
        else if (waiting.delete(name) && dueMs.delete(name)) paid++;
      }
      expect(paid).toBe(40);
      const view = await calls.lab.limiter.view(POOL);
      expect(Object.values(view?.buckets ?? {}).map(({ aside }) => Math.round(aside))).toEqual([0, 0, 0, 0, 0]);
    });
  });
}

async function randomPayments(calls: Calls, seed: number): Promise<Payment[]> {
  const rng = seededRng(`paid-${seed}`);
  const payments: Payment[] = [];
  let nowMs = 0;
  for (let turn = 0; turn < 300; turn++) {
    const input = integerBetween(rng, 1, chance(rng, 0.1) ? 5_000 : 200);
    const output = integerBetween(rng, 1, 60);
    const amounts = { requests: 1, input, output, tokens: input + output, day: input + output };
    if (await calls.pays(amounts, pick(rng, [null, null, `w${turn % 5}`]))) payments.push({ atMs: nowMs, amounts });
    const ms = pick(rng, [0, 0, 0, 50, 500, 2_500]);
    calls.lab.advance(ms);
    nowMs += ms;
  }
  return payments;
}

/** Between any two payments, both included. */
function expectWithinLimit(payments: readonly Payment[], name: (typeof BUCKET_NAMES)[number]): void {
  const limit = LIMITS[name];
  if (!limit) return;
  for (const [from, first] of payments.entries()) {
    let sum = 0;
    for (const { atMs, amounts } of payments.slice(from)) {
      sum += amounts[name] ?? 0;
      const most: number = limit.capacity + ((atMs - first.atMs) / windowMs(name)) * limit.perWindow;
      if (sum > most + 1e-3) expect.fail(`${name}: ${sum} between ${first.atMs} and ${atMs} ms, at most ${most}`);
    }
  }
}
