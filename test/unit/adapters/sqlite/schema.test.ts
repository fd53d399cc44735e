/**
 * The columns of state.db, held fast: a change here is a change of what is kept on disk. It needs a new migration,
 * and a thought whether a prompt, an answer or a key could get into the new column.
 */
import { describe, expect, test } from 'vitest';
import { Db } from '../../../../src/adapters/sqlite/db.ts';

/** `name type`, with `?` where NULL is allowed. */
const COLUMNS: Readonly<Record<string, string>> = {
  attempts:
    'id INTEGER?, run_id TEXT, chunk_no INTEGER, workspace TEXT, row_count INTEGER, bytes INTEGER, baseline_batch_id TEXT?, started_at_ms INTEGER, ended_at_ms INTEGER?, body_complete INTEGER, doubted INTEGER, state TEXT, batch_id TEXT?, reason TEXT?, doubt_since_ms INTEGER?, by_hand INTEGER',
  batches:
    'id TEXT, workspace TEXT, run_id TEXT?, chunk_no INTEGER?, attempt_id INTEGER?, proven INTEGER, status TEXT, counts TEXT, row_count INTEGER, created_at_ms INTEGER, expires_at_ms INTEGER, ended_at_ms INTEGER?, archived_at_ms INTEGER?, results_url TEXT?, missing_since_ms INTEGER?',
  chunk_index: 'run_id TEXT, chunk_no INTEGER, requests BLOB, outcomes BLOB?, results BLOB?, leaders BLOB?',
  chunks:
    'run_id TEXT, chunk_no INTEGER, kind TEXT, state TEXT, betas TEXT, row_count INTEGER, bytes INTEGER, sha256 TEXT, first_seq INTEGER, mix TEXT, parent_no INTEGER?, root_no INTEGER?, refusals INTEGER, fetches INTEGER, sealed_at_ms INTEGER, batch_id TEXT?, wire TEXT, priority TEXT?, hurried_at_ms INTEGER?, copies_of TEXT?, saved_usd REAL?',
  driver: 'id INTEGER?, epoch INTEGER, pid INTEGER, host TEXT, command TEXT, since_ms INTEGER, let_go_at_ms INTEGER?',
  events: 'id INTEGER?, run_id TEXT, at_ms INTEGER, kind TEXT, chunk_no INTEGER?, seq INTEGER?, data TEXT',
  pools: 'origin TEXT, pool TEXT, data TEXT, at_ms INTEGER',
  rows: 'run_id TEXT, seq INTEGER, state TEXT, home_chunk_no INTEGER, home_index INTEGER, attempts INTEGER, error_type TEXT?, not_before_ms INTEGER, result_chunk_no INTEGER?, result_offset INTEGER?, result_length INTEGER?, truncations INTEGER, max_tokens INTEGER?',
  runs: 'id TEXT, name TEXT?, state TEXT, fingerprint TEXT?, again_no INTEGER, canceled INTEGER, origin TEXT, workspace TEXT, created_at_ms INTEGER, ready_at_ms INTEGER?, done_at_ms INTEGER?, inputs TEXT, settings TEXT, setting_hashes TEXT, output TEXT?, format TEXT, errors TEXT?, overwrite INTEGER, total_rows INTEGER, mix TEXT, row_waiting INTEGER, row_in_batch INTEGER, row_retry INTEGER, row_in_realtime INTEGER, row_succeeded INTEGER, row_failed INTEGER, row_expired INTEGER, row_canceled INTEGER, row_invalid INTEGER, blocked TEXT, stop_reasons TEXT, realtime_log_bytes INTEGER, realtime_reserved_usd REAL',
  tombstones:
    'fingerprint TEXT, run_id TEXT, name TEXT?, rows INTEGER, done_at_ms INTEGER?, pruned_at_ms INTEGER, output TEXT?',
  usage:
    'run_id TEXT, model TEXT, lane TEXT, rows INTEGER, input_tokens INTEGER, output_tokens INTEGER, cache_write_5m_tokens INTEGER, cache_write_1h_tokens INTEGER, cache_read_tokens INTEGER, cost_usd REAL, unpriced_rows INTEGER',
  waits: 'origin TEXT, workspace TEXT, kind TEXT, until_ms INTEGER, asked_ms INTEGER',
};

/** Columns of free text. Whoever adds one says why no prompt, answer or key can be in it. */
const FREE_TEXT: Readonly<Record<string, string>> = {
  'attempts.reason': 'a failure type, or the message of an error of ours: redacted, never of a request',
  'driver.command': 'the name of the command',
  'driver.host': 'the name of the machine',
  'events.data': 'numbers, ids, error types and reasons',
  'pools.data': 'limits, counts, times, and keys as people see them, masked',
  'pools.pool': 'an organization and a class of models',
  'rows.error_type': 'a type, never a message',
  'runs.blocked': 'our own texts, and the API’s message about the account',
  'runs.errors': 'a path',
  'runs.inputs': 'paths',
  'runs.mix': 'model names and numbers',
  'runs.name': 'what the user calls it',
  'runs.output': 'a path',
  'runs.setting_hashes': 'hashes',
  'runs.settings': 'numbers, modes and column names',
  'runs.stop_reasons': 'names and numbers',
  'tombstones.name': 'what the user called it',
  'tombstones.output': 'a path',
};

const MACHINE_TEXT =
  /(^|_)(id|state|kind|status|lane|sha256|fingerprint|origin|workspace|format|betas|counts|mix|results_url|model|wire|priority|copies_of)$/;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
}

function tables(db: Db): string[] {
  const names = db.all<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
  );
  return names.map((row) => row.name);
}

function columns(db: Db, table: string): Column[] {
  return db.all<Column>(`SELECT name, type, "notnull" AS "notnull" FROM pragma_table_info('${table}')`);
}

