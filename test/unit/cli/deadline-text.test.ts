/** What people read about a deadline: what will be late, when it will be done, and what would help. */
import { describe, expect, test } from 'vitest';
import { deadlineText } from '../../../src/cli/render/deadline-text.ts';
import { runText } from '../../../src/cli/render/run-text.ts';
import type { DeadlineView, RunView } from '../../../src/engine/views/status.ts';

const AT_MS = Date.parse('2026-11-21T06:00:00Z');
const HOUR_MS = 3_600_000;

describe('while a run goes on', () => {
  const said = {
    ...({ kind: 'deadline.late', runId: 'run_1', deadlineMs: AT_MS, lateRows: 1_200, missed: false } as const),
    ...{ doneAtMs: AT_MS + HOUR_MS, rowsPerMinute: 80 },
  };

  test('rows that will be late are named, with what would help', () => {
    const text = deadlineText(said);
    expect(text).toContain('1,200 rows of run_1 will miss the deadline, 2026-11-21 06:00 UTC');
    expect(text).toContain('at about 2026-11-21 07:00 UTC');
    expect(text).toMatch(/80 rows a minute.*--concurrency.*--deadline/);
  });

  test('a deadline that is over is said, and how the rest goes on', () => {
    const text = deadlineText({ ...said, missed: true, lateRows: 1 });
    expect(text).toContain('is over: 1 row still has no answer. They go on in the cheap lane');
  });

  test('rows that make it after all are good news', () => {
    expect(deadlineText({ ...said, lateRows: 0 })).toBe(
      'run_1 makes its deadline, 2026-11-21 06:00 UTC, after all as it looks',
    );
  });
});

describe('in status', () => {
  function lineOf(deadline: DeadlineView | null, leftMs: number, state = 'active'): string {
    const view = {
      ...{ id: 'run_1', name: null, state, canceled: false, blocked: [], rows: { total: 1 }, chunks: {}, in_doubt: [] },
      ...{ batches: [], usage: {}, cost_usd: { spent: 0, estimated_total: null, estimated_max: null }, output: null },
      ...{ budget: null, cache: null, pilot: null, priority: 'normal', lane: 'auto', api_outage: null },
      ...{
        errors: null,
        failures: {},
        schema_errors: {},
        eta: { typical_batch_seconds: null },
        created_at: new Date(AT_MS - HOUR_MS),
      },
      deadline,
    } as unknown as RunView;
    const lines = runText(view, { color: false, nowMs: AT_MS - leftMs }).split('\n');
    return lines.find((line) => line.includes('deadline')) ?? '';
  }
  const at = '2026-11-21T06:00:00.000Z';

  test.each([
    ['none', null, HOUR_MS, ''],
    ['one that is met as it looks', { at, missed: false, late_rows: 0 }, HOUR_MS, `  deadline ${at} (in 1h)`],
    [
      'one that some rows miss',
      { at, missed: false, late_rows: 2 },
      HOUR_MS,
      `  deadline ${at} (in 1h); 2 rows will be late as it looks`,
    ],
    ['one that is over', { at, missed: true, late_rows: 2 }, -HOUR_MS, `  deadline ${at} (over for 1h)`],
  ])('%s', (_what, deadline, leftMs, expected) => {
    expect(lineOf(deadline, leftMs)).toBe(expected);
  });

  test('of a finished run nothing', () => {
    expect(lineOf({ at, missed: false, late_rows: null }, HOUR_MS, 'done')).toBe('');
  });
});
