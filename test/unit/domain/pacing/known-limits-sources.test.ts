/** What is known of limits: whose word counts, what refusals without a number teach, and how it grows again. */
import { describe, expect, test } from 'vitest';
import { ASSUMED, KnownLimits } from '../../../../src/domain/pacing/known-limits.ts';
import type { LimitSource } from '../../../../src/domain/pacing/snapshot.ts';

const MINUTE_MS = 60_000;

function known(caps: ConstructorParameters<typeof KnownLimits>[0] = {}, headroom = 0): KnownLimits {
  return new KnownLimits(caps, headroom, 0);
}

describe('whose word counts', () => {
  test('before anything is heard the lowest limits of a paying account are assumed', () => {
    const limits = known();
    expect(limits.usable('requests')).toBe(ASSUMED.requests);
    expect(limits.usable('tokens')).toBeNull();
    expect(limits.heard()).toEqual({ requests: null, input: null, output: null });
    expect(limits.isAssumed('requests')).toBe(true);
  });

  test.each<[LimitSource, LimitSource, number]>([
    ['headers', 'tier', 100],
    ['headers', 'refusal', 100],
    ['headers', 'admin', 200],
    ['admin', 'headers', 200],
    ['tier', 'refusal', 200],
    ['headers', 'headers', 200],
    ['refusal', 'assumed', 100],
  ])('%s of 100, then %s of 200: %i', (first, second, expected) => {
    const limits = known();
    limits.hear('requests', 100, first, 0);
    expect(limits.hear('requests', 200, second, 1)).toBe(expected === 200);
    expect(limits.usable('requests')).toBe(expected);
    expect(limits.heard().requests).toBe(expected);
  });

  test('a refusal is believed against headers of more than a minute ago', () => {
    const limits = known();
    limits.hear('input', 1_000, 'headers', 0);
    expect(limits.refused('input', { limit: 500, used: 0, nowMs: MINUTE_MS })).toBe(false);
    expect(limits.refused('input', { limit: 500, used: 0, nowMs: MINUTE_MS + 1 })).toBe(true);
    expect(limits.usable('input')).toBe(500);
  });

  test('the same once more is no news, and what is no number is not heard', () => {
    const limits = known();
    expect(limits.hear('output', 10, 'headers', 0)).toBe(true);
    expect(limits.hear('output', 10, 'headers', 5)).toBe(false);
    for (const value of [NaN, -1, Infinity]) expect(limits.hear('output', value, 'headers', 6)).toBe(false);
    expect(limits.usable('output')).toBe(10);
  });

  test('a flag caps, and headroom is taken from what is known only', () => {
    const limits = known({ requests: 80, tokens: 70 }, 0.1);
    limits.hear('requests', 100, 'headers', 0);
    limits.hear('input', 1_000, 'headers', 0);
    expect(limits.usable('requests')).toBe(80);
    expect(limits.usable('input')).toBe(900);
    expect(limits.usable('tokens')).toBe(70);
    expect(limits.leftToOthers('input')).toBe(100);
    limits.hear('requests', 50, 'headers', 1);
    expect(limits.usable('requests')).toBe(45);
  });

  test('they are listed with where they are from: the flag where it is the lower one', () => {
    const limits = known({ requests: 80, day: 7 });
    limits.hear('requests', 100, 'headers', 5);
    limits.hear('input', 1_000, 'admin', 6);
    expect(limits.list(9)).toEqual([
      { name: 'requests', value: 80, source: 'flag', atMs: 9 },
      { name: 'input', value: 1_000, source: 'admin', atMs: 6 },
      { name: 'output', value: ASSUMED.output, source: 'assumed', atMs: 0 },
      { name: 'day', value: 7, source: 'flag', atMs: 9 },
    ]);
    limits.hear('requests', 60, 'headers', 10);
    expect(limits.list(11)[0]).toEqual({ name: 'requests', value: 60, source: 'headers', atMs: 10 });
  });
});

