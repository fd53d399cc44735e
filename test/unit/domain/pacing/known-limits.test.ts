/** What is taken for the limits of a pool: never more than is known, and never for ever less than there is. */
import { describe, expect, test } from 'vitest';
import { ASSUMED, KnownLimits } from '../../../../src/domain/pacing/known-limits.ts';

const MINUTE_MS = 60_000;

/** An API without a word about limits: calls as fast as is thought to be right, refused above its limit. */
function run(known: KnownLimits, limit: number, minutes: number, fromMs = 0): { calls: number; refused: number } {
  let [calls, refused] = [0, 0];
  for (let nowMs = fromMs, owed = 0; nowMs < fromMs + minutes * MINUTE_MS; nowMs += 1_000) {
    const perMinute = known.usable('requests') ?? Infinity;
    for (owed += perMinute / 60; owed >= 1; owed--) {
      if (perMinute > limit) {
        known.refused('requests', { limit: null, used: limit, nowMs });
        refused++;
        owed = 0;
        break;
      }
      known.answered(nowMs);
      calls++;
    }
  }
  return { calls, refused };
}

describe('a 429 without a number', () => {
  test('while others use the account up takes back only for a while', () => {
    const known = new KnownLimits({}, 0, 0);
    for (let calls = 0; calls < 8; calls++) known.refused('requests', { limit: null, used: 0, nowMs: calls });
    expect(known.usable('requests')).toBe(ASSUMED.requests / 10);
    run(known, Infinity, 8);
    expect(known.usable('requests')).toBeGreaterThan(ASSUMED.requests / 2);
  });

  test('finds the limit and stays just below it', () => {
    const known = new KnownLimits({}, 0, 0);
    run(known, 600, 10);
    const { calls, refused } = run(known, 600, 60, 10 * MINUTE_MS);
    expect(calls).toBeGreaterThan(0.9 * 60 * 600);
    expect(refused / calls).toBeLessThan(0.001);
  });

  test('that an earlier process met holds up no later one', () => {
    const known = new KnownLimits({}, 0, 0);
    known.recall('requests', { value: 1, source: 'refusal', atMs: 0 });
    expect(known.usable('requests')).toBe(1);
    run(known, Infinity, 8);
    expect(known.usable('requests')).toBeGreaterThan(ASSUMED.requests / 2);
  });

  test('does not make a number that the API has told grow', () => {
    const known = new KnownLimits({}, 0, 0);
    known.refused('requests', { limit: 40, used: 40, nowMs: 0 });
    run(known, Infinity, 5);
    expect(known.usable('requests')).toBe(40);
  });
});

describe('an assumption', () => {
  test('of tokens goes where one limit of all tokens is known', () => {
    const known = new KnownLimits({}, 0, 0);
    known.hear('requests', 1_000, 'headers', 0);
    known.hear('tokens', 2_000_000, 'headers', 0);
    expect(Object.keys(known.toLimits(0))).toEqual(['requests', 'tokens']);
  });

  test('of tokens grows where only the calls are told', () => {
    const known = new KnownLimits({}, 0, 0);
    known.hear('requests', 1_000, 'headers', 0);
    for (let answers = 0; answers < 500; answers++) known.answered(0);
    expect(known.usable('requests')).toBe(1_000);
    expect(known.usable('output')).toBeGreaterThan(10 * ASSUMED.output);
  });
});

test('a ramp goes on where the clock is set back', () => {
  const known = new KnownLimits({}, 0, 0);
  known.hear('requests', 1_000, 'headers', 10 * 3_600_000);
  known.ramped(100, 10 * 3_600_000);
  expect(known.toLimits(0).requests?.perWindow).toBeCloseTo(80);
});
