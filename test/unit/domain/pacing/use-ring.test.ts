import { describe, expect, test } from 'vitest';
import { chance, integerBetween, seededRng, type Rng } from '../../../../src/base/random.ts';
import { NO_USE, sum, UseRing, type UseCounts } from '../../../../src/domain/pacing/use-ring.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** A whole hour, so that minutes and slots begin where a test says. */
const START = Date.UTC(2026, 10, 20, 12);

const requests = (count: number): Partial<UseCounts> => ({ requests: count });

function ringOf(...adds: readonly (readonly [atMs: number, count: number])[]): UseRing {
  const ring = new UseRing();
  for (const [atMs, count] of adds) ring.add(START + atMs, requests(count));
  return ring;
}

const total = (ring: UseRing): number => ring.toJson().reduce((all, one) => all + one.requests, 0);

describe('the last minute', () => {
  test('has every kind of count, and nothing where nothing was', () => {
    const ring = new UseRing();
    expect(ring.lastMinute(START)).toEqual(NO_USE);
    const counts = { requests: 1, inputTokens: 900, outputTokens: 30, refused: 1, retried: 1 };
    ring.add(START, counts);
    ring.add(START + SECOND, { inputTokens: 100 });
    expect(ring.lastMinute(START + SECOND)).toEqual({ ...counts, inputTokens: 1_000 });
    expect(ring.lastHour(START + SECOND)).toEqual({ ...counts, inputTokens: 1_000 });
  });

  test('does not fall to nothing when the minute of the clock changes', () => {
    const ring = ringOf([50 * SECOND, 600]);
    expect(ring.lastMinute(START + 59_999).requests).toBe(600);
    expect(ring.lastMinute(START + MINUTE).requests).toBe(600);
    expect(ring.lastMinute(START + 105 * SECOND).requests).toBe(600);
  });

  test('lets five seconds go by their share and then wholly', () => {
    const ring = ringOf([0, 100], [5 * SECOND, 1]);
    expect(ring.lastMinute(START + 60 * SECOND).requests).toBe(101);
    expect(ring.lastMinute(START + 62 * SECOND).requests).toBe(61);
    expect(ring.lastMinute(START + 65 * SECOND).requests).toBe(1);
    expect(ring.lastMinute(START + 70 * SECOND).requests).toBe(0);
  });

  test('counts what has just come in full, however young its five seconds are', () => {
    expect(ringOf([10 * SECOND, 40]).lastMinute(START + 10 * SECOND).requests).toBe(40);
  });

  test('of what comes from the ledger goes by the share of its minute', () => {
    const ring = UseRing.fromJson([{ minute: START / MINUTE, ...NO_USE, requests: 60 }]);
    expect(ring.lastMinute(START + 20 * SECOND).requests).toBe(60);
    expect(ring.lastMinute(START + MINUTE).requests).toBe(60);
    expect(ring.lastMinute(START + 90 * SECOND).requests).toBe(30);
    expect(ring.lastMinute(START + 120 * SECOND).requests).toBe(0);
  });
});

describe('the last hour', () => {
  test('forgets minutes one by one, and the ledger is not given what is older', () => {
    const ring = ringOf([0, 1], [30 * MINUTE, 10], [59 * MINUTE, 100]);
    expect(ring.lastHour(START + 59 * MINUTE).requests).toBe(111);
    ring.add(START + 62 * MINUTE, requests(1_000));
    expect(ring.lastHour(START + 62 * MINUTE).requests).toBe(1_110);
    expect(ring.toJson().map((one) => [one.minute - START / MINUTE, one.requests])).toEqual([
      [30, 10],
      [59, 100],
      [62, 1_000],
    ]);
    expect(ring.lastHour(START + 4 * HOUR).requests).toBe(0);
  });

  test('is kept by the minute, and is the same when it is read again', () => {
    const ring = ringOf([0, 1], [59 * SECOND, 2], [61 * SECOND, 4], [10 * MINUTE, 8]);
    const json = ring.toJson();
    expect(json.map((one) => one.requests)).toEqual([3, 4, 8]);
    const again = UseRing.fromJson(json);
    expect(again.toJson()).toEqual(json);
    again.add(START + 10 * MINUTE + SECOND, requests(16));
    expect(again.toJson().map((one) => one.requests)).toEqual([3, 4, 24]);
  });
});

