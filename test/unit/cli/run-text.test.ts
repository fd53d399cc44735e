/**
 * Results that the API deletes soon are named, by `status` and before a collect, the most urgent first.
 */
import { describe, expect, test } from 'vitest';
import { batchText } from '../../../src/cli/render/run-text.ts';
import type { BatchView, RunView } from '../../../src/engine/views/status.ts';

const NOW_MS = Date.UTC(2026, 10, 20);
const DAY_MS = 86_400_000;

function batch(chunk: number, daysLeft: number): BatchView {
  return {
    ...{ id: `msgbatch_${chunk}`, chunk, rows: 10, status: 'ended' },
    created_at: new Date(NOW_MS + (daysLeft - 29) * DAY_MS).toISOString(),
    expires_at: new Date(NOW_MS + (daysLeft - 28) * DAY_MS).toISOString(),
    results_until: new Date(NOW_MS + daysLeft * DAY_MS).toISOString(),
  };
}

function text(batches: readonly BatchView[]): string[] {
  const view = { batches, chunks: {}, eta: { latest_end: null, typical_batch_seconds: null } };
  return batchText(view as unknown as RunView, { nowMs: NOW_MS })
    .split('\n')
    .filter((line) => line !== '');
}

test('chunks in doubt are named, of many the first ten', () => {
  const inDoubt = Array.from({ length: 12 }, (_unused, at) => at + 3);
  const view = { batches: [], chunks: { uncertain: 12 }, in_doubt: inDoubt, eta: { typical_batch_seconds: null } };
  expect(batchText(view as unknown as RunView, { nowMs: NOW_MS })).toContain(
    '12 chunks (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, …)',
  );
});

describe('results', () => {
  test('with weeks to go are not worth a word', () => {
    expect(text([batch(1, 28), batch(2, 8)])).toEqual([]);
  });

  test('with days to go are named with chunk, batch, rows, time and command, the most urgent first', () => {
    const lines = text([batch(1, 6), batch(2, 28), batch(3, 1)]);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/chunk 3 \(msgbatch_3, 10 rows\).* in 1d,.*2026-11-21T.*batchrun collect/);
    expect(lines[1]).toContain('chunk 1');
  });

  test('whose time is over are named too', () => {
    expect(text([batch(1, -1)])).toEqual([expect.stringMatching(/were to be deleted.*fetches what is still there/)]);
  });

  test('of many are counted', () => {
    const lines = text(Array.from({ length: 14 }, (_unused, at) => batch(at + 1, 2)));
    expect(lines).toHaveLength(11);
    expect(lines[10]).toBe('  and those of 4 more batches');
  });
});
