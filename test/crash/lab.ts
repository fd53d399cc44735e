/**
 * The machine that the exhaustive loops of this folder break at every point in turn: the real engine on the real ledger,
 * with the simulated API, files in memory and a virtual clock. Ledger, files and API outlive each process.
 *
 * Unlike the seeds of test/sim nothing is drawn here: one scenario, one trouble at a known place, and then the same
 * command once more.
 */
import { Writable } from 'node:stream';
import { connectAnthropic } from '../../src/adapters/anthropic/api.ts';
import { compileSchema } from '../../src/adapters/schema/compile.ts';
import { createFormatter, errorsLine } from '../../src/adapters/sinks/formatter.ts';
import { Db } from '../../src/adapters/sqlite/db.ts';
import { openDatabase } from '../../src/adapters/sqlite/kept.ts';
import { storeOn } from '../../src/adapters/sqlite/store.ts';
import { armFailpoints, type FailpointName } from '../../src/base/failpoint.ts';
import { silentLogger } from '../../src/base/log.ts';
import { seededRng } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { CacheSettings } from '../../src/domain/cache/settings.ts';
import type { Coalescing, LaneMode, RetryLaneMode } from '../../src/domain/model.ts';
import type { Files } from '../../src/domain/ports.ts';
import type { Store } from '../../src/domain/store.ts';
import type { ApiEngine } from '../../src/engine/engine.ts';
import type { DriveEnd } from '../../src/engine/runner.ts';
import { simFetch } from '../../src/tools/sim/fetch.ts';
import type { SimOptions } from '../../src/tools/sim/options.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';
import { Crash, fenced, fencedStore, Life, MemoryLocks } from '../sim/fence.ts';
import { createMemoryFiles, type MemoryDisk } from '../support/memory-files.ts';
import { tapFiles, tapStore, type Tap } from './taps.ts';

export const OUTPUT = '/out/results.jsonl';
export const ERRORS = '/out/errors.jsonl';
const ORIGIN = 'http://sim.test';
const HOUR_MS = 3_600_000;
/** A command that takes longer on the virtual clock than this is stopped, and that is a failure. */
const COMMAND_MS_MAX = 3 * HOUR_MS;

export interface LabRow {
  readonly customId: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly betas?: readonly string[];
  /** What only the API finds fault with: put into the params after the checks of our own. */
  readonly smuggled?: Readonly<Record<string, unknown>>;
}

export interface LabSetup {
  readonly rows: readonly LabRow[];
  readonly chunkRows: number;
  readonly concurrency: number;
  readonly maxAttempts: number;
  readonly maxBatches: number;
  readonly retryLane: RetryLaneMode;
  /** Ask for the file of rows that did not succeed. */
  readonly errors: boolean;
  readonly sim: SimOptions;
  /** The lane that is forced, and how long after the submit the results are needed. */
  readonly lane?: LaneMode;
  readonly deadlineAfterMs?: number;
  /** What rows with a mark for the prompt cache share, so that it is warmed. */
  readonly cache?: CacheSettings;
  /** The calls that do that: requests that are no row. */
  readonly warmUps?: readonly LabRow['params'][];
  readonly coalesce?: Coalescing;
}

/** A command as the command line would carry it out, on one engine. */
export type Command = (engine: ApiEngine, lab: Lab) => Promise<DriveEnd | 'nothing'>;

/** What became of a process: its command came to an end, failed, or died with it. */
export type Outcome =
  | { readonly kind: 'ended'; readonly end: DriveEnd | 'nothing' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'died' };

/** How a process is troubled: a hand on its ports, and on its failpoints. Both may let it die. */
export interface Trouble {
  readonly tap?: Tap;
  readonly atFailpoint?: (name: FailpointName) => void;
}

const shared = new Db(':memory:');

/** Those that others refer to come first. */
function tablesOf(db: Db): string[] {
  const tables = db.all<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid");
  return tables.map(({ name }) => name);
}

function emptied(db: Db): Db {
  for (const name of tablesOf(db).reverse()) db.run(`DELETE FROM ${name}`);
  return db;
}

/** A database file of small pages, so that there are many places at which the next one is missing. */
export function smallPages(file: string): string {
  const database = openDatabase(file, {});
  database.exec('PRAGMA page_size = 512; CREATE TABLE page (size); DROP TABLE page');
  database.close();
  return file;
}

