/**
 * The time of each lane and the split for a deadline, by table and by property.
 */
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { exactly } from '../../../../src/domain/estimate/band.ts';
import { answerDeadline, splitFor, type SplitQuestion } from '../../../../src/domain/estimate/deadline-split.ts';
import {
  batchRowsWithin,
  batchTime,
  realtimeTime,
  type BatchLane,
  type RealtimeLane,
} from '../../../../src/domain/estimate/lane-time.ts';

const HOUR_MS = 3_600_000;

const batchLane = (more: Partial<BatchLane> = {}): BatchLane => ({
  ...{ rows: 100_000, chunks: 10, callsPerMinute: 1_000, queue: 200_000, batchesMax: 100 },
  ...{ batchMs: { low: 60_000, expected: HOUR_MS, high: 24 * HOUR_MS } },
  ...more,
});

const realtimeLane = (more: Partial<RealtimeLane> = {}): RealtimeLane => ({
  ...{ rows: 10_000, concurrency: 50, latencyMs: 2_000 },
  shares: [
    { binding: 'rpm', rateClass: 'haiku_5.5', perMinute: 1_000, eachRow: 1 },
    { binding: 'itpm', rateClass: 'haiku_5.5', perMinute: 2_000_000, eachRow: 500 },
    { binding: 'otpm', rateClass: 'haiku_5.5', perMinute: 400_000, eachRow: 100 },
  ],
  ...more,
});

describe('the batch lane', () => {
  it.each([
    ['one wave', {}, { waves: 1, atOnce: 20, binding: 'batch_duration' }],
    ['the queue binds', { rows: 1_000_000, chunks: 100 }, { waves: 5, atOnce: 20, binding: 'queue' }],
    ['--max-batches binds', { batchesMax: 2 }, { waves: 5, atOnce: 2, binding: 'max_batches' }],
    ['calls a minute bind', { chunks: 10_000, callsPerMinute: 5, batchesMax: 10_000 }, { binding: 'batch_calls' }],
    ['a chunk that is larger than the queue', { queue: 100 }, { atOnce: 1, waves: 10, binding: 'queue' }],
  ])('%s', (_, more, expected) => {
    expect(batchTime(batchLane(more))).toMatchObject(expected);
  });

  it('takes a batch for each wave', () => {
    const { ms } = batchTime(batchLane({ rows: 1_000_000, chunks: 100 }));
    expect(ms.expected).toBe(5 * HOUR_MS);
    expect(ms.high).toBe(5 * 24 * HOUR_MS);
  });
});

describe('the realtime lane', () => {
  it.each([
    ['requests', { concurrency: 1_000 }, 'rpm', 1_000],
    ['input tokens', { shares: [{ binding: 'itpm', rateClass: '', perMinute: 100_000, eachRow: 500 }] }, 'itpm', 200],
    ['output tokens', { shares: [{ binding: 'otpm', rateClass: '', perMinute: 10_000, eachRow: 100 }] }, 'otpm', 100],
    ['calls at once', { concurrency: 10 }, 'concurrency', 300],
    [
      'nothing of a limit',
      { shares: [{ binding: 'otpm', rateClass: '', perMinute: 10, eachRow: 0 }] },
      'concurrency',
      1_500,
    ],
  ] as const)('is bound by %s', (_, more, binding, rate) => {
    const time = realtimeTime(realtimeLane(more));
    expect(time.bounds[0].binding).toBe(binding);
    expect(time.rowsPerMinute).toBeCloseTo(rate, 6);
    expect(time.ms).toBeCloseTo((10_000 / rate) * 60_000 + 2_000, 3);
  });
});

/** Draws lanes and limits of all sizes. */
function* draws(
  seed: string,
  count: number,
): Generator<{ batch: BatchLane; realtime: RealtimeLane; withinMs: number }> {
  const rng = seededRng(seed);
  const upTo = (most: number): number => 1 + Math.floor(rng.next() * most);
  for (let nth = 0; nth < count; nth++) {
    const rows = upTo(500_000);
    const batch = batchLane({
      ...{ rows, chunks: Math.min(rows, upTo(200)), callsPerMinute: upTo(4_000), queue: upTo(500_000) },
      ...{ batchesMax: upTo(100), batchMs: exactly(upTo(3 * HOUR_MS)) },
    });
    const shares = realtimeLane().shares.map((share) => ({
      ...share,
      perMinute: upTo(share.perMinute * 2),
      eachRow: upTo(2_000),
    }));
    yield {
      batch,
      realtime: realtimeLane({ rows, shares, concurrency: upTo(200), latencyMs: upTo(60_000) }),
      withinMs: upTo(30 * HOUR_MS),
    };
  }
}