describe('what is only assumed', () => {
  test('grows with each answer, and has doubled after as many as it takes in a minute', () => {
    const limits = known();
    for (let answer = 0; answer < ASSUMED.requests; answer++) expect(limits.answered(answer)).toBe(true);
    expect(limits.usable('requests')).toBeCloseTo(2 * ASSUMED.requests, 6);
    expect(limits.usable('input')).toBeCloseTo(2 * ASSUMED.input, 3);
    expect(limits.usable('output')).toBeCloseTo(2 * ASSUMED.output, 3);
  });

  test('grows beside a known limit of requests, too: a proxy may tell no other', () => {
    const limits = known();
    limits.hear('requests', 1_000, 'headers', 0);
    for (let answer = 0; answer < ASSUMED.requests; answer++) limits.answered(answer);
    expect(limits.usable('requests')).toBe(1_000);
    expect(limits.usable('input')).toBeCloseTo(2 * ASSUMED.input, 3);
  });

  test('does not grow once all is known', () => {
    const limits = known();
    for (const name of ['requests', 'input', 'output'] as const) limits.hear(name, 100, 'headers', 0);
    expect(limits.answered(1)).toBe(false);
    expect(limits.usable('output')).toBe(100);
  });

  test('falls to nine tenths of what went through, no further than by half, and never under a tenth of the first', () => {
    const limits = known();
    limits.refused('requests', { limit: null, used: 40, nowMs: 1 });
    expect(limits.usable('requests')).toBe(36);
    limits.refused('requests', { limit: null, used: 2, nowMs: 2 });
    expect(limits.usable('requests')).toBe(18);
    for (let at = 0; at < 10; at++) limits.refused('requests', { limit: null, used: 0, nowMs: 3 + at });
    expect(limits.usable('requests')).toBe(ASSUMED.requests / 10);
    // What went through before may have been more than is assumed by now: a refusal raises nothing.
    limits.refused('requests', { limit: null, used: 500, nowMs: 20 });
    expect(limits.usable('requests')).toBe(ASSUMED.requests / 10);
  });

  test('a bucket that nobody knew of is known by what went through', () => {
    const limits = known();
    limits.refused('tokens', { limit: null, used: 1_000, nowMs: 1 });
    expect(limits.usable('tokens')).toBe(900);
    limits.answered(2);
    expect(limits.usable('tokens')).toBeGreaterThan(900);
  });
});

describe('a refusal without a number where the limit is known', () => {
  test('means smaller steps, down to a second; answers make them larger again', () => {
    const limits = known();
    limits.hear('requests', 600, 'headers', 0);
    const capacity = (): number => limits.toLimits(0).requests?.capacity ?? 0;
    expect(limits.refused('requests', { limit: null, used: 10, nowMs: 1 })).toBe(true);
    expect(capacity()).toBe(300);
    for (let at = 0; at < 10; at++) limits.refused('requests', { limit: null, used: 10, nowMs: 2 });
    expect(capacity()).toBe(10);
    expect(limits.refused('requests', { limit: null, used: 10, nowMs: 3 })).toBe(false);
    expect(limits.toLimits(0).requests?.perWindow).toBe(600);
    expect(limits.answered(4)).toBe(true);
    expect(capacity()).toBeCloseTo(10.2, 6);
    for (let answer = 0; answer < 1_000; answer++) limits.answered(5);
    expect(capacity()).toBe(600);
  });
});

describe('an account that may not speed up so fast', () => {
  test('goes on with four fifths of what went through, and a fifth more every half minute', () => {
    const limits = known();
    limits.hear('requests', 1_000, 'headers', 0);
    limits.hear('day', 9_000, 'admin', 0);
    expect(limits.ramping).toBe(false);
    limits.ramped(100, 0);
    expect(limits.ramping).toBe(true);
    expect(limits.toLimits(0).requests?.perWindow).toBeCloseTo(80, 6);
    expect(limits.toLimits(30_000).requests?.perWindow).toBeCloseTo(96, 6);
    expect(limits.toLimits(0).day?.perWindow).toBe(9_000);
    expect(limits.toLimits(10 * MINUTE_MS).requests?.perWindow).toBe(1_000);
    expect(limits.ramping).toBe(false);
  });

  test('a second one never raises it, and a hundredth always goes', () => {
    const limits = known();
    limits.hear('requests', 1_000, 'headers', 0);
    limits.ramped(100, 0);
    limits.ramped(900, 0);
    expect(limits.toLimits(0).requests?.perWindow).toBeCloseTo(80, 6);
    limits.ramped(0, 0);
    expect(limits.toLimits(0).requests?.perWindow).toBeCloseTo(10, 6);
  });
});

test('a limit of nothing can be divided by, and a bucket holds one call at least', () => {
  const limits = known();
  limits.hear('requests', 0, 'headers', 0);
  const { perWindow = 0, capacity } = limits.toLimits(0).requests ?? {};
  expect(perWindow).toBeGreaterThan(0);
  expect(capacity).toBe(1);
});
