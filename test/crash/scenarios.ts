/**
 * What the loops run: the commands, and the stories in which they are troubled. Each story takes other ways through the
 * engine; together they pass every durable edge.
 */
import { readMarkedRow } from '../../src/domain/cache/warm-up.ts';
import { createRowReader } from '../../src/domain/row/reader.ts';
import { prepareRows } from '../../src/domain/row/prepare-rows.ts';
import type { RowReading, RowSource, SourceRecord } from '../../src/domain/source.ts';
import { tryDrive } from '../../src/engine/driver.ts';
import type { ApiEngine } from '../../src/engine/engine.ts';
import { ingest, type IngestReport } from '../../src/engine/ingest/ingest.ts';
import { recover } from '../../src/engine/recover.ts';
import { drive, type DriveEnd } from '../../src/engine/runner.ts';
import { newSession } from '../../src/engine/session.ts';
import { sweep } from '../../src/engine/cleanup/sweep.ts';
import { ERRORS, OUTPUT, type Command, type Lab, type LabRow, type LabSetup } from './lab.ts';

const HOLDER = { pid: 1, host: 'lab', command: 'test' } as const;
const DRIVE = { holder: HOLDER, retryLockMs: 0, asCompleted: null, once: false } as const;

async function submitted(engine: ApiEngine, lab: Lab): Promise<IngestReport> {
  await sweep(engine);
  const { setup } = lab;
  return ingest(engine, {
    rows: prepareRows({
      source: sourceOf(setup.rows),
      read: readerOf(setup.rows, engine.clock.now()),
      ...{ inputCount: 1, blockBytes: 4_096, limit: null },
    }),
    inputs: ['/in/rows.jsonl'],
    run: {
      name: null,
      origin: engine.api.origin,
      workspace: engine.api.workspace,
      settings: {
        chunkRows: setup.chunkRows,
        chunkBytes: 256_000_000,
        maxAttempts: setup.maxAttempts,
        retryLane: setup.retryLane,
        failIf: null,
        defuseFormulas: false,
        columns: [],
        ...(setup.cache === undefined ? {} : { cache: setup.cache }),
        ...(setup.coalesce ? { coalesce: setup.coalesce } : {}),
        wishes: {
          lane: setup.lane ?? 'auto',
          deadlineMs: setup.deadlineAfterMs === undefined ? null : engine.clock.now() + setup.deadlineAfterMs,
        },
      },
      settingHashes: {},
      output: OUTPUT,
      format: 'jsonl',
      errors: setup.errors ? ERRORS : null,
      overwrite: true,
    },
    scope: { origin: engine.api.origin, workspaceHeader: null, name: null },
    onInvalid: 'skip',
    again: false,
    dryRun: false,
  });
}

function sourceOf(rows: readonly LabRow[]): RowSource {
  const records = rows.map(({ customId, params, betas }, at): SourceRecord => {
    return { file: 0, line: at + 1, value: { custom_id: customId, params, ...(betas ? { betas } : {}) } };
  });
  return {
    columns: [],
    async *records() {
      for (let at = 0; at < records.length; at += 3) yield records.slice(at, at + 3);
    },
    progress: () => ({ readBytes: 0, totalBytes: null }),
  };
}

function readerOf(rows: readonly LabRow[], nowMs: number): (record: SourceRecord) => RowReading {
  const reader = createRowReader({ nowMs });
  return (record) => {
    const reading = reader.read(record);
    const smuggled = rows[record.line - 1]?.smuggled;
    if (!reading.ok || !smuggled) return reading;
    const params = { ...(JSON.parse(reading.row.paramsJson) as object), ...smuggled };
    return { ...reading, row: { ...reading.row, plain: false, paramsJson: JSON.stringify(params) } };
  };
}

async function runIdOf(engine: ApiEngine, lab: Lab): Promise<string> {
  const report = await submitted(engine, lab);
  return report.verdict.kind === 'exists' ? report.verdict.runId : report.runId;
}

/** `batchrun run`. */
export const run: Command = async (engine, lab) =>
  drive(engine, { ...DRIVE, runIds: [await runIdOf(engine, lab)], goal: 'finish' });

/** `batchrun submit`. */
export const submit: Command = async (engine, lab) =>
  drive(engine, { ...DRIVE, runIds: [await runIdOf(engine, lab)], goal: 'upload' });

/** `batchrun collect`. */
export const collect: Command = async (engine) => {
  const open = (await engine.store.runs()).filter((one) => one.state !== 'done');
  return open.length === 0 ? 'nothing' : drive(engine, { ...DRIVE, runIds: null, goal: 'finish' });
};

/** `batchrun cancel latest`. */
export const cancel: Command = async (engine) => {
  const latest = (await engine.store.runs()).at(-1);
  if (!latest || latest.state === 'done') return 'nothing';
  if (latest.state !== 'canceling') await engine.store.requestCancel(latest.id, engine.clock.now());
  return drive(engine, { ...DRIVE, runIds: [latest.id], goal: 'finish' });
};