describe('by property', () => {
  it('more rows never take less time, and a higher limit never more', () => {
    for (const { batch, realtime } of draws('monotone', 500)) {
      const more = { ...batch, rows: batch.rows * 2, chunks: batch.chunks * 2 };
      expect(batchTime(more).ms.expected).toBeGreaterThanOrEqual(batchTime(batch).ms.expected);
      for (const wider of [
        { queue: batch.queue * 3 },
        { batchesMax: batch.batchesMax + 7 },
        { callsPerMinute: batch.callsPerMinute * 2 },
      ]) {
        expect(batchTime({ ...batch, ...wider }).ms.expected).toBeLessThanOrEqual(batchTime(batch).ms.expected);
      }
      expect(realtimeTime({ ...realtime, rows: realtime.rows + 1 }).ms).toBeGreaterThanOrEqual(
        realtimeTime(realtime).ms,
      );
      const wide = realtime.shares.map((share) => ({ ...share, perMinute: share.perMinute * 2 }));
      expect(realtimeTime({ ...realtime, shares: wide }).ms).toBeLessThanOrEqual(realtimeTime(realtime).ms);
    }
  });

  it('a split has every row once, and makes the deadline where it says so', () => {
    let feasible = 0;
    for (const { batch, realtime, withinMs } of draws('split', 500)) {
      const { rowsPerMinute } = realtimeTime(realtime);
      const question: SplitQuestion = { withinMs, batch, rowsPerMinute, latencyMs: realtime.latencyMs };
      const split = splitFor(question, batch.batchMs.expected);
      expect(split.batchRows + split.realtimeRows).toBe(batch.rows);
      if (!split.feasible) continue;
      feasible++;
      const realtimeMs =
        (split.realtimeRows / rowsPerMinute) * 60_000 + (split.realtimeRows > 0 ? realtime.latencyMs : 0);
      expect(realtimeMs).toBeLessThanOrEqual(withinMs + 1);
      if (split.batchRows === 0) continue;
      const chunks = Math.ceil((split.batchRows / batch.rows) * batch.chunks - 1e-6);
      const part = { ...batch, rows: split.batchRows, chunks: Math.max(1, chunks) };
      // A chunk of the part may be a row larger than one of the whole: the waves are those of the whole.
      expect(batchTime({ ...part, queue: batch.queue + batch.chunks }).ms.expected).toBeLessThanOrEqual(
        withinMs + 60_000 / batch.callsPerMinute,
      );
    }
    expect(feasible).toBeGreaterThan(50);
  });

  it('more time never puts fewer rows into batches', () => {
    for (const { batch, withinMs } of draws('time', 300)) {
      const rows = batchRowsWithin(batch, withinMs, batch.batchMs.expected);
      expect(batchRowsWithin(batch, withinMs * 2, batch.batchMs.expected)).toBeGreaterThanOrEqual(rows);
    }
  });
});

describe('a deadline', () => {
  const question = (withinMs: number, rowsPerMinute = 1_000): SplitQuestion => ({
    ...{ withinMs, batch: batchLane({ rows: 50_000, chunks: 5 }), rowsPerMinute, latencyMs: 1_000 },
  });

  it.each([
    ['two days', 48 * HOUR_MS, 1_000, { batch: 'sure', realtime: 'likely', lateRows: 0 }],
    ['two hours', 2 * HOUR_MS, 1_000, { batch: 'likely', realtime: 'likely', lateRows: 0 }],
    ['forty minutes', 40 * 60_000, 1_000, { batch: 'no', realtime: 'no', split: null }],
    [
      '55 minutes',
      55 * 60_000,
      1_000,
      { batch: 'no', realtime: 'likely', split: { batchRows: 0, realtimeRows: 50_000 } },
    ],
    ['no time at all', 0, 1_000, { batch: 'no', realtime: 'no', lateRows: 50_000 }],
  ])('in %s', (_, withinMs, rate, expected) => {
    expect(answerDeadline(question(withinMs, rate))).toMatchObject(expected);
  });

  it('that batches make in part is a split', () => {
    // The queue holds one chunk at a time: in 2.5 hours two of five end.
    const tight = { ...question(2.5 * HOUR_MS, 250), batch: batchLane({ rows: 50_000, chunks: 5, queue: 10_000 }) };
    const { split, sureSplit } = answerDeadline(tight);
    expect(split).toMatchObject({ batchRows: 20_000, realtimeRows: 30_000, feasible: true });
    expect(sureSplit).toBeNull();
  });
});
