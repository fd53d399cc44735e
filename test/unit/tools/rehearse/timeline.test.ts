/**
 * The timeline: slices that cover the night without gaps, peaks that are exact, sums that are kept.
 */
import { expect, test } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import type { Happening } from '../../../../src/tools/rehearse/diary.ts';
import { timelineOf } from '../../../../src/tools/rehearse/timeline.ts';

const MINUTE = 60_000;

function diaryOf(counts: Partial<Record<Happening, readonly (readonly [atMs: number, count: number])[]>>) {
  return { of: (what: Happening) => (counts[what] ?? []).map(([atMs, count]) => ({ atMs, count })) };
}

test('peaks are the most that was open at once within each slice', () => {
  const batches = [
    { createdAtMs: 0, endsAtMs: 10 * MINUTE, rowCount: 100 },
    { createdAtMs: 2 * MINUTE, endsAtMs: 4 * MINUTE, rowCount: 50 },
    // It begins at the instant at which the one before ends: never both.
    { createdAtMs: 4 * MINUTE, endsAtMs: 20 * MINUTE, rowCount: 50 },
  ];
  const diary = diaryOf({ succeeded: [[10 * MINUTE, 100]], not_succeeded: [[19 * MINUTE, 1]], limited: [[MINUTE, 3]] });
  const slices = timelineOf({ startMs: 0, tookMs: 20 * MINUTE, batches, diary }, 4);
  expect(slices.map(({ fromMs }) => fromMs / MINUTE)).toEqual([0, 5, 10, 15]);
  expect(slices.map(({ openBatches }) => openBatches)).toEqual([2, 2, 2, 1]);
  expect(slices.map(({ queuedRows }) => queuedRows)).toEqual([150, 150, 150, 50]);
  expect(slices.map(({ doneRows }) => doneRows)).toEqual([0, 0, 100, 101]);
  expect(slices.map(({ happened }) => happened)).toEqual([{ limited: 3 }, {}, {}, { not_succeeded: 1 }]);
});

test('a night of no time has one slice', () => {
  expect(timelineOf({ startMs: 5, tookMs: 0, batches: [], diary: diaryOf({}) }, 24)).toHaveLength(1);
});

test('by property: slices touch, are few, and add up, for nights from a second to a month', () => {
  const rng = seededRng('timeline');
  for (let round = 0; round < 300; round++) {
    const tookMs = 1 + Math.floor(rng.next() ** 5 * 31 * 86_400_000);
    const events = Array.from({ length: 20 }, () => [Math.floor(rng.next() * (tookMs + 1)), 1] as const);
    const slicesMax = 1 + Math.floor(rng.next() * 400);
    const batches = Array.from({ length: 5 }, () => {
      const createdAtMs = Math.floor(rng.next() * tookMs);
      return { createdAtMs, endsAtMs: createdAtMs + Math.floor(rng.next() * tookMs), rowCount: 7 };
    });
    const diary = diaryOf({ succeeded: events, retried: events });
    const slices = timelineOf({ startMs: 0, tookMs, batches, diary }, slicesMax);
    expect(slices.length).toBeLessThanOrEqual(slicesMax);
    expect(slices[0]?.fromMs).toBe(0);
    expect(slices.at(-1)?.toMs).toBe(tookMs);
    for (const [at, slice] of slices.entries()) if (at > 0) expect(slice.fromMs).toBe(slices[at - 1]?.toMs);
    expect(slices.at(-1)?.doneRows).toBe(20);
    expect(slices.reduce((sum, { happened }) => sum + (happened.retried ?? 0), 0)).toBe(20);
    expect(Math.max(...slices.map(({ openBatches }) => openBatches))).toBeLessThanOrEqual(5);
    for (const { openBatches, queuedRows } of slices) expect(queuedRows).toBe(openBatches * 7);
  }
});