/** `batchrun retry latest`, and where that says that the run is not done, `batchrun collect` as it hints. */
export const retry: Command = async (engine, lab): Promise<DriveEnd | 'nothing'> => {
  const latest = (await engine.store.runs()).at(-1);
  if (latest?.state !== 'done') return collect(engine, lab);
  const driving = await tryDrive(engine, HOLDER, 0);
  if (!driving) throw new Error('nobody else can have the lock here');
  try {
    await recover(newSession(engine, driving.driver));
    await driving.driver.reopen(latest.id, ['failed', 'expired', 'canceled'], engine.clock.now());
    await driving.driver.letGo(new Set([latest.id]), engine.clock.now());
  } finally {
    await driving.lock.release();
  }
  return collect(engine, lab);
};

export interface Scenario {
  readonly name: string;
  readonly setup: LabSetup;
  /** What goes well before. */
  readonly prepare?: (lab: Lab) => Promise<void>;
  /** What is troubled, and then run again to its end. */
  readonly command: Command;
  /** Ways in which this row may end, by the type of its line (of `errored`, the error's type). */
  readonly ends: (row: LabRow) => readonly string[];
}

const SUCCEEDED = (): readonly string[] => ['succeeded'];

function rowsOf(count: number, change: (at: number) => Partial<LabRow> = () => ({})): LabRow[] {
  return Array.from({ length: count }, (_unused, at) => {
    const content = `question ${at}`;
    const params = { model: 'claude-haiku-5-5', max_tokens: 100, messages: [{ role: 'user', content }] };
    return { customId: `row-${at}`, params, ...change(at) };
  });
}

function setupOf(more: Partial<LabSetup> = {}): LabSetup {
  return {
    ...{ rows: rowsOf(8), chunkRows: 3, concurrency: 2, maxAttempts: 4, maxBatches: 10 },
    ...{ retryLane: 'auto', errors: false, sim: {}, ...more },
  };
}

const ALL_ERRORED = { errorRate: 1, errorTypes: { api_error: 1 } } as const;

export const PLAIN: Scenario = {
  name: 'three chunks',
  setup: setupOf(),
  command: run,
  ends: SUCCEEDED,
};

/** As small as it can be and still have something before and after each chunk: for loops in loops. */
export const SMALL: Scenario = {
  name: 'two chunks',
  setup: setupOf({ rows: rowsOf(3), chunkRows: 2 }),
  command: run,
  ends: SUCCEEDED,
};

export const REALTIME: Scenario = {
  name: 'retries in realtime',
  setup: setupOf({ rows: rowsOf(4), chunkRows: 4, maxAttempts: 9, sim: { rates: ALL_ERRORED } }),
  prepare: async (lab) => lab.world.failNext('message.529', 2),
  command: run,
  ends: SUCCEEDED,
};

/** Two calls at once, whose answers are committed one after the other. */
export const TWO_CALLS: Scenario = {
  name: 'two calls in realtime',
  setup: setupOf({
    rows: rowsOf(2),
    maxAttempts: 9,
    sim: { rates: ALL_ERRORED, messageLatencyMs: [500, 500] },
  }),
  command: run,
  ends: SUCCEEDED,
};

export const RETRY_CHUNK: Scenario = {
  name: 'a retry chunk',
  setup: setupOf({ rows: rowsOf(4), chunkRows: 2, retryLane: 'batch', sim: { rates: ALL_ERRORED } }),
  prepare: async (lab) => {
    await lab.mustEnd(submit);
    lab.world.setRates({ errorRate: 0 });
  },
  command: collect,
  ends: SUCCEEDED,
};

export const SPLIT: Scenario = {
  name: 'creates split by 413',
  setup: setupOf({ rows: rowsOf(4), chunkRows: 4 }),
  prepare: async (lab) => lab.world.failNext('create.413', 2),
  command: run,
  ends: SUCCEEDED,
};

const REFUSED: Scenario = {
  name: 'a row refused by 400',
  setup: setupOf({
    rows: rowsOf(3, (at) => (at === 1 ? { smuggled: { speed: 'fast' } } : {})),
    sim: { switches: { unsupportedParams: 'sync' } },
  }),
  command: run,
  ends: (row) => [row.smuggled ? 'batchrun_refused_invalid_request_error' : 'succeeded'],
};

const CANCEL: Scenario = {
  name: 'a cancel',
  setup: setupOf({ maxBatches: 2 }),
  prepare: async (lab) => {
    await lab.mustEnd(submit);
  },
  command: cancel,
  ends: () => ['succeeded', 'canceled'],
};

const RETRY: Scenario = {
  name: 'retry of a finished run',
  setup: setupOf({ rows: rowsOf(4), maxAttempts: 1, errors: true, sim: { rates: ALL_ERRORED } }),
  prepare: async (lab) => {
    await lab.mustEnd(run);
    lab.world.setRates({ errorRate: 0 });
  },
  command: retry,
  ends: SUCCEEDED,
};

