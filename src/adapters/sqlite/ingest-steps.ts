/**
 * The steps of reading an input, and the few others that need no lock: a run begins, its chunks are sealed, and in
 * one transaction it becomes ready or turns out to be there already. None of them talks to the API.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import type { ModelMix, RunSettings, RunState } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';
import type { IngestEnd, IngestVerdict, NewChunk, NewRun } from '../../domain/store-steps.ts';
import { adoptBatch } from './attempt-steps.ts';
import { insertChunk } from './chunk-insert.ts';
import { compact } from './compact.ts';
import { settled, type Db } from './db.ts';
import { addEvent, moveRun } from './moves.ts';
import { claimOutputs, takeOutputs } from './output-claims.ts';
import { toTombstone, type TombstoneColumns } from './records.ts';

type IngestSteps = Pick<
  Store,
  | 'beginRun'
  | 'sealChunk'
  | 'resealChunk'
  | 'finishIngest'
  | 'deleteIngesting'
  | 'requestCancel'
  | 'setOutput'
  | 'changeWishes'
  | 'pruneRun'
  | 'compact'
  | 'note'
>;

export function createIngestSteps(db: Db): IngestSteps {
  const step = <T>(work: () => T): Promise<T> => settled(() => db.transaction(work));
  return {
    beginRun: (run) => step(() => beginRun(db, run)),
    sealChunk: (runId, chunk, atMs) =>
      step(() => {
        expectState(db, runId, ['ingesting']);
        insertChunk(db, { runId, chunk, atMs, state: chunk.answered ? 'collected' : 'sealed' });
      }),
    resealChunk: (runId, chunk) => step(() => resealChunk(db, runId, chunk)),
    finishIngest: (end) => step(() => finishIngest(db, end)),
    deleteIngesting: (runId) =>
      step(() => {
        db.run("DELETE FROM runs WHERE id = ? AND state = 'ingesting'", runId);
        db.run('DELETE FROM events WHERE run_id = ? AND NOT EXISTS (SELECT 1 FROM runs WHERE id = ?)', runId, runId);
      }),
    requestCancel: (runId, atMs) =>
      step(() => {
        const state = expectState(db, runId, ['ready', 'active']);
        moveRun(db, runId, state, 'canceling', atMs);
        db.run('UPDATE runs SET canceled = 1 WHERE id = ?', runId);
      }),
    changeWishes: (runId, wishes) =>
      step(() => changeSettings(db, runId, (before) => ({ ...before, wishes: { ...before.wishes, ...wishes } }))),
    setOutput: (runId, output, atMs) =>
      step(() => {
        db.run(
          'UPDATE runs SET output = ?, format = ?, errors = ?, overwrite = ? WHERE id = ?',
          output.output,
          output.format,
          output.errors,
          output.overwrite ? 1 : 0,
          runId,
        );
        return takeOutputs(db, runId, atMs);
      }),
    pruneRun: (runId, atMs) => step(() => pruneRun(db, runId, atMs)),
    compact: () => settled(() => compact(db)),
    note: (runId, kind, atMs, data, chunkNo) =>
      step(() => addEvent(db, { runId, atMs, kind, data, chunkNo: chunkNo ?? null })),
  };
}

function beginRun(db: Db, run: NewRun): void {
  db.run(
    `INSERT INTO runs (id, name, state, origin, workspace, created_at_ms, inputs, settings, setting_hashes,
       output, format, errors, overwrite) VALUES (?, ?, 'ingesting', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    run.id,
    run.name,
    run.origin,
    run.workspace,
    run.createdAtMs,
    JSON.stringify(run.inputs),
    JSON.stringify(run.settings),
    JSON.stringify(run.settingHashes),
    run.output,
    run.format,
    run.errors,
    run.overwrite ? 1 : 0,
  );
  addEvent(db, { runId: run.id, atMs: run.createdAtMs, kind: 'run.ingesting', data: { inputs: run.inputs.length } });
}

function changeSettings(db: Db, runId: string, change: (before: RunSettings) => RunSettings): void {
  const row = db.get<{ settings: string }>('SELECT settings FROM runs WHERE id = ?', runId);
  invariant(row, `run ${runId} exists`);
  const changed = change(JSON.parse(row.settings) as RunSettings);
  db.run('UPDATE runs SET settings = ? WHERE id = ?', JSON.stringify(changed), runId);
}

function resealChunk(db: Db, runId: string, chunk: NewChunk): void {
  expectState(db, runId, ['ingesting']);
  if (chunk.rowCount === 0) {
    db.run("DELETE FROM chunks WHERE run_id = ? AND chunk_no = ? AND state = 'sealed'", runId, chunk.chunkNo);
    db.run('DELETE FROM events WHERE run_id = ? AND chunk_no = ?', runId, chunk.chunkNo);
    return;
  }
  const changed = db.run(
    `UPDATE chunks SET row_count = ?, bytes = ?, sha256 = ?, first_seq = ?, mix = ?
     WHERE run_id = ? AND chunk_no = ? AND state = 'sealed'`,
    chunk.rowCount,
    chunk.bytes,
    chunk.sha256,
    chunk.firstSeq,
    JSON.stringify(chunk.mix),
    runId,
    chunk.chunkNo,
  );
  invariant(changed === 1, 'a chunk that is resealed exists');
  db.run(
    'UPDATE chunk_index SET requests = ? WHERE run_id = ? AND chunk_no = ?',
    chunk.requestIndex,
    runId,
    chunk.chunkNo,
  );
}

function finishIngest(db: Db, end: IngestEnd): IngestVerdict {
  expectState(db, end.runId, ['ingesting']);
  if (!end.again) {
    const same = db.get<{ id: string }>(
      'SELECT id FROM runs WHERE fingerprint = ? AND canceled = 0 ORDER BY again_no DESC LIMIT 1',
      end.fingerprint,
    );
    if (same) return { kind: 'exists', runId: same.id };
    const stone = db.get<TombstoneColumns>(
      'SELECT * FROM tombstones WHERE fingerprint = ? ORDER BY pruned_at_ms DESC LIMIT 1',
      end.fingerprint,
    );
    if (stone) return { kind: 'pruned', tombstone: toTombstone(stone) };
  }
  const { next } = db.get<{ next: number }>(
    'SELECT coalesce(max(again_no) + 1, 0) AS next FROM runs WHERE fingerprint = ?',
    end.fingerprint,
  ) ?? { next: 0 };
  db.run(
    `UPDATE runs SET fingerprint = ?, again_no = ?, ready_at_ms = ?, total_rows = ?, mix = ?,
       row_waiting = (SELECT coalesce(sum(row_count), 0) FROM chunks WHERE run_id = ? AND state = 'sealed'),
       row_succeeded = (SELECT coalesce(sum(row_count), 0) FROM chunks WHERE run_id = ? AND state = 'collected'),
       row_invalid = ? WHERE id = ?`,
    end.fingerprint,
    next,
    end.atMs,
    end.totalRows,
    JSON.stringify(end.mix satisfies ModelMix),
    end.runId,
    end.runId,
    end.invalidRows,
    end.runId,
  );
  const { pilotChunks } = end;
  if (pilotChunks) changeSettings(db, end.runId, (before) => ({ ...before, pilotChunks }));
  const placed = db.get<{ rows: number }>(
    'SELECT row_waiting + row_succeeded AS rows FROM runs WHERE id = ?',
    end.runId,
  );
  invariant(placed?.rows === end.totalRows - end.invalidRows, 'every row of the input is in a chunk or was refused');
  moveRun(db, end.runId, 'ingesting', 'ready', end.atMs, { rows: end.totalRows, invalid: end.invalidRows });
  if (end.adopted) refuseAdopted(db, end.adopted.batch.id);
  if (end.adopted) adoptBatch(db, { runId: end.runId, atMs: end.atMs, ...end.adopted });
  const moved = claimOutputs(db, end.runId, end.atMs);
  return moved.length === 0 ? { kind: 'ready' } : { kind: 'ready', moved };
}

/** Another process may have taken it since the command looked: of two runs only one can have a batch. */
function refuseAdopted(db: Db, batchId: string): void {
  const owner = db.get<{ run_id: string; chunk_no: number }>(
    'SELECT run_id, chunk_no FROM batches WHERE id = ? AND run_id IS NOT NULL',
    batchId,
  );
  if (!owner) return;
  const { run_id: runId, chunk_no: chunkNo } = owner;
  throw new BatchrunError('E_ADOPT', `${batchId} is the batch of chunk ${chunkNo} of ${runId} already`, {
    hint: `\`batchrun collect ${runId}\` follows it. Nothing was sent.`,
  });
}

function pruneRun(db: Db, runId: string, atMs: number): void {
  expectState(db, runId, ['done']);
  // A canceled run does not match a new submit, so it leaves no tombstone either.
  db.run(
    `INSERT OR REPLACE INTO tombstones (fingerprint, run_id, name, rows, done_at_ms, pruned_at_ms, output)
     SELECT fingerprint, id, name, total_rows, done_at_ms, ?, output FROM runs
     WHERE id = ? AND canceled = 0 AND fingerprint IS NOT NULL`,
    atMs,
    runId,
  );
  db.run('DELETE FROM events WHERE run_id = ?', runId);
  db.run('DELETE FROM runs WHERE id = ?', runId);
}

function expectState(db: Db, runId: string, states: readonly RunState[]): RunState {
  const row = db.get<{ state: RunState }>('SELECT state FROM runs WHERE id = ?', runId);
  if (row && states.includes(row.state)) return row.state;
  throw new BatchrunError('E_TRANSITION', `run ${runId} is ${row?.state ?? 'gone'}, not ${states.join(' or ')}`);
}
