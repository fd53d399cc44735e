/** Which work goes first, and that nothing waits for ever. */
import { describe, expect, test } from 'vitest';
import { integerBetween, pick, seededRng } from '../../../src/base/random.ts';
import { PRIORITIES, toPriority, turnOf, type Priority } from '../../../src/domain/priority.ts';

const AGEING_MS = 60_000;

describe('the turn', () => {
  test('of what came at the same time goes by priority', () => {
    const shuffled = ['low', 'critical', 'normal', 'high'] as const;
    const turns = shuffled.toSorted((one, other) => turnOf(one, 5, AGEING_MS) - turnOf(other, 5, AGEING_MS));
    expect(turns).toEqual(['critical', 'high', 'normal', 'low']);
  });

  test('of one priority goes by time', () => {
    for (const priority of PRIORITIES) {
      expect(turnOf(priority, 1, AGEING_MS)).toBeLessThan(turnOf(priority, 2, AGEING_MS));
    }
  });

  test('gains a step for every ageing time, and no sooner', () => {
    const late = turnOf('high', AGEING_MS, AGEING_MS);
    expect(turnOf('normal', -1, AGEING_MS)).toBeLessThan(late);
    expect(turnOf('normal', 1, AGEING_MS)).toBeGreaterThan(late);
  });

  test('comes to everybody: nothing is passed by what comes three steps of ageing later', () => {
    for (let seed = 0; seed < 50; seed++) {
      const rng = seededRng(`priority ${seed}`);
      const waiting: { readonly atMs: number; readonly priority: Priority }[] = [];
      let served = 0;
      for (let nowMs = 0; nowMs < 20 * AGEING_MS; nowMs += 5_000) {
        // More comes than can go.
        for (let more = integerBetween(rng, 1, 2); more > 0; more--) {
          waiting.push({ atMs: nowMs, priority: pick(rng, [...PRIORITIES, 'critical', 'critical', 'critical']) });
        }
        const turn = (one: (typeof waiting)[number]): number => turnOf(one.priority, one.atMs, AGEING_MS);
        const next = waiting.reduce((best, one) => (turn(one) < turn(best) ? one : best));
        waiting.splice(waiting.indexOf(next), 1);
        served++;
        const passed = waiting.filter((one) => one.atMs < next.atMs - 3 * AGEING_MS);
        expect(passed, `seed ${seed} at ${nowMs}`).toEqual([]);
      }
      expect(served).toBe(240);
    }
  });
});

test.each([
  ['high', 'high'],
  [' Critical ', 'critical'],
  ['LOW', 'low'],
  ['urgent', null],
  ['', null],
  [1, null],
  [null, null],
])('%j in a column is %j', (value, expected) => {
  expect(toPriority(value)).toBe(expected);
});
