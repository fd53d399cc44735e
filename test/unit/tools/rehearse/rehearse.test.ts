/**
 * A rehearsal as a whole: the real engine to its end, the same night for the same seed, and what a night comes to.
 */
import { describe, expect, test } from 'vitest';
import { MINUTE_MS, paramsOf, rehearseRows, rowsOf, START_MS } from './lab.ts';

const QUICK = { batchDurationMs: [10 * MINUTE_MS, 10 * MINUTE_MS], outputTokens: 50 } as const;

describe('a night', () => {
  test('without faults takes as long as its batches, and nothing is sent again', async () => {
    const { view } = await rehearseRows(rowsOf(1_000), { faults: 'none', known: QUICK });
    expect(view).toMatchObject({ rows: 1_000, chunks: 10, range: { finishes: 1, seeds: 1 } });
    expect(view.night).toMatchObject({
      ...{ finishes: true, blocked: [], refused_429: 0, failed_calls: {} },
      rows: { succeeded: 1_000 },
      batches: { made: 10, peak_open: 10, answers_lost: 0 },
      queue: { peak: 1_000, limit: 200_000 },
      retries: { rows: 0 },
      realtime: { calls: 0 },
    });
    // Found at the first look after it has ended.
    expect(view.night.ends_after_seconds).toBeGreaterThan(600);
    expect(view.night.ends_after_seconds).toBeLessThan(700);
    expect(view.night.timeline.at(-1)).toMatchObject({ done_rows: 1_000 });
  });

  test('goes in waves where the queue is small: the engine learns it from the first refusal, or knows it', async () => {
    const limits = [{ name: 'queue', value: 300, source: 'refusal', atMs: START_MS }] as const;
    const pool = { pool: 'o|batches', organization: 'o', rateClass: 'batches', atMs: START_MS, limits, levels: {} };
    const pools = [{ ...pool, open: null, pausedUntilMs: null, use: [], latency: null, mode: 'local' }] as const;
    const { view } = await rehearseRows(rowsOf(1_000), { faults: 'none', known: { ...QUICK, pools } });
    expect(view.night.queue).toEqual({ peak: expect.any(Number) as number, limit: 300 });
    expect(view.night.queue.peak).toBeLessThanOrEqual(300);
    // Ten batches of a hundred or nearly, three at a time: four waves of ten minutes.
    expect(view.night.ends_after_seconds).toBeGreaterThan(4 * 600);
    expect(view.night.ends_after_seconds).toBeLessThan(4 * 700);
  });

  test('with heavy faults comes to its end all the same, with every row accounted for', async () => {
    const { view } = await rehearseRows(rowsOf(1_000), { faults: 'heavy' });
    const { night } = view;
    expect(view.range.finishes).toBe(1);
    expect(night.retries.rows).toBeGreaterThan(10);
    expect(Object.values(night.retries.by_reason).reduce((sum, count) => sum + count, 0)).toBe(night.retries.rows);
    expect(Object.keys(night.failed_calls).length).toBeGreaterThan(2);
    const { total, ...states } = night.rows;
    expect(Object.values(states).reduce((sum, count) => sum + count, 0)).toBe(total);
    expect(night.timeline.at(-1)?.done_rows).toBe(1_000);
  });

  test('in the realtime lane is held to the limits of its calls', async () => {
    const { view } = await rehearseRows(rowsOf(200), {
      faults: 'none',
      known: { ...QUICK, tier: 'tier_1', messageLatencyMs: [500, 500] },
      settings: { wishes: { lane: 'realtime' } },
    });
    expect(view.night).toMatchObject({ batches: { made: 0 }, realtime: { rows: 200 } });
    // One or another is refused while the limit is learnt.
    expect(view.night.realtime.calls).toBe(200 + view.night.refused_429);
    // Fifty at once and fifty a minute from then on.
    expect(view.night.ends_after_seconds).toBeGreaterThan(170);
    expect(view.night.ends_after_seconds).toBeLessThan(260);
  });

  test('that its budget stops says so, and is no failure', async () => {
    const rows = Array.from({ length: 300 }, (_, at) => ({ params: paramsOf(`row ${at} `.repeat(400)) }));
    const wishes = { maxCostUsd: 0.003 };
    const { view } = await rehearseRows(rows, { faults: 'none', known: QUICK, settings: { wishes, chunkRows: 20 } });
    expect(view.night.finishes).toBe(false);
    expect(view.night.blocked[0]?.reason).toBe('budget');
    expect(view.night.budget?.spent_usd).toBeLessThanOrEqual(0.003);
    expect(view.range).toMatchObject({ finishes: 0, ends_after_seconds: { median: null } });
  });

  test('with a deadline says whether it is met, and by what', async () => {
    const deadline = (minutes: number) => {
      const deadlineAfterMs = minutes * MINUTE_MS;
      const settings = { wishes: { deadlineMs: START_MS + deadlineAfterMs, lane: 'batch' } } as const;
      return rehearseRows(rowsOf(200), { faults: 'none', known: QUICK, deadlineAfterMs, settings });
    };
    expect((await deadline(30)).view.night.deadline).toMatchObject({ met: true, after_seconds: 1_800 });
    const late = await deadline(5);
    expect(late.view.night.deadline).toMatchObject({ met: false, after_seconds: 300 });
    expect(late.view.range.deadline_met).toBe(0);
  });

  test('tells of rows that the API would refuse', async () => {
    const thinking = { type: 'enabled', budget_tokens: 2_000 };
    const rows = [...rowsOf(20), { params: paramsOf('thinks', { thinking, max_tokens: 4_000 }) }];
    const { view } = await rehearseRows(rows, { faults: 'none', known: QUICK });
    expect(view.night).toMatchObject({ finishes: true, rows: { succeeded: 20, failed: 1 } });
    expect(view.notes.join('\n')).toMatch(/1 of 21 rows would come back errored: .*thinking/);
  });
});

test('chunks come out by bytes as those of the real rows do', async () => {
  const { view } = await rehearseRows(rowsOf(300, 5_000), {
    known: QUICK,
    settings: { chunkBytes: 100_000, chunkRows: 1_000 },
  });
  // 5,130 bytes a request: nineteen fit.
  expect(view.chunks).toBe(Math.ceil(300 / 19));
});

test('the same rows and seed give the same bytes, and another seed another night', async () => {
  const json = async (seed: number): Promise<string> =>
    JSON.stringify((await rehearseRows(rowsOf(500), { faults: 'heavy', seed, nights: 2 })).view);
  const first = await json(1);
  expect(await json(1)).toBe(first);
  expect(await json(100)).not.toBe(first);
});

test('an input that submit refuses is refused', async () => {
  const twice = [...rowsOf(3), { custom_id: 'row-1', params: paramsOf('again') }];
  await expect(rehearseRows(twice)).rejects.toMatchObject({ code: 'E_INPUT_INVALID' });
  await expect(rehearseRows([])).rejects.toMatchObject({ code: 'E_INPUT_EMPTY' });
  const { view } = await rehearseRows(twice, { onInvalid: 'skip', faults: 'none', known: QUICK });
  expect(view).toMatchObject({ rows: 4, invalid: 1, night: { rows: { succeeded: 3, invalid: 1 } } });
});

test('a signal stops it', async () => {
  const stop = new AbortController();
  const onStep = (): void => stop.abort();
  await expect(rehearseRows(rowsOf(100), { signal: stop.signal, onStep })).rejects.toMatchObject({
    code: 'E_NOT_FINISHED',
  });
});
