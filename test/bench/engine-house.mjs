/**
 * The real engine in this process, for benchmarks in virtual time: the ledger is SQLite in memory, the disk is that of the
 * simulations, the API is the SDK on a fetch that is given. What it is measured for is when it sends what; its output is
 * counted and thrown away.
 */
import { Writable } from 'node:stream';
import { createMemoryFiles } from './memory-disk.mjs';
import { SEED } from './pacing-cases.mjs';
import { loadBuilt } from './places.mjs';

const { Db } = await loadBuilt('adapters/sqlite/db.js');
const { storeOn } = await loadBuilt('adapters/sqlite/store.js');
const { connectAnthropic } = await loadBuilt('adapters/anthropic/api.js');
const { createFormatter, errorsLine } = await loadBuilt('adapters/sinks/formatter.js');
const { silentLogger } = await loadBuilt('base/log.js');
const { seededRng } = await loadBuilt('base/random.js');
const { FLAG_SPECS } = await loadBuilt('cli/flags/option-table.js');
const { createRowReader } = await loadBuilt('domain/row/reader.js');
const { prepareRows } = await loadBuilt('domain/row/prepare-rows.js');
const { ingest } = await loadBuilt('engine/ingest/ingest.js');
const { drive } = await loadBuilt('engine/runner.js');

/** Records that a source hands on at once, as those of files do. */
const RECORDS_AT_ONCE = 500;
const HOLDER = { pid: 1, host: 'bench', command: 'batchrun run' };

/** What the flags come to where nobody says anything. */
const unsaid = (name) => FLAG_SPECS[name].default;
const PACING = {
  maxBatches: unsaid('maxBatches'),
  concurrency: unsaid('concurrency'),
  pollIntervalMs: unsaid('pollInterval'),
  reconcileGraceMs: unsaid('reconcileGrace'),
  giveUpMs: unsaid('giveUp'),
};
const SETTINGS = {
  chunkRows: unsaid('chunkSize'),
  chunkBytes: unsaid('chunkBytes'),
  maxAttempts: unsaid('maxAttempts'),
  retryLane: unsaid('retryLane'),
  ...{ failIf: null, defuseFormulas: false, columns: [] },
};

/** `pacing`: what differs from the flags' defaults. */
export async function createEngine({ clock, fetch, pacing = {} }) {
  const disk = createMemoryFiles({ seed: SEED });
  const files = disk.files();
  const { api } = await connectAnthropic({
    ...{ files, clock, fetch, apiKey: 'sk-ant-bench', baseURL: 'http://sim.test' },
    stderr: new Writable({ write: (_chunk, _encoding, done) => done() }),
  });
  return {
    ...{ files, clock, api, log: silentLogger, rng: seededRng(`${SEED}|engine`) },
    store: storeOn(new Db(':memory:')),
    locks: { tryAcquire: async () => ({ release: async () => undefined }) },
    formats: { formatter: createFormatter, errorsLine },
    openOutput: async () => nowhere(),
    emit: () => undefined,
    signal: new AbortController().signal,
    pacing: { ...PACING, ...pacing },
  };
}

/** Reads and seals rows of these params. Gives the run's id. */
export async function submitRows(engine, { count, paramsAt, settings = {} }) {
  const reader = createRowReader({ nowMs: engine.clock.now() });
  const { api } = engine;
  const report = await ingest(engine, {
    rows: prepareRows({
      source: {
        columns: [],
        records: () => records(count, paramsAt),
        progress: () => ({ readBytes: 0, totalBytes: null }),
      },
      read: (record) => reader.read(record),
      ...{ inputCount: 1, limit: null },
    }),
    inputs: ['/in/rows.jsonl'],
    run: {
      ...{ name: null, origin: api.origin, workspace: api.workspace, settings: { ...SETTINGS, ...settings } },
      ...{ settingHashes: {}, output: '/out/results.jsonl', format: 'jsonl', errors: null, overwrite: true },
    },
    scope: { origin: api.origin, workspaceHeader: null, name: null },
    ...{ onInvalid: 'fail', again: false, dryRun: false },
  });
  return report.runId;
}

/** Drives a run to its end. Gives how many of its rows did not succeed. */
export async function finish(engine, runId) {
  const base = { holder: HOLDER, retryLockMs: 0, asCompleted: null, once: false };
  const end = await drive(engine, { ...base, runIds: [runId], goal: 'finish' });
  const { rows, totalRows, blocked } = await engine.store.run(runId);
  if (end !== 'done') throw new Error(`the run ends as ${end}: ${blocked.map(({ message }) => message).join('; ')}`);
  return totalRows - rows.succeeded;
}

async function* records(count, paramsAt) {
  for (let from = 0; from < count; from += RECORDS_AT_ONCE) {
    const length = Math.min(RECORDS_AT_ONCE, count - from);
    yield Array.from({ length }, (_, nth) => {
      const at = from + nth;
      return { file: 0, line: at + 1, value: { custom_id: `row-${at}`, params: paramsAt(at) } };
    });
  }
}

/** An output that nobody reads. */
function nowhere() {
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    write: async (data) => void (bytes += data.byteLength),
    commit: async () => undefined,
    abort: async () => undefined,
  };
}