describe('a clock that is set back', () => {
  test('by an hour loses nothing, and what was used is not used for ever', () => {
    const ring = ringOf([0, 5], [30 * SECOND, 7]);
    const back = START - HOUR;
    expect(ring.lastMinute(back).requests).toBe(12);
    ring.add(back, requests(1));
    expect(ring.lastMinute(back).requests).toBe(13);
    expect(total(ring)).toBe(13);
    expect(ring.lastMinute(back + 35 * SECOND).requests).toBe(8);
    expect(ring.lastMinute(back + 2 * MINUTE).requests).toBe(0);
    expect(ring.lastHour(back + 2 * MINUTE).requests).toBe(13);
  });

  test('between two processes is met as well', () => {
    const ring = UseRing.fromJson(ringOf([0, 5], [5 * MINUTE, 7]).toJson());
    const back = START - 24 * HOUR;
    expect(ring.lastHour(back).requests).toBe(12);
    ring.add(back, requests(1));
    expect(total(ring)).toBe(13);
    expect(ring.lastMinute(back + 3 * MINUTE).requests).toBe(0);
  });

  test('is not a call that is told a little late', () => {
    const ring = ringOf([10 * SECOND, 1], [6 * SECOND, 1]);
    expect(ring.lastMinute(START + 68 * SECOND).requests).toBeCloseTo(1.4);
  });

  test('after it was set forward does not bring back what had passed', () => {
    const ring = ringOf([0, 5], [3 * HOUR, 1]);
    expect(ring.lastHour(START + 3 * HOUR).requests).toBe(1);
    ring.add(START + SECOND, requests(1));
    expect(ring.lastMinute(START + SECOND).requests).toBe(2);
  });
});

describe('by property', () => {
  interface Told {
    /** On a clock that never jumps. */
    readonly trueMs: number;
    readonly count: number;
  }

  /** Calls of fifty minutes; the clock is set back now and then. Gives the ring and what really happened. */
  function played(rng: Rng): { ring: UseRing; told: Told[]; trueMs: number; nowMs: number } {
    let ring = new UseRing();
    const told: Told[] = [];
    let [trueMs, setBackMs] = [START, 0];
    while (trueMs < START + 50 * MINUTE) {
      const count = integerBetween(rng, 1, 9);
      ring.add(trueMs - setBackMs, { requests: count, inputTokens: count * 7 });
      told.push({ trueMs, count });
      // What the clock is set back by passes as no time at all: the next call is as far away as it is.
      trueMs += integerBetween(rng, 1, 30 * SECOND);
      if (chance(rng, 0.02)) setBackMs += integerBetween(rng, 30 * SECOND, 5 * HOUR);
      if (chance(rng, 0.02)) ring = UseRing.fromJson(ring.toJson());
    }
    return { ring, told, trueMs, nowMs: trueMs - setBackMs };
  }

  test('of an hour nothing is lost and nothing counts twice, whatever the clock does', () => {
    for (let seed = 0; seed < 100; seed++) {
      const { ring, told, nowMs } = played(seededRng(`ring ${seed}`));
      const count = told.reduce((all, one) => all + one.count, 0);
      expect(total(ring), `seed ${seed}`).toBe(count);
      const hour = ring.lastHour(nowMs);
      expect(hour.requests, `seed ${seed}`).toBe(count);
      expect(hour.inputTokens, `seed ${seed}`).toBe(count * 7);
      expect(ring.lastMinute(nowMs).requests).toBeLessThanOrEqual(hour.requests);
    }
  });

  test('the last minute lies is right to within the use of five seconds', () => {
    for (let seed = 0; seed < 100; seed++) {
      const rng = seededRng(`minute ${seed}`);
      const ring = new UseRing();
      const told: Told[] = [];
      for (let trueMs = START; trueMs < START + 6 * MINUTE; trueMs += integerBetween(rng, 1, 3 * SECOND)) {
        const count = integerBetween(rng, 1, 9);
        ring.add(trueMs, requests(count));
        told.push({ trueMs, count });
        const within = (ms: number): number =>
          told.filter((one) => one.trueMs > trueMs - ms).reduce((all, one) => all + one.count, 0);
        const shown = ring.lastMinute(trueMs).requests;
        expect(shown, `seed ${seed}`).toBeGreaterThanOrEqual(within(55 * SECOND) - 1e-6);
        expect(shown, `seed ${seed}`).toBeLessThanOrEqual(within(65 * SECOND) + 1e-6);
      }
    }
  });

  test('a day of calls leaves no more than an hour of cells', () => {
    const ring = new UseRing();
    for (let atMs = START; atMs < START + 24 * HOUR; atMs += 7 * SECOND) ring.add(atMs, requests(1));
    expect(ring.toJson().length).toBeLessThanOrEqual(62);
  });

  test('sums are by kind', () => {
    const one = { requests: 1, inputTokens: 2, outputTokens: 3, refused: 4, retried: 5 };
    expect(sum(one, sum(one, NO_USE))).toEqual({
      requests: 2,
      inputTokens: 4,
      outputTokens: 6,
      refused: 8,
      retried: 10,
    });
  });
});
