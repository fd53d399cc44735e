/**
 * A ledger of a run of any size without its files: so that looks at ten million rows can be measured without ten
 * gigabytes. It is made through the built adapters, step by step as a driver does, packed indexes included; the run is
 * in the middle of its way: four fifths of its chunks collected, as many under way as the caps allow, the rest waiting.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadBuilt } from './places.mjs';

const { openSqliteStore } = await loadBuilt('adapters/sqlite/store.js');
const { encodeResultIndex, outcomeByte, RequestIndexBuilder } = await loadBuilt('domain/packed-index.js');

export const BIG_RUN = 'run_000000001aaaaaaa';
const ORIGIN = 'https://api.anthropic.com';
const WORKSPACE = 'wrkspc_bench';
const MODEL = 'claude-haiku-5-5';
const AT_MS = Date.UTC(2026, 10, 20);
const OPEN_BATCHES = 100;
const BYTES = { request: 950, row: 12, result: 640 };
const MAX_TOKENS = 64;

/** Makes `folder`/state.db with one run of so many rows. `done` gives one that is finished. */
export async function makeLedger(folder, { rows, chunkRows = 10_000, done = false }) {
  mkdirSync(folder, { recursive: true });
  const store = openSqliteStore(join(folder, 'state.db'));
  const chunks = Math.ceil(rows / chunkRows);
  const rowsOf = (chunkNo) => Math.min(chunkRows, rows - (chunkNo - 1) * chunkRows);
  await store.beginRun(newRun(chunkRows));
  for (let chunkNo = 1; chunkNo <= chunks; chunkNo++) {
    await store.sealChunk(BIG_RUN, newChunk(chunkNo, (chunkNo - 1) * chunkRows, rowsOf(chunkNo)), AT_MS);
  }
  const end = { fingerprint: 'bench', again: false, totalRows: rows, invalidRows: 0, mix: mixOf(rows) };
  await store.finishIngest({ runId: BIG_RUN, atMs: AT_MS, ...end });
  const driver = await store.takeOver({ pid: process.pid, host: 'bench', command: 'batchrun collect', atMs: AT_MS });
  const collected = done ? chunks : Math.floor(chunks * 0.8);
  const submitted = Math.min(chunks, collected + OPEN_BATCHES);
  for (let chunkNo = 1; chunkNo <= submitted; chunkNo++) {
    await submit(driver, chunkNo, rowsOf(chunkNo));
    if (chunkNo <= collected) await collect(driver, chunkNo, rowsOf(chunkNo));
  }
  if (done) await driver.finishRun(BIG_RUN, AT_MS);
  await driver.letGo(new Set([BIG_RUN]), AT_MS);
  await store.close();
}

function newRun(chunkRows) {
  return {
    ...{ id: BIG_RUN, name: null, origin: ORIGIN, workspace: WORKSPACE, createdAtMs: AT_MS, inputs: ['rows.jsonl'] },
    settings: {
      ...{ chunkRows, chunkBytes: 256_000_000, maxAttempts: 4, retryLane: 'auto', failIf: null },
      ...{ defuseFormulas: false, columns: [] },
    },
    settingHashes: { model: 'abc' },
    ...{ output: '/bench/rows.results.jsonl', format: 'jsonl', errors: null, overwrite: false },
  };
}

function newChunk(chunkNo, firstSeq, rowCount) {
  const index = new RequestIndexBuilder();
  for (let at = 0; at < rowCount; at++) {
    index.append({ seq: firstSeq + at, requestBytes: BYTES.request + (at % 90), rowBytes: BYTES.row });
  }
  return {
    ...{ chunkNo, kind: 'input', betas: [], rowCount, bytes: rowCount * BYTES.request, sha256: `sha-${chunkNo}` },
    ...{ firstSeq, mix: mixOf(rowCount), parentNo: null, wire: 'tag', requestIndex: index.finish() },
  };
}

function mixOf(rows) {
  return { [MODEL]: { rows, bytes: rows * BYTES.request, maxTokens: rows * MAX_TOKENS } };
}

function batchOf(chunkNo, rows, ended = false) {
  const id = `msgbatch_bench${String(chunkNo).padStart(8, '0')}`;
  const counts = { processing: ended ? 0 : rows, succeeded: ended ? rows : 0, errored: 0, canceled: 0, expired: 0 };
  return {
    ...{ id, status: ended ? 'ended' : 'in_progress', counts, createdAtMs: AT_MS, expiresAtMs: AT_MS + 86_400_000 },
    ...{ endedAtMs: ended ? AT_MS + 60_000 : null, archivedAtMs: null, resultsUrl: null },
  };
}

async function submit(driver, chunkNo, rows) {
  const start = { runId: BIG_RUN, chunkNo, workspace: WORKSPACE, baselineBatchId: null, atMs: AT_MS };
  const attemptId = await driver.recordAttempt(start);
  await driver.recordBodyComplete(attemptId);
  await driver.recordCreated({ attemptId, batch: batchOf(chunkNo, rows), atMs: AT_MS });
}

async function collect(driver, chunkNo, rows) {
  const batch = batchOf(chunkNo, rows, true);
  await driver.recordEnded({ runId: BIG_RUN, chunkNo, batch, atMs: AT_MS });
  const tokens = { inputTokens: rows * 231, outputTokens: rows * 42, cacheReadTokens: 0 };
  const usage = {
    ...{ model: MODEL, lane: 'batch', rows, ...tokens, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0 },
    ...{ costUsd: rows * 0.0001, unpricedRows: 0 },
  };
  await driver.checkpointCollected({
    ...{ runId: BIG_RUN, chunkNo, batchId: batch.id, atMs: AT_MS, succeeded: rows, rows: [], usage: [usage] },
    outcomes: new Uint8Array(rows).fill(outcomeByte('succeeded', 'end_turn')),
    resultIndex: encodeResultIndex(
      Float64Array.from({ length: rows }, (_, at) => at * BYTES.result),
      new Uint32Array(rows).fill(BYTES.result),
    ),
    stopReasons: { end_turn: rows },
  });
}