describe('the schema', () => {
  test('has exactly these columns', () => {
    const db = new Db(':memory:');
    const found = tables(db).map((table) => [
      table,
      columns(db, table)
        .map((column) => `${column.name} ${column.type}${column.notnull === 1 ? '' : '?'}`)
        .join(', '),
    ]);
    expect(Object.fromEntries(found)).toEqual(COLUMNS);
    db.close();
  });

  test('keeps every table strict, so that no column holds what it does not say', () => {
    const db = new Db(':memory:');
    const strict = db.all<{ name: string; strict: number }>(
      "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'",
    );
    expect(strict.filter((table) => table.strict !== 1)).toEqual([]);
    expect(strict).toHaveLength(Object.keys(COLUMNS).length);
    db.close();
  });

  test('has no column of free text that nobody has thought about', () => {
    const db = new Db(':memory:');
    const free = tables(db).flatMap((table) =>
      columns(db, table)
        .filter((column) => column.type === 'TEXT' && !MACHINE_TEXT.test(column.name))
        .map((column) => `${table}.${column.name}`),
    );
    expect(free.filter((name) => !(name in FREE_TEXT))).toEqual([]);
    expect(free.some((name) => /prompt|param|content|answer|message|body|key/.test(name))).toBe(false);
    db.close();
  });
});

describe('the checks of the schema', () => {
  const RUN = `INSERT INTO runs (id, state, origin, workspace, created_at_ms, inputs, settings, setting_hashes, format) VALUES ('r', 'ready', 'o', 'w', 1, '[]', '{}', '{}', 'jsonl')`;
  const CHUNK = `INSERT INTO chunks (run_id, chunk_no, kind, state, betas, row_count, bytes, sha256, first_seq, mix, sealed_at_ms) VALUES ('r', 1, 'input', 'sealed', '[]', 1, 1, 's', 0, '{}', 1)`;
  const ATTEMPT = `INSERT INTO attempts (run_id, chunk_no, workspace, row_count, bytes, started_at_ms, state) VALUES ('r', 1, 'w', 1, 1, 1, 'open')`;
  const ROW = `INSERT INTO rows (run_id, seq, state, home_chunk_no, home_index, attempts) VALUES ('r', 0, 'failed', 1, 0, 1)`;
  const BATCH = `INSERT INTO batches (id, workspace, run_id, proven, status, counts, row_count, created_at_ms, expires_at_ms) VALUES ('b', 'w', 'r', 1, 'ended', '{}', 1, 1, 1)`;
  const USAGE = `INSERT INTO usage (run_id, model, lane, rows, input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, cost_usd, unpriced_rows) VALUES ('r', 'm', 'batch', 1, 1, 1, 0, 0, 0, 0.5, 0)`;

  function filled(): Db {
    const db = new Db(':memory:');
    for (const statement of [RUN, CHUNK, ATTEMPT, ROW, BATCH, USAGE]) db.run(statement);
    return db;
  }

  test.each([
    'row_waiting',
    'row_in_batch',
    'row_retry',
    'row_in_realtime',
    'row_succeeded',
    'row_failed',
    'row_expired',
    'row_canceled',
    'row_invalid',
  ])('%s cannot fall below zero', (column) => {
    const db = filled();
    expect(() => db.run(`UPDATE runs SET ${column} = ${column} - 1`)).toThrow(/CHECK constraint failed/);
    db.close();
  });

  test.each([
    ["UPDATE runs SET state = 'paused'"],
    ["UPDATE chunks SET state = 'waiting'"],
    ["UPDATE chunks SET kind = 'other'"],
    ['UPDATE chunks SET row_count = 0'],
    ["UPDATE attempts SET state = 'done'"],
    ["UPDATE rows SET state = 'in_batch'"],
    ["UPDATE rows SET state = 'invalid'"],
    ["UPDATE batches SET status = 'paused'"],
    ["UPDATE usage SET lane = 'fast'"],
    ["INSERT INTO driver VALUES (2, 1, 1, 'h', 'c', 1, NULL)"],
  ])('refuse %s', (statement) => {
    const db = filled();
    expect(() => db.run(statement)).toThrow(/CHECK constraint failed/);
    db.close();
  });

  test.each([
    ["UPDATE chunks SET run_id = 'none'"],
    ["UPDATE rows SET run_id = 'none'"],
    ['UPDATE attempts SET chunk_no = 9'],
    ["UPDATE batches SET run_id = 'none'"],
  ])('refuse what belongs to nothing: %s', (statement) => {
    const db = filled();
    expect(() => db.run(statement)).toThrow(/FOREIGN KEY constraint failed/);
    db.close();
  });

  test('refuse a text where a number belongs', () => {
    const db = filled();
    expect(() => db.run("UPDATE chunks SET bytes = 'many'")).toThrow(/cannot store TEXT value in INTEGER column/);
    db.close();
  });

  test('hold one run for a fingerprint and its number, canceled ones aside', () => {
    const db = filled();
    db.run("UPDATE runs SET fingerprint = 'f'");
    db.run(RUN.replace("'r'", "'second'"));
    expect(() => db.run("UPDATE runs SET fingerprint = 'f' WHERE id = 'second'")).toThrow(/UNIQUE constraint failed/);
    db.run("UPDATE runs SET fingerprint = 'f', canceled = 1 WHERE id = 'second'");
    db.close();
  });

  test('take everything of a run along when it goes', () => {
    const db = filled();
    db.run("DELETE FROM runs WHERE id = 'r'");
    for (const table of ['chunks', 'attempts', 'rows', 'batches', 'usage']) {
      expect([table, db.all(`SELECT * FROM ${table}`)]).toEqual([table, []]);
    }
    db.close();
  });
});
