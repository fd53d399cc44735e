/**
 * Bugs that cost money or rows, planted between the engine and its ports. Each is one that a program of this kind has
 * had, or could have; canary.test.ts shows that the judges of the simulation catch it.
 */
import { BatchrunError, isBatchrunError } from '../../src/base/errors.ts';
import { requestCount, type AttemptRecord, type BatchInfo, type RowState } from '../../src/domain/model.ts';
import { tagOf } from '../../src/domain/ids.ts';
import type { AppendLog, BatchApi, Files } from '../../src/domain/ports.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { AttemptStart } from '../../src/domain/store-steps.ts';
import { withPrefix } from './caching.ts';
import { piloted, pressing } from './canary-plans.ts';
import { bound } from './fence.ts';
import { OUTPUT, type Machine, type Sabotage } from './machine.ts';
import type { Plan } from './plan.ts';
import { schemaPlan } from './schema-runs.ts';

export interface Canary {
  readonly what: string;
  /** The first seed that caught it, when it was written. */
  readonly seed: number;
  readonly plant: () => Sabotage;
  /** Makes what the bug needs more frequent. The sound engine must come through all the same. */
  readonly sharpened?: (plan: Plan) => Plan;
  /** The sentence of the judge that has to catch it. */
  readonly caughtBy: RegExp;
}

const PAID_TWICE = /was accepted in|does not know it/;

const TWO_WORKSPACES = { second: 'workspace', revokeRate: 0, silent: false } as const;

/** The same store, whose driver has some steps of its own. */
function withDriver(store: Store, change: (driver: DriverStore) => Partial<DriverStore>): Store {
  return {
    ...bound(store),
    takeOver: async (holder) => {
      const driver = await store.takeOver(holder);
      return { ...bound(driver), ...change(driver) };
    },
  };
}

/** A create that is sent again by itself when its answer is lost, as the SDK does with its retries left on. */
async function createTwice(api: BatchApi, upload: Parameters<BatchApi['createBatch']>[0]): Promise<BatchInfo> {
  try {
    return await api.createBatch(upload);
  } catch (error) {
    if (!isBatchrunError(error, 'E_API')) throw error;
    return api.createBatch(upload);
  }
}

/** Ports that belong to nobody: what a dead process does through them still counts. */
function zombies(): Sabotage {
  let newest: DriverStore | undefined;
  return {
    zombies: true,
    store: (store) => ({
      ...bound(store),
      takeOver: async (holder) => {
        newest = await store.takeOver(holder);
        return new Proxy(newest, { get: (mine, key) => Reflect.get(newest ?? mine, key) as unknown });
      },
    }),
    files: (_files, machine) =>
      new Proxy({} as Files, { get: (_none, key) => Reflect.get(machine.disk.files(), key) as unknown }),
  };
}

/** A driver that lost its lock writes with the epoch of the one that has it. */
function borrowedEpoch(): Sabotage {
  const newest = new WeakMap<Machine, DriverStore>();
  return {
    store: (store, machine) => ({
      ...bound(store),
      takeOver: async (holder) => {
        const driver = await store.takeOver(holder);
        newest.set(machine, driver);
        return new Proxy(driver, {
          get: (mine, key) => Reflect.get(newest.get(machine) ?? mine, key) as unknown,
        });
      },
    }),
  };
}

/** A download that ends early is taken for whole: what did not come counts as expired, and is paid again. */
function believingShortFiles(): Sabotage {
  const told = new Map<string, BatchInfo['counts']>();
  return {
    store: (store: Store, _machine: Machine) => ({
      ...bound(store),
      batch: async (id) => {
        const batch = await store.batch(id);
        return batch && Object.defineProperty({ ...batch }, 'counts', { get: () => told.get(id) ?? batch.counts });
      },
    }),
    api: (api) => {
      const streamResults = async function* (batch: BatchInfo, signal: AbortSignal): AsyncGenerator<Buffer> {
        const pieces: Buffer[] = [];
        for await (const piece of api.streamResults(batch, signal)) pieces.push(piece);
        const lines = Buffer.concat(pieces)
          .toString()
          .split('\n')
          .filter((line) => line.endsWith('}'));
        const { text, counts } = padded(lines, requestCount(batch.counts));
        told.set(batch.id, counts);
        yield Buffer.from(text);
      };
      return { ...bound(api), streamResults };
    },
  };
}

