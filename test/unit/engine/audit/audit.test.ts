/**
 * An audit of the ledger says what is off, and nothing where all is in order: each test is one way in which the rows or
 * the files of a run can be wrong, made by hand in a run that was sound a moment before.
 */
import { describe, expect, test } from 'vitest';
import { paths } from '../../../../src/domain/ids.ts';
import { audit } from '../../../../src/engine/audit/audit.ts';
import { collected, only, readFile, room, sent, writeFile, type Room } from './audit.lab.ts';
import { lab, row } from '../lab.ts';

describe('a run that is in order', () => {
  test.each([
    ['sealed', () => room(3)],
    ['sent', () => sent()],
    ['collected, with rows that wait for a retry', () => collected({ rest: true })],
    ['done', () => collected()],
  ])('%s: every check is ok', async (_what, made) => {
    const it = await made();
    const report = await it.look();
    expect(report).toMatchObject({ ok: true, complete: true, findings: [], api: { reached: true, error: null } });
    const [found] = report.runs;
    expect(found).toMatchObject({ id: it.run.id, ok: true, findings: [], notes: [] });
    expect(found?.checks.map(({ name, ok }) => [name, ok])).toEqual(
      ['batches', 'chunks', 'rows', 'files', 'costs'].map((name) => [name, true]),
    );
  });

  test('is not written to, and the API is only read', async () => {
    const it = await collected({ rest: true });
    const before = it.db.all('SELECT total_changes() AS n');
    it.api.calls.length = 0;
    await it.look();
    expect(it.db.all('SELECT total_changes() AS n')).toEqual(before);
    expect(it.api.calls).toEqual(['list']);
  });

  test('skipped rows and duplicates are counted in their lists', async () => {
    const it = lab();
    const bad = { custom_id: 'bad', params: { model: 'claude-haiku-5-5' } };
    const run = await it.submit([row(0), bad, row(1), row(1)], { request: { onInvalid: 'skip' } });
    const request = { api: it.api, runs: [run], driven: false, command: String, tell: () => undefined };
    expect((await it.store.run(run.id))?.rows).toMatchObject({ waiting: 2, invalid: 2 });
    expect((await audit(it.engine, request)).ok).toBe(true);
    for (const path of [paths.invalid(run.id), paths.duplicates(run.id)]) await it.files.remove(path);
    const kinds = (await audit(it.engine, request)).runs[0]?.findings.map(({ kind, rows: count }) => [kind, count]);
    expect(kinds).toEqual([
      ['row_unaccounted', 2],
      ['counters_off', null],
    ]);
  });

  test('a list of skipped rows that is damaged is a finding, and not the end of the audit', async () => {
    const it = lab();
    const bad = { custom_id: 'bad', params: { model: 'claude-haiku-5-5' } };
    const run = await it.submit([row(0), bad], { request: { onInvalid: 'skip' } });
    const path = paths.invalid(run.id);
    await writeFile(it, path, (await readFile(it, path)).subarray(0, -5));
    const report = await audit(it.engine, { api: it.api, runs: [run], driven: false, command: String, tell: () => {} });
    expect(report.runs[0]?.findings.map(({ kind }) => kind)).toContain('file_damaged');
    expect(report.runs[0]?.findings[0]?.message).toContain('invalid.jsonl');
  });
});

