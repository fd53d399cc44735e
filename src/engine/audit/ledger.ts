/**
 * The ledger of one run against itself and its files, from one instant of the ledger: so that a driver beside us makes
 * no sum come out wrong. Chunk by chunk: one index is in memory at a time.
 */
import { BatchrunError, isBatchrunError } from '../../base/errors.ts';
import { paths } from '../../domain/ids.ts';
import { decodeLeaders } from '../../domain/leaders.ts';
import type { ChunkRecord, RunRecord, UsageEntry } from '../../domain/model.ts';
import { decodeOutcomes, decodeRequestIndex, decodeResultIndex } from '../../domain/packed-index.ts';
import { decodeInvalidEntry, rowFileLines } from '../../domain/row-file.ts';
import type { Snapshot } from '../../domain/store.ts';
import type { ChunkIndex } from '../../domain/store-steps.ts';
import { OPEN_ROW_STATES } from '../../domain/transitions.ts';
import { FileAudit } from './files.ts';
import { finding, type FindingList } from './report.ts';
import { RowAudit } from './rows.ts';
import type { Engine } from '../engine.ts';

const PAGE_ROWS = 2_000;
const PAGE_CHUNKS = 100;

export interface LedgerAudit {
  readonly run: RunRecord;
  readonly usage: readonly UsageEntry[];
  /** What was found, in a line each. */
  readonly rows: string;
  readonly files: string;
}

interface Parts {
  readonly engine: Engine;
  readonly snapshot: Snapshot;
  readonly run: RunRecord;
  readonly found: FindingList;
  readonly rows: RowAudit;
  readonly files: FileAudit;
  readonly hint: string;
}

/** Null where the run is gone: it was pruned meanwhile. */
export async function auditLedger(
  engine: Engine,
  runId: string,
  found: FindingList,
  command: (words: string) => string,
): Promise<LedgerAudit | null> {
  const snapshot = await engine.store.snapshot();
  try {
    const run = await snapshot.run(runId);
    if (!run) return null;
    const hint = `Keep the state folder as it is, and report this with the output of ${command(`batchrun export ${runId} --state-only`)} (no prompts, answers or keys are in it).`;
    const rows = new RowAudit(run, found, hint);
    const files = new FileAudit(engine, run, found);
    const parts = { engine, snapshot, run, found, rows, files, hint };
    await readRecords(parts);
    await readChunks(parts);
    for (const path of [paths.invalid(runId), paths.duplicates(runId)]) await readSkipped(parts, path);
    return { run, usage: await snapshot.usage(runId), rows: rows.end(), files: await files.end() };
  } finally {
    await snapshot.close();
  }
}

async function readRecords({ snapshot, run, rows, files }: Parts): Promise<void> {
  for (let afterSeq = -1; ;) {
    const page = await snapshot.rowRecords(run.id, { afterSeq, limit: PAGE_ROWS });
    const last = page.at(-1);
    if (!last) return;
    afterSeq = last.seq;
    for (const record of page) {
      rows.record(record);
      const { result, state, homeChunkNo } = record;
      if (result) files.answerAt(result.chunkNo, result.offset + result.length);
      if (OPEN_ROW_STATES.includes(state)) files.waits(homeChunkNo);
    }
  }
}

async function readChunks(parts: Parts): Promise<void> {
  const { snapshot, run, engine } = parts;
  for (let afterNo = 0; ;) {
    const page = await snapshot.chunks(run.id, { afterNo, limit: PAGE_CHUNKS });
    const last = page.at(-1);
    if (!last) return;
    afterNo = last.chunkNo;
    for (const chunk of page) {
      if (engine.signal.aborted) {
        throw new BatchrunError('E_NOT_FINISHED', 'the audit was stopped before its end', { hint: 'Run it again.' });
      }
      await readChunk(parts, chunk);
    }
  }
}

async function readChunk({ snapshot, found, rows, files, hint }: Parts, chunk: ChunkRecord): Promise<void> {
  const { chunkNo, rowCount, state, kind } = chunk;
  if (state === 'split') return;
  try {
    const blobs = await indexOf(snapshot, chunk);
    const index = decodeRequestIndex(blobs.requests);
    if (index.rowCount !== rowCount) throw damage(`${index.rowCount} requests for ${rowCount} rows`);
    const outcomes = blobs.outcomes === null ? null : decodeOutcomes(blobs.outcomes, rowCount);
    const results = blobs.results === null ? null : decodeResultIndex(blobs.results);
    if (kind === 'retry') rows.retryChunk(chunk);
    else rows.inputChunk(chunk, index.seqs, outcomes);
    if (chunk.answers === 'rows') rows.followers(index.seqs, decodeLeaders(blobs.leaders ?? NO_LEADERS, index.seqs));
    await files.chunk(chunk, index, results);
  } catch (error) {
    if (!isBatchrunError(error, 'E_STATE_CORRUPT')) throw error;
    rows.damaged();
    const message = `the index of chunk ${chunkNo} (${state}) cannot be read: ${error.message}`;
    found.add(finding('ledger_damaged', { chunk: chunkNo, rows: rowCount, message, hint }));
  }
}

/** No list of leaders: as damaged as one that is cut. */
const NO_LEADERS = new Uint8Array();

async function indexOf(snapshot: Snapshot, { runId, chunkNo }: ChunkRecord): Promise<ChunkIndex> {
  try {
    return await snapshot.chunkIndex(runId, chunkNo);
  } catch (error) {
    // To whoever works with it that is a bug; to whoever looks it is a finding.
    if (isBatchrunError(error, 'E_BUG')) throw damage('no row in chunk_index');
    throw error;
  }
}

function damage(what: string): BatchrunError {
  return new BatchrunError('E_STATE_CORRUPT', `it has ${what}`);
}

/** The rows that were skipped at the reading of the input: in a list beside the chunks. */
async function readSkipped({ engine, rows, found, hint }: Parts, path: string): Promise<void> {
  if ((await engine.files.size(path)) === null) return;
  try {
    for await (const { bytes } of rowFileLines(engine.files.stream(path))) {
      rows.skipped(decodeInvalidEntry(bytes.toString()).seq);
    }
  } catch (error) {
    if (!isBatchrunError(error, 'E_STATE_CORRUPT')) throw error;
    rows.damaged();
    const message = `the list of skipped rows ${engine.files.locate(path)} cannot be read: ${error.message}`;
    found.add(finding('file_damaged', { message, hint }));
  }
}