const EXPIRED: Scenario = {
  name: 'rows expired and canceled',
  setup: setupOf({ rows: rowsOf(6), maxAttempts: 2, retryLane: 'batch', sim: { rates: { expireRate: 0.4 } } }),
  prepare: async (lab) => lab.world.failNext('batch.canceled_by_other', 1),
  command: run,
  ends: () => ['succeeded', 'expired', 'canceled'],
};

/** Its batches would take longer than there is time; a second one is released before it was uploaded. */
const DEADLINE: Scenario = {
  name: 'a deadline that batches would miss',
  setup: setupOf({
    ...{ rows: rowsOf(6), chunkRows: 2, maxBatches: 2, deadlineAfterMs: 8 * 60_000 },
    sim: { batchDurationMs: [20 * 60_000, 30 * 60_000] },
  }),
  prepare: async (lab) => {
    await lab.mustEnd(submit);
  },
  command: collect,
  ends: SUCCEEDED,
};

const FORCED: Scenario = {
  name: 'everything in realtime',
  setup: setupOf({ rows: rowsOf(5), chunkRows: 2, lane: 'realtime' }),
  command: run,
  ends: SUCCEEDED,
};

const SHARED = {
  model: 'claude-opus-5-5',
  system: [{ type: 'text', text: 'shared\n'.repeat(400), cache_control: { type: 'ephemeral', ttl: '1h' } }],
} as const;
const TURN = [{ role: 'user', content: [{ type: 'text', text: '.' }] }];

/** Rows with a mark for the prompt cache: it is warmed before the first of their batches. */
const CACHED: Scenario = {
  name: 'a prompt cache that is warmed',
  setup: setupOf({
    rows: rowsOf(7, (at) => ({ params: { ...SHARED, max_tokens: 9, messages: [{ role: 'user', content: `${at}` }] } })),
    cache: {
      ...{ mode: '1h', refused: [], declined: null },
      prefixes: [{ key: readMarkedRow(SHARED)?.key ?? '', model: SHARED.model, ttl: '1h', tokens: 700 }],
    },
    warmUps: [0, 1].map((maxTokens) => {
      return { model: SHARED.model, max_tokens: maxTokens, system: SHARED.system, messages: TURN };
    }),
    sim: { messageLatencyMs: [500, 500] },
  }),
  command: run,
  ends: SUCCEEDED,
};

const DEDUPED = { dedupe: true, reuse: false } as const;

/** Every question twice, and three times; each in another chunk. */
export const DEDUPE: Scenario = {
  name: 'rows that take the answers of others',
  setup: setupOf({ rows: rowsOf(8, (at) => asking(at % 3)), chunkRows: 2, coalesce: DEDUPED }),
  command: run,
  ends: SUCCEEDED,
};

/** What failed is asked once again, for all who asked. */
const DEDUPE_RETRY: Scenario = {
  name: 'retry of rows that take the answers of others',
  setup: setupOf({
    ...{ rows: rowsOf(6, (at) => asking(at % 2)), chunkRows: 2, coalesce: DEDUPED, maxAttempts: 1, errors: true },
    ...{ retryLane: 'batch', sim: { rates: ALL_ERRORED } },
  }),
  prepare: async (lab) => {
    await lab.mustEnd(run);
    lab.world.setRates({ errorRate: 0 });
  },
  command: retry,
  ends: SUCCEEDED,
};

const DEDUPE_CANCEL: Scenario = {
  name: 'a cancel of rows that take the answers of others',
  setup: setupOf({ rows: rowsOf(8, (at) => asking(at % 4)), chunkRows: 2, maxBatches: 1, coalesce: DEDUPED }),
  prepare: async (lab) => {
    await lab.mustEnd(submit);
  },
  command: cancel,
  ends: () => ['succeeded', 'canceled'],
};

function asking(question: number): Partial<LabRow> {
  return { params: rowsOf(question + 1)[question]?.params ?? {} };
}

export const ERRORS_FILE: Scenario = {
  name: 'output and errors file',
  setup: setupOf({
    // A row that cannot be sent, an id twice, and a chunk of its own for a beta.
    rows: rowsOf(7, (at) => {
      if (at === 2) return { params: { model: 'claude-haiku-5-5' } };
      if (at === 5) return { customId: 'row-1' };
      return at === 6 ? { betas: ['beta-a-2026-01-01'] } : {};
    }),
    errors: true,
    sim: { rates: { errorRate: 0.5, errorTypes: { invalid_request_error: 1 } } },
  }),
  command: run,
  ends: (row) => {
    if (!('messages' in row.params)) return ['batchrun_missing_param'];
    return row.customId === 'row-1'
      ? ['succeeded', 'invalid_request_error', 'batchrun_duplicate_id']
      : ['succeeded', 'invalid_request_error'];
  },
};

export const SCENARIOS: readonly Scenario[] = [
  ...[PLAIN, REALTIME, RETRY_CHUNK, SPLIT, REFUSED, CANCEL, RETRY, EXPIRED, DEADLINE, FORCED, CACHED, ERRORS_FILE],
  ...[DEDUPE, DEDUPE_RETRY, DEDUPE_CANCEL],
];
