/**
 * The ledger as JSON lines comes page by page, and each row, event and attempt in it once and in order, wherever the
 * pages end; all of one instant.
 */
import { expect, test } from 'vitest';
import { exportState } from '../../../../src/engine/views/export-state.ts';
import { lab, rows } from '../lab.ts';

type Line = Readonly<Record<string, unknown>>;

const COUNTING = 'WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)';

/** The lines of a run with so many row records, events, attempts and chunks, as a page may or may not end with them. */
async function exported(count: number): Promise<Line[]> {
  const it = lab();
  const run = await it.submit(rows(1));
  it.db.run('DELETE FROM events');
  it.db.run(`${COUNTING} INSERT INTO events (run_id, at_ms, kind, data) SELECT ?, i, 'x', '{}' FROM n`, count, run.id);
  it.db.run(
    `${COUNTING} INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts)
     SELECT ?, i, 'failed', 1, 0, 1 FROM n`,
    count,
    run.id,
  );
  it.db.run(
    `${COUNTING} INSERT INTO attempts (run_id, chunk_no, workspace, row_count, bytes, started_at_ms, state)
     SELECT ?, 1, 'w', 1, 1, i, 'not_created' FROM n`,
    count,
    run.id,
  );
  const snapshot = await it.store.snapshot();
  const lines: Line[] = [];
  for await (const text of exportState(snapshot, run)) {
    expect(text.endsWith('}\n') && text.indexOf('\n') === text.length - 1).toBe(true);
    lines.push(JSON.parse(text) as Line);
  }
  return lines;
}

test.each([1, 999, 1_000, 1_001, 2_000, 2_500])('%i of each', async (count) => {
  const lines = await exported(count);
  const of = (type: string, name: string): unknown[] =>
    lines.filter((line) => line['type'] === type).map((line) => line[name]);
  const upTo = (first: number): number[] => Array.from({ length: count }, (_unused, at) => first + at);
  expect(of('row', 'row')).toEqual(upTo(0));
  expect(of('attempt', 'id')).toEqual(upTo(1));
  expect(of('event', 'time')).toEqual(upTo(0).map((at) => new Date(at).toISOString()));
  expect(of('run', 'type')).toEqual(['run']);
  expect(of('chunk', 'chunk')).toEqual([1]);
});

test('a key that got into the ledger stays there, and a damaged index keeps nothing else from being shown', async () => {
  const it = lab();
  const run = await it.submit(rows(2), { run: { name: 'sk-ant-api03-0123456789abcdefghijklmnop' } });
  it.db.run("UPDATE chunk_index SET outcomes = x'ffffff'");
  const snapshot = await it.store.snapshot();
  const lines: string[] = [];
  for await (const text of exportState(snapshot, run)) lines.push(text);
  expect(lines[0]).toContain('"name":"sk-ant-[redacted]"');
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ type: 'chunk', outcomes: null });
  expect(lines.length).toBeGreaterThan(3);
});
