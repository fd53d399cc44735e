/**
 * The schema of state.db, as numbered steps. A step that has been released is never edited: a new one follows it.
 *
 * A state with newer steps than this batchrun knows is refused and left as it is.
 * Prompts and answers are in files only; keys are nowhere (test/unit/adapters/sqlite/schema.test.ts holds the columns fast).
 */

export interface Migration {
  readonly id: number;
  readonly name: string;
  readonly sqlite: readonly string[];
}

const RUN_STATES = `'ingesting','ready','active','canceling','done'`;
const CHUNK_STATES = `'sealed','submitting','uncertain','submitted','ended','collected','split','refused','canceled','lost'`;
const ROW_RECORD_STATES = `'waiting','retry','in_realtime','succeeded','failed','expired','canceled'`;

export const MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    name: 'first schema',
    sqlite: [
      `CREATE TABLE driver (
         id INTEGER PRIMARY KEY CHECK (id = 1),
         epoch INTEGER NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL, command TEXT NOT NULL,
         since_ms INTEGER NOT NULL, let_go_at_ms INTEGER
       ) STRICT`,
      // Counters are kept, never counted: each row_* column changes in the transaction that moves the rows.
      `CREATE TABLE runs (
         id TEXT PRIMARY KEY, name TEXT, state TEXT NOT NULL CHECK (state IN (${RUN_STATES})),
         fingerprint TEXT, again_no INTEGER NOT NULL DEFAULT 0, canceled INTEGER NOT NULL DEFAULT 0,
         origin TEXT NOT NULL, workspace TEXT NOT NULL,
         created_at_ms INTEGER NOT NULL, ready_at_ms INTEGER, done_at_ms INTEGER,
         inputs TEXT NOT NULL, settings TEXT NOT NULL, setting_hashes TEXT NOT NULL,
         output TEXT, format TEXT NOT NULL, errors TEXT, overwrite INTEGER NOT NULL DEFAULT 0,
         total_rows INTEGER NOT NULL DEFAULT 0, mix TEXT NOT NULL DEFAULT '{}',
         row_waiting INTEGER NOT NULL DEFAULT 0 CHECK (row_waiting >= 0),
         row_in_batch INTEGER NOT NULL DEFAULT 0 CHECK (row_in_batch >= 0),
         row_retry INTEGER NOT NULL DEFAULT 0 CHECK (row_retry >= 0),
         row_in_realtime INTEGER NOT NULL DEFAULT 0 CHECK (row_in_realtime >= 0),
         row_succeeded INTEGER NOT NULL DEFAULT 0 CHECK (row_succeeded >= 0),
         row_failed INTEGER NOT NULL DEFAULT 0 CHECK (row_failed >= 0),
         row_expired INTEGER NOT NULL DEFAULT 0 CHECK (row_expired >= 0),
         row_canceled INTEGER NOT NULL DEFAULT 0 CHECK (row_canceled >= 0),
         row_invalid INTEGER NOT NULL DEFAULT 0 CHECK (row_invalid >= 0),
         blocked TEXT NOT NULL DEFAULT '[]', stop_reasons TEXT NOT NULL DEFAULT '{}',
         realtime_log_bytes INTEGER NOT NULL DEFAULT 0
       ) STRICT`,
      // Of two submits of the same input at the same time one becomes the run. A canceled run does not match.
      `CREATE UNIQUE INDEX runs_fingerprint ON runs (fingerprint, again_no) WHERE fingerprint IS NOT NULL AND canceled = 0`,
      `CREATE TABLE chunks (
         run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
         chunk_no INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('input','retry')),
         state TEXT NOT NULL CHECK (state IN (${CHUNK_STATES})),
         betas TEXT NOT NULL, row_count INTEGER NOT NULL CHECK (row_count > 0), bytes INTEGER NOT NULL,
         sha256 TEXT NOT NULL, first_seq INTEGER NOT NULL, mix TEXT NOT NULL, parent_no INTEGER, root_no INTEGER,
         refusals INTEGER NOT NULL DEFAULT 0, fetches INTEGER NOT NULL DEFAULT 0,
         sealed_at_ms INTEGER NOT NULL, batch_id TEXT,
         PRIMARY KEY (run_id, chunk_no)
       ) STRICT`,
      `CREATE INDEX chunks_state ON chunks (run_id, state)`,
      // The blobs apart from the chunk rows, so that a look at the states reads a few pages.
      `CREATE TABLE chunk_index (
         run_id TEXT NOT NULL, chunk_no INTEGER NOT NULL,
         requests BLOB NOT NULL, outcomes BLOB, results BLOB,
         PRIMARY KEY (run_id, chunk_no),
         FOREIGN KEY (run_id, chunk_no) REFERENCES chunks (run_id, chunk_no) ON DELETE CASCADE
       ) STRICT`,
      `CREATE TABLE attempts (
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         run_id TEXT NOT NULL, chunk_no INTEGER NOT NULL,
         workspace TEXT NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL,
         baseline_batch_id TEXT, started_at_ms INTEGER NOT NULL, ended_at_ms INTEGER,
         body_complete INTEGER NOT NULL DEFAULT 0, doubted INTEGER NOT NULL DEFAULT 0,
         state TEXT NOT NULL CHECK (state IN ('open','created','not_created','uncertain')),
         batch_id TEXT, reason TEXT,
         FOREIGN KEY (run_id, chunk_no) REFERENCES chunks (run_id, chunk_no) ON DELETE CASCADE
       ) STRICT`,
      `CREATE INDEX attempts_chunk ON attempts (run_id, chunk_no)`,
      `CREATE INDEX attempts_state ON attempts (state, ended_at_ms)`,
      // Also holds foreign batches that were read once, with run_id NULL, so that they are not read again.
      `CREATE TABLE batches (
         id TEXT PRIMARY KEY, workspace TEXT NOT NULL,
         run_id TEXT REFERENCES runs (id) ON DELETE CASCADE, chunk_no INTEGER,
         attempt_id INTEGER REFERENCES attempts (id) ON DELETE CASCADE,
         proven INTEGER NOT NULL, status TEXT NOT NULL CHECK (status IN ('in_progress','canceling','ended')),
         counts TEXT NOT NULL, row_count INTEGER NOT NULL,
         created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, ended_at_ms INTEGER, archived_at_ms INTEGER,
         results_url TEXT, missing_since_ms INTEGER
       ) STRICT`,
      `CREATE INDEX batches_run ON batches (run_id, chunk_no)`,
      `CREATE INDEX batches_ended ON batches (ended_at_ms)`,
      // Only rows that need another attempt, did not succeed, or succeeded elsewhere than in their first chunk.
      `CREATE TABLE rows (
         run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, seq INTEGER NOT NULL,
         state TEXT NOT NULL CHECK (state IN (${ROW_RECORD_STATES})),
         home_chunk_no INTEGER NOT NULL, home_index INTEGER NOT NULL,
         attempts INTEGER NOT NULL, error_type TEXT, not_before_ms INTEGER NOT NULL DEFAULT 0,
         result_chunk_no INTEGER, result_offset INTEGER, result_length INTEGER,
         PRIMARY KEY (run_id, seq)
       ) STRICT, WITHOUT ROWID`,
      `CREATE INDEX rows_state ON rows (run_id, state, not_before_ms)`,
      `CREATE TABLE usage (
         run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
         model TEXT NOT NULL, lane TEXT NOT NULL CHECK (lane IN ('batch','realtime')),
         rows INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
         cache_write_5m_tokens INTEGER NOT NULL, cache_write_1h_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,
         cost_usd REAL NOT NULL, unpriced_rows INTEGER NOT NULL,
         PRIMARY KEY (run_id, model, lane)
       ) STRICT`,
      `CREATE TABLE events (
         id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
         chunk_no INTEGER, seq INTEGER, data TEXT NOT NULL
       ) STRICT`,
      `CREATE INDEX events_run ON events (run_id, id)`,
      `CREATE TABLE tombstones (
         fingerprint TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT, rows INTEGER NOT NULL,
         done_at_ms INTEGER, pruned_at_ms INTEGER NOT NULL, output TEXT,
         PRIMARY KEY (fingerprint, run_id)
       ) STRICT`,
    ],
  },
  {
    id: 2,
    name: 'doubts by the clock of the API, settled by hand; adopted batches; waits that outlive a process',
    sqlite: [
      // The time of the API at the first look at its list after the attempt: the grace counts from here.
      `ALTER TABLE attempts ADD COLUMN doubt_since_ms INTEGER`,
      `ALTER TABLE attempts ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0`,
      // The custom_ids of its batch: \`tag\`, our wire ids; \`own\`, the ids of the script that made the batch.
      `ALTER TABLE chunks ADD COLUMN wire TEXT NOT NULL DEFAULT 'tag' CHECK (wire IN ('tag','own'))`,
      `CREATE TABLE waits (
         origin TEXT NOT NULL, workspace TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('batches','messages')),
         until_ms INTEGER NOT NULL, asked_ms INTEGER NOT NULL,
         PRIMARY KEY (origin, workspace, kind)
       ) STRICT, WITHOUT ROWID`,
    ],
  },
  {
    id: 3,
    name: 'limits, budgets, priorities, deadlines',
    sqlite: [
      `ALTER TABLE chunks ADD COLUMN priority TEXT CHECK (priority IN ('critical','high','normal','low'))`,
      // Its batch is stopped because of a deadline: rows that come back canceled go on in the realtime lane.
      `ALTER TABLE chunks ADD COLUMN hurried_at_ms INTEGER`,
      `ALTER TABLE rows ADD COLUMN truncations INTEGER NOT NULL DEFAULT 0`,
      `ALTER TABLE rows ADD COLUMN max_tokens INTEGER`,
      // Kept while an answer is not known: a crash in the middle must not free money that may be spent.
      `ALTER TABLE runs ADD COLUMN realtime_reserved_usd REAL NOT NULL DEFAULT 0`,
      // What was last known of the account's limits and of their use. Of each base URL for itself.
      `CREATE TABLE pools (
         origin TEXT NOT NULL, pool TEXT NOT NULL, data TEXT NOT NULL, at_ms INTEGER NOT NULL,
         PRIMARY KEY (origin, pool)
       ) STRICT`,
    ],
  },
  {
    id: 4,
    name: 'chunks whose answers are those of other rows or of earlier runs',
    sqlite: [
      // Null: it is sent. Else whose answers it takes: of other rows of the run, of earlier runs.
      `ALTER TABLE chunks ADD COLUMN copies_of TEXT CHECK (copies_of IN ('rows','runs'))`,
      `ALTER TABLE chunks ADD COLUMN saved_usd REAL`,
      // By row of such a chunk the row whose answer it takes, packed (domain/leaders.ts).
      `ALTER TABLE chunk_index ADD COLUMN leaders BLOB`,
    ],
  },
];

export const SCHEMA_VERSION: number = MIGRATIONS.at(-1)?.id ?? 0;