function padded(lines: readonly string[], rowCount: number): { text: string; counts: BatchInfo['counts'] } {
  const parsed = lines.map(
    (line) => JSON.parse(line) as { custom_id: string; result: { type: keyof BatchInfo['counts'] } },
  );
  const seen = new Set(parsed.map((line) => line.custom_id));
  const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  for (const { result } of parsed) counts[result.type]++;
  const stem = parsed[0]?.custom_id.replace(/\d+$/, '');
  const all = [...lines];
  for (let index = 0; index < (stem === undefined ? 0 : rowCount); index++) {
    if (seen.has(`${stem}${index}`)) continue;
    all.push(JSON.stringify({ custom_id: `${stem}${index}`, result: { type: 'expired' } }));
    counts.expired++;
  }
  return { text: all.map((line) => `${line}\n`).join(''), counts };
}

/** The attempt is written down only when its answer is there: a process that dies between leaves no trace of it. */
function noIntent(): Sabotage {
  return {
    store: (store) =>
      withDriver(store, (driver) => {
        const started = new Map<number, AttemptStart>();
        let next = 0;
        const written = async (attemptId: number): Promise<number> => {
          const start = started.get(attemptId);
          if (!start) return attemptId;
          started.delete(attemptId);
          const real = await driver.recordAttempt(start);
          if (real !== null) await driver.recordBodyComplete(real);
          return real ?? attemptId;
        };
        const late =
          <S extends { readonly attemptId: number }, R>(step: (given: S) => Promise<R>) =>
          async (given: S): Promise<R> =>
            step({ ...given, attemptId: await written(given.attemptId) });
        return {
          recordAttempt: async (start) => {
            started.set(--next, start);
            return next;
          },
          recordBodyComplete: async () => undefined,
          recordCreated: late((given) => driver.recordCreated(given)),
          recordNotCreated: late((given) => driver.recordNotCreated(given)),
          recordUncertain: late((given) => driver.recordUncertain(given)),
          recordSplit: late((given) => driver.recordSplit(given)),
          recordRefused: late((given) => driver.recordRefused(given)),
        };
      }),
  };
}

/** A batch of the right size is taken for the one that is looked for, whatever its results say. */
function adoptedWithoutProof(): Sabotage {
  return {
    api: (api, machine) => {
      const streamResults = async function* (batch: BatchInfo, signal: AbortSignal): AsyncGenerator<Buffer> {
        const known = (await machine.store.batch(batch.id)) !== null;
        const attempt = known ? undefined : doubtful(machine, requestCount(batch.counts));
        if (!attempt) {
          yield* api.streamResults(batch, signal);
          return;
        }
        const wireId = `${tagOf(attempt.run_id)}-${attempt.chunk_no}-0`;
        yield Buffer.from(`${JSON.stringify({ custom_id: wireId, result: { type: 'expired' } })}\n`);
      };
      return { ...bound(api), streamResults };
    },
  };
}

function doubtful({ db }: Machine, rowCount: number): { run_id: string; chunk_no: number } | undefined {
  const state: AttemptRecord['state'] = 'uncertain';
  return db.get('SELECT run_id, chunk_no FROM attempts WHERE state = ? AND row_count = ?', state, rowCount);
}