describe('rows', () => {
  test.each<readonly [what: string, made: () => Promise<Room>, sql: string, kinds: readonly string[]]>([
    [
      'an outcome that was never written',
      () => collected(),
      'UPDATE chunk_index SET outcomes = zeroblob(3) WHERE chunk_no = 1',
      ['row_unaccounted', 'counters_off'],
    ],
    [
      'a record that is gone',
      () => collected({ rest: true }),
      'DELETE FROM rows WHERE seq = 2',
      ['row_unaccounted', 'counters_off'],
    ],
    [
      'a counter that was not kept',
      () => collected(),
      'UPDATE runs SET row_succeeded = row_succeeded - 1, row_failed = 1',
      ['counters_off'],
    ],
    [
      'a row with an answer and a record',
      () => collected(),
      `INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts) SELECT id, 0, 'failed', 1, 0, 1 FROM runs`,
      ['row_twice', 'counters_off'],
    ],
    [
      'a row in two chunks',
      () => collected(),
      'UPDATE chunk_index SET requests = (SELECT requests FROM chunk_index WHERE chunk_no = 1) WHERE chunk_no = 2',
      ['row_twice', 'row_unaccounted'],
    ],
    ['a row that is nowhere', () => collected(), 'UPDATE runs SET total_rows = total_rows + 1', ['row_unaccounted']],
    [
      'a run that is done before its rows are',
      () => collected({ rest: true }),
      "UPDATE runs SET state = 'done'",
      ['row_unaccounted'],
    ],
    [
      'an answer that lies nowhere',
      () => collected({ rest: true }),
      "UPDATE rows SET state = 'succeeded', result_chunk_no = NULL WHERE seq = 2",
      ['row_unaccounted', 'counters_off'],
    ],
    [
      'a row that waits in no chunk of retries',
      () => collected({ rest: true }),
      "UPDATE rows SET state = 'waiting' WHERE seq = 2",
      ['counters_off', 'counters_off'],
    ],
    [
      'an index that is damaged',
      () => collected(),
      "UPDATE chunk_index SET requests = x'00112233445566' WHERE chunk_no = 2",
      ['ledger_damaged'],
    ],
    ['an index that is gone', () => collected(), 'DELETE FROM chunk_index WHERE chunk_no = 2', ['ledger_damaged']],
    [
      'an index of another length',
      () => collected(),
      'UPDATE chunks SET row_count = 4 WHERE chunk_no = 2',
      ['ledger_damaged'],
    ],
  ])('%s is named', async (_what, made, sql, kinds) => {
    const it = await made();
    expect(await it.kinds()).toEqual([]);
    it.db.run(sql);
    const found = await it.audit();
    expect(found.findings.map(({ kind }) => kind)).toEqual(kinds);
    expect(found.checks.find(({ name }) => name === 'rows')?.ok).toBe(false);
    expect(found.findings[0]?.hint).toContain(`batchrun export ${it.run.id} --state-only`);
  });

  test('what is wrong is told with chunk, rows and the first of them', async () => {
    const it = await collected();
    it.db.run('UPDATE chunk_index SET outcomes = zeroblob(3) WHERE chunk_no = 2');
    const [first, second] = (await it.audit()).findings;
    expect(first).toMatchObject({ chunk: 2, rows: 3, message: expect.stringContaining('the first is row 3') });
    expect(second?.message).toContain('succeeded 6 instead of 3');
  });
});

describe('files', () => {
  test.each<readonly [path: (id: string) => string, made: () => Promise<Room>]>([
    [(id) => paths.body(id, 1), () => room(3)],
    [(id) => paths.body(id, 1), () => collected()],
    [(id) => paths.rows(id, 1), () => collected()],
    [(id) => paths.results(id, 1), () => collected()],
  ])('that are gone or cut are named (%#)', async (pathOf, made) => {
    const it = await made();
    const path = pathOf(it.run.id);
    const whole = await readFile(it, path);
    // The line end behind the last result is not needed.
    await writeFile(it, path, whole.subarray(0, path.includes('results') ? -2 : -1));
    expect(only((await it.audit()).findings)).toMatchObject({ kind: 'file_damaged', chunk: 1 });
    await it.files.remove(path);
    const found = only((await it.audit()).findings);
    expect(found).toMatchObject({ kind: 'file_missing', chunk: 1, message: expect.stringContaining(path) });
    await writeFile(it, path, whole);
    expect(await it.kinds()).toEqual([]);
  });

  test.each<readonly [what: string, made: () => Promise<Room>, kinds: readonly string[]]>([
    ['that was not sent yet', () => room(3), ['file_damaged']],
    ['that may be sent again', () => collected({ chunks: 1, rest: true }), ['file_damaged']],
    ['of a run that is done', () => collected({ chunks: 1 }), []],
  ])('the checksum of a body %s', async (_what, made, kinds) => {
    const it = await made();
    const path = paths.body(it.run.id, 1);
    const bytes = await readFile(it, path);
    bytes.write('X', 40);
    await writeFile(it, path, bytes);
    expect(await it.kinds()).toEqual(kinds);
  });

  test('the log of the realtime lane is as long as the ledger says', async () => {
    const it = await collected();
    it.db.run('UPDATE runs SET realtime_log_bytes = 10');
    expect(only((await it.audit()).findings)).toMatchObject({ kind: 'file_missing', chunk: null });
  });
});