/** Whole milliseconds, as the machine's own clock gives them. */
class WholeClock extends VirtualClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(Math.ceil(ms), signal);
  }
}

/** The ledger and the files at one time, to begin there again and again. The world and its clock go on. */
export interface Snapshot {
  readonly tables: readonly (readonly [name: string, rows: readonly Record<string, string | number | null>[]])[];
  readonly files: ReadonlyMap<string, Buffer>;
  readonly batchCount: number;
  readonly messageCount: number;
}

export class Lab {
  readonly setup: LabSetup;
  readonly clock: VirtualClock = new WholeClock();
  readonly world: SimWorld;
  readonly disk: MemoryDisk;
  readonly locks = new MemoryLocks();
  readonly requests: string[] = [];
  /** What a judge saw while the engine was at work. */
  readonly violations: string[] = [];
  crashes = 0;
  /** Files that the last process had begun when it ended, neither whole nor thrown away. */
  unfinished: readonly string[] = [];
  db: Db;
  store: Store;
  #life = new Life();
  #lives = 0;
  /** What the world did between a snapshot and the return to it has not happened, for the judges. */
  #undone = { batches: [0, 0], messages: [0, 0] };

  /** Without a database of its own it takes the one of this file, emptied: opening and preparing cost more than a run. */
  constructor(setup: LabSetup, db = emptied(shared)) {
    this.setup = setup;
    this.db = db;
    this.store = storeOn(db);
    this.disk = createMemoryFiles({ keepsTemporaries: true });
    this.disk.makeFolder('/out');
    this.world = createSimWorld(
      { seed: 1, batchDurationMs: [4_000, 9_000], messageLatencyMs: [300, 1_500], ...setup.sim },
      this.clock,
    );
  }

  /** Another connection to the same ledger, as a new process opens it. */
  useDb(db: Db): void {
    this.db = db;
    this.store = storeOn(db);
  }

  /** What the API made and executed in the history that counts. */
  get paid(): Pick<SimWorld['ledger'], 'batches' | 'messages'> {
    const { batches, messages } = this.#undone;
    const counts = ([from = 0, to = 0]: readonly number[], at: number): boolean => at < from || at >= to;
    return {
      batches: this.world.ledger.batches.filter((_batch, at) => counts(batches, at)),
      messages: this.world.ledger.messages.filter((_message, at) => counts(messages, at)),
    };
  }

  snapshot(): Snapshot {
    return {
      tables: tablesOf(this.db).map((name) => [name, this.db.all(`SELECT * FROM ${name}`)]),
      files: this.disk.contents(),
      batchCount: this.world.ledger.batches.length,
      messageCount: this.world.ledger.messages.length,
    };
  }