/** All waits, and the age of a doubt, by the clock on the wall of the machine. */
function clockBelieved(): Sabotage {
  return {
    clock: (clock) => ({
      now: () => clock.now(),
      monotonicMs: () => clock.now(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
    }),
    api: (api, machine) => ({
      ...bound(api),
      listBatches: async (options) => ({ ...(await api.listBatches(options)), serverTimeMs: machine.clock.now() }),
    }),
  };
}

/** A log that forgets to sync. */
function lazyLog(log: AppendLog): AppendLog {
  return {
    get bytes() {
      return log.bytes;
    },
    append: (data) => log.append(data),
    sync: async () => undefined,
    close: () => log.close(),
  };
}

/** The output stands under its name while it is being written. */
function outputInPlace(files: Files): Files {
  return {
    ...bound(files),
    create: async (path) => {
      if (path !== OUTPUT) return files.create(path);
      const log = await files.openAppend(path, 0);
      return {
        get bytes() {
          return log.bytes;
        },
        write: (data) => log.append(data),
        commit: () => log.sync(),
        abort: () => log.close(),
      };
    },
  };
}

/** Whichever key a create went out with, the first one's workspace is written down. */
function workspaceMixedUp(): Sabotage {
  let first: string | undefined;
  return {
    store: (store) =>
      withDriver(store, (driver) => ({
        recordAttempt: (start) => {
          first ??= start.workspace;
          return driver.recordAttempt({ ...start, workspace: first });
        },
      })),
  };
}

export const CANARIES: readonly Canary[] = [
  {
    what: 'a create without an answer is taken for one that made nothing',
    seed: 10,
    plant: () => ({
      store: (store) => withDriver(store, (driver) => ({ recordUncertain: (step) => driver.recordNotCreated(step) })),
    }),
    caughtBy: PAID_TWICE,
  },
  {
    what: 'a process that died while it sent is taken for one that sent nothing',
    seed: 68,
    plant: () => ({
      store: (store) =>
        withDriver(store, (driver) => ({
          openAttempts: async () =>
            (await driver.openAttempts()).map((attempt) => ({ ...attempt, bodyComplete: false })),
        })),
    }),
    caughtBy: PAID_TWICE,
  },
  { what: 'no intent is written down before a create', seed: 25, plant: noIntent, caughtBy: PAID_TWICE },
  {
    what: 'the retries of the SDK are left on for creates',
    seed: 10,
    plant: () => ({ api: (api) => ({ ...bound(api), createBatch: (upload) => createTwice(api, upload) }) }),
    caughtBy: PAID_TWICE,
  },
  {
    what: 'a batch of the right size is taken for ours without proof',
    seed: 5,
    plant: adoptedWithoutProof,
    caughtBy: /was taken for ours|does not come to its end|does not know it|was accepted in/,
  },
  {
    what: 'a process goes on writing after its crash',
    seed: 1,
    plant: zombies,
    caughtBy: /died of|was accepted in|not know it/,
  },
  {
    what: 'a driver that lost its lock is not fenced',
    seed: 2,
    plant: borrowedEpoch,
    caughtBy: /died of|was accepted in|does not know it|were open|open batches|paid again|does not come to its end/,
  },
  {
    what: 'a short download is believed',
    seed: 23,
    plant: believingShortFiles,
    caughtBy: /was accepted in|output tokens/,
  },
  {
    what: 'a row counts as done before its line is durable',
    seed: 5,
    plant: () => ({
      files: (files) => ({
        ...bound(files),
        openAppend: async (path, committed) => lazyLog(await files.openAppend(path, committed)),
      }),
    }),
    caughtBy: /were committed|died of|does not come to its end/,
  },
  {
    what: 'the output grows under its own name',
    seed: 1163,
    plant: () => ({ files: (files) => outputInPlace(files) }),
    caughtBy: /after a crash the output has/,
  },
  {
    what: 'retry-after is not listened to',
    seed: 32,
    plant: () => ({
      api: (api) => ({
        ...bound(api),
        createMessage: async (call) => {
          try {
            return await api.createMessage(call);
          } catch (error) {
            throw deaf(error);
          }
        },
      }),
    }),
    caughtBy: /before the retry-after was over/,
  },
  {
    what: 'a create is looked for in the workspace of another key',
    seed: 11,
    plant: workspaceMixedUp,
    sharpened: (plan) => ({
      ...plan,
      faults: { ...plan.faults, 'create.504_after': 0.4 },
      troubles: { ...plan.troubles, lagsBeyondGrace: false, keys: TWO_WORKSPACES },
    }),
    caughtBy: PAID_TWICE,
  },
  {
    what: 'the grace of a doubt goes by a clock that people set',
    seed: 3,
    plant: clockBelieved,
    sharpened: (plan) => ({
      ...plan,
      listLagMs: Math.floor(plan.graceMs * 0.9),
      faults: { ...plan.faults, 'list.lag': 0.8, 'create.504_after': 0.4 },
      troubles: { ...plan.troubles, clockStepRate: 0.9, lagsBeyondGrace: false },
    }),
    caughtBy: PAID_TWICE,
  },
  {
    what: 'a batch is stopped for a deadline, and nothing says so',
    seed: 1,
    plant: () => ({ store: (store) => withDriver(store, () => ({ recordHurried: async () => undefined })) }),
    sharpened: pressing,
    caughtBy: /it is canceled, and nobody canceled anything/,
  },
  {
    what: 'rows are called for a deadline although a batch of theirs may have been made',
    seed: 98,
    plant: () => ({
      store: (store) => withDriver(store, (driver) => ({ recordUncertain: (step) => driver.recordNotCreated(step) })),
    }),
    sharpened: (plan) => {
      const calm = pressing(plan);
      return { ...calm, crashRate: 0, faults: { 'create.504_after': 0.7 }, rates: {} };
    },
    caughtBy: /might still answer for it|were paid again in realtime/,
  },
  {
    what: 'nobody asks the limiter before a call',
    seed: 17,
    plant: () => ({
      limiter: (limiter) => ({
        ...limiter,
        take: async () => ({ kind: 'taken', marks: {} }),
      }),
    }),
    sharpened: (plan) => {
      const limits = { rpm: 6, itpm: 20_000, otpm: 20_000, shared: true };
      const troubles = { ...plan.troubles, limits, lane: 'realtime', budget: null } as const;
      return { ...plan, lives: 1, crashRate: 0, concurrency: 3, troubles };
    },
    caughtBy: /calls ran into the limits/,
  },
  {
    what: 'the budget forgets the batches that are under way',
    seed: 115,
    plant: () => ({
      store: (store) => ({
        ...bound(store),
        // What the budget looks at: chunks whose batch is open, or lost with what it cost.
        chunks: async (runId, filter) => (filter?.states?.includes('lost') === true ? [] : store.chunks(runId, filter)),
      }),
    }),
    sharpened: (plan) => {
      const troubles = { ...plan.troubles, budget: 0.02, lagsBeyondGrace: false };
      const rows = plan.rows.map((row) => ({ ...row, params: { ...row.params, max_tokens: 4 } }));
      return { ...plan, rows, chunkRows: 2, maxBatches: 6, troubles };
    },
    caughtBy: /the budget was/,
  },
  {
    what: 'answers beside the schema pass for good ones',
    seed: 4,
    plant: () => ({ schemas: { compile: () => Promise.resolve(() => null) } }),
    sharpened: (plan) => schemaPlan(plan, 'fail', 0.7),
    caughtBy: /its answer does not follow the schema/,
  },
  {
    what: 'a row whose answer does not follow the schema is asked again without end',
    seed: 3,
    plant: () => ({
      store: (store) =>
        withDriver(store, (driver) => ({
          checkpointCollected: (step) =>
            driver.checkpointCollected({ ...step, rows: step.rows.map((row) => ({ ...row, attempts: 0 })) }),
        })),
    }),
    sharpened: (plan) => {
      const troubles = { ...plan.troubles, diskFullRate: 0, takeoverRate: 0, stopRate: 0, retry: null, budget: null };
      const calm = {
        ...plan,
        rows: plan.rows.slice(0, 6),
        faults: {},
        rates: {},
        cancelRate: 0,
        crashRate: 0,
        besideRate: 0,
        retryTruncated: 0,
      };
      const quick = {
        ...calm,
        lives: 3,
        maxAttempts: 2,
        retryLane: 'batch',
        batchDurationMs: [5_000, 10_000],
      } as const;
      return schemaPlan({ ...quick, troubles: { ...troubles, lagsBeyondGrace: false, lane: 'batch' } }, 'retry', 1);
    },
    caughtBy: /was asked again after/,
  },
  {
    what: 'nobody writes down that the cache is warm, nor what that cost',
    seed: 1,
    plant: () => ({ store: (store) => withDriver(store, () => ({ settleWarmUp: async () => undefined })) }),
    sharpened: (plan) => {
      const troubles = { ...plan.troubles, limits: null, lane: 'batch', deadlineAfterMs: null } as const;
      return { ...plan, cache: '1h', rows: withPrefix(plan.rows, plan.seed), chunkRows: 12, troubles };
    },
    caughtBy: /came too early|the ledger knows/,
  },
  {
    what: 'a pilot counts as over while its rows wait for their answers',
    seed: 1,
    plant: () => ({ store: (store) => blindTo(store, 'in_realtime') }),
    sharpened: (plan) => piloted(plan, null),
    caughtBy: /of the pilot (had no answer when|was called after)/,
  },
  {
    what: 'a pilot that was refused counts as passed',
    seed: 1,
    plant: () => ({ store: (store) => blindTo(store, 'failed') }),
    sharpened: (plan) => piloted(plan, 0),
    caughtBy: /although the pilot was refused|of the pilot was refused, and yet/,
  },
];

/** A ledger that shows no rows in this state, and in no other where it was asked for more than one. */
function blindTo(store: Store, state: RowState): Store {
  return {
    ...bound(store),
    rowRecords: async (runId, filter) =>
      filter.states?.includes(state) === true ? [] : store.rowRecords(runId, filter),
  };
}

/** The same failure without the wait that the API asks for. */
function deaf(error: unknown): unknown {
  if (!isBatchrunError(error, 'E_API')) return error;
  const failure = { ...(error.details['failure'] as object), retryAfterMs: null };
  return new BatchrunError('E_API', error.message, { details: { ...error.details, failure } });
}
