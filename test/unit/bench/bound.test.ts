/**
 * The yardsticks of the batch lane in `npm run bench:pacing`: the bound for who knows all, and sending in turn.
 */
import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../src/base/random.ts';
import { boundMs, inTurnMs, type BoundBatch } from '../../bench/bound.mjs';

const ENDS = { queueMax: 20, counts: 'until_batch_ends' } as const;
const DONE = { queueMax: 20, counts: 'until_row_done' } as const;

const batches = (rows: number, ...durations: number[]): BoundBatch[] =>
  durations.map((durationMs) => ({ rows, durationMs }));

describe('a queue that counts rows until their batch ends', () => {
  test('what fits beside each other takes as long as the longest', () => {
    const two = batches(10, 300, 100);
    expect([boundMs(two, ENDS), inTurnMs(two, ENDS)]).toEqual([300, 300]);
  });

  test('batches are not divided: of three in two places, two go one after the other', () => {
    const three = batches(10, 100, 100, 100);
    expect([boundMs(three, ENDS), inTurnMs(three, ENDS)]).toEqual([200, 200]);
    // A third place that is not quite large enough is none.
    expect(boundMs(three, { ...ENDS, queueMax: 29 })).toBe(200);
    expect(boundMs(three, { ...ENDS, queueMax: 30 })).toBe(100);
  });

  test('the order costs what who knows all would save', () => {
    const uneven = batches(10, 100, 100, 200);
    expect([boundMs(uneven, ENDS), inTurnMs(uneven, ENDS)]).toEqual([200, 300]);
  });
});

describe('a queue that counts rows until they are processed', () => {
  test('rows leave evenly, and the next batch goes when it fits', () => {
    // Half of the first is through after 50: then there is room for the second.
    const two = batches(20, 100, 100);
    expect(inTurnMs(batches(10, 100, 100), DONE)).toBe(100);
    expect(inTurnMs(two, { ...DONE, queueMax: 30 })).toBe(150);
    expect(boundMs(two, { ...DONE, queueMax: 20 })).toBe(100);
  });
});

test('nobody who sends in turn is faster than the bound, whatever the batches', () => {
  const rng = seededRng('bound');
  for (let nth = 0; nth < 300; nth++) {
    const some = Array.from({ length: integerBetween(rng, 1, 30) }, () => ({
      rows: integerBetween(rng, 1, 10),
      durationMs: integerBetween(rng, 10, 1_000),
    }));
    for (const queue of [ENDS, DONE]) {
      expect(inTurnMs(some, queue)).toBeGreaterThanOrEqual(Math.floor(boundMs(some, queue)));
    }
  }
});