  restore({ tables, files, batchCount, messageCount }: Snapshot): void {
    emptied(this.db);
    for (const [name, rows] of tables) {
      for (const row of rows) {
        const values = Object.values(row);
        this.db.run(`INSERT INTO ${name} VALUES (${values.map(() => '?').join(', ')})`, ...values);
      }
    }
    for (const path of this.disk.contents().keys()) if (!files.has(path)) this.disk.put(path, null);
    for (const [path, bytes] of files) this.disk.put(path, bytes);
    const { ledger } = this.world;
    this.#undone = {
      batches: [batchCount, ledger.batches.length],
      messages: [messageCount, ledger.messages.length],
    };
  }

  /** The process that runs now dies: by a kill, or because the power goes and takes what was not synced. */
  die(where: string, by: 'kill' | 'power' = 'power'): never {
    if (!this.#life.dead) {
      this.#life.die(where);
      this.crashes++;
      if (by === 'power') this.disk.crash();
      else this.disk.exit();
    }
    throw new Crash(where);
  }

  /** Runs one command in a process of its own, to its end or its death. */
  async run(command: Command, trouble: Trouble = {}): Promise<Outcome> {
    const life = new Life();
    this.#life = life;
    const stop = new AbortController();
    const over = new AbortController();
    const engine = await this.#engine({ life, stop: stop.signal, tap: trouble.tap });
    void this.clock.sleep(COMMAND_MS_MAX, over.signal).then(() => {
      if (!over.signal.aborted) stop.abort();
    });
    armFailpoints(trouble.atFailpoint);
    try {
      const done = command(engine, this).then(
        (end): Outcome => ({ kind: 'ended', end }),
        (error: unknown): Outcome => ({ kind: 'failed', error }),
      );
      const died = life.died.then((): Outcome => ({ kind: 'died' }));
      return await this.clock.run(Promise.race([died, done]));
    } finally {
      armFailpoints(undefined);
      over.abort();
      // What is left of an ended process must not go on writing.
      if (!life.dead) {
        this.unfinished = this.disk.unfinished();
        this.disk.exit();
      }
      life.die('the process has ended');
    }
  }

  /** Runs a command that nothing troubles; it must come to its end. */
  async mustEnd(command: Command): Promise<DriveEnd | 'nothing'> {
    const outcome = await this.run(command);
    if (outcome.kind === 'ended') return outcome.end;
    throw outcome.kind === 'failed' ? outcome.error : new Error('it died without trouble');
  }

  async #engine(process: { life: Life; stop: AbortSignal; tap: Tap | undefined }): Promise<ApiEngine> {
    const { life, stop, tap } = process;
    const { clock, setup } = this;
    const plain = this.disk.files();
    const files: Files = fenced(tap ? tapFiles(plain, tap) : plain, life);
    const { api } = await connectAnthropic({
      files,
      clock,
      apiKey: 'sk-ant-sim',
      baseURL: ORIGIN,
      stderr: new Writable({ write: (_chunk, _encoding, done) => done() }),
      fetch: this.#fetch(life),
    });
    return {
      store: fencedStore(tap ? tapStore(this.store, tap) : this.store, life),
      files,
      locks: this.locks.port(life),
      clock,
      rng: seededRng(`engine|${this.#lives++}`),
      log: silentLogger,
      formats: { formatter: createFormatter, errorsLine },
      schemas: { compile: compileSchema },
      openOutput: (path) => files.create(path),
      emit: (event) => {
        if (event.kind === 'changed' && !life.dead) this.violations.push(...wrongCounters(this.db));
      },
      signal: stop,
      api: fenced(api, life),
      pacing: {
        maxBatches: setup.maxBatches,
        concurrency: setup.concurrency,
        pollIntervalMs: 5_000,
        reconcileGraceMs: 20_000,
        giveUpMs: HOUR_MS,
      },
    };
  }

  /** A dead process sends nothing more; what is under way then is the world's business. */
  #fetch(life: Life): typeof fetch {
    const inner = simFetch(this.world);
    return async (input, init) => {
      life.alive();
      const url = input instanceof Request ? input.url : input;
      this.requests.push(`${init?.method ?? 'GET'} ${new URL(url).pathname}`);
      return inner(input, init);
    };
  }
}

/**
 * Counters are kept, never counted: here they are counted, from the chunks and the rows that have records of their own.
 * Every state that a process leaves, at whatever instant, must add up.
 */
export function wrongCounters(db: Db): string[] {
  const counted = `
    (SELECT coalesce(sum(row_count), 0) FROM chunks c WHERE c.run_id = r.id AND state = 'sealed')`;
  const inBatch = `(SELECT coalesce(sum(row_count), 0) FROM chunks c WHERE c.run_id = r.id
    AND state IN ('submitting', 'uncertain', 'submitted', 'ended'))`;
  const inState = (state: string): string =>
    `(SELECT count(*) FROM rows w WHERE w.run_id = r.id AND w.state = '${state}')`;
  const sum =
    'row_waiting+row_in_batch+row_retry+row_in_realtime+row_succeeded+row_failed+row_expired+row_canceled+row_invalid';
  const wrong = db.all<Record<string, string | number>>(
    `SELECT id, total_rows, ${sum} AS rows_in_all, row_waiting, row_in_batch, row_retry, row_in_realtime,
       ${counted} AS sealed, ${inBatch} AS in_batch, ${inState('retry')} AS retry, ${inState('in_realtime')} AS realtime
     FROM runs r WHERE state <> 'ingesting' AND (${sum} <> total_rows OR row_waiting <> ${counted}
       OR row_in_batch <> ${inBatch} OR row_retry <> ${inState('retry')} OR row_in_realtime <> ${inState('in_realtime')})`,
  );
  return wrong.map((run) => `the counters do not add up: ${JSON.stringify(run)}`);
}
