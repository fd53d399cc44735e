/**
 * One machine of a simulation: a ledger, a disk, locks and a clock of its own, which outlive every crash, and
 * incarnations of the real engine that do not.
 */
import { Writable } from 'node:stream';
import { createFormatter, errorsLine } from '../../src/adapters/sinks/formatter.ts';
import { connectAnthropic } from '../../src/adapters/anthropic/api.ts';
import { Db } from '../../src/adapters/sqlite/db.ts';
import { storeOn } from '../../src/adapters/sqlite/store.ts';
import type { Clock } from '../../src/base/clock.ts';
import { invariant } from '../../src/base/errors.ts';
import type { FailpointName } from '../../src/base/failpoint.ts';
import { silentLogger } from '../../src/base/log.ts';
import { seededRng } from '../../src/base/random.ts';
import type { SchemaCompiler } from '../../src/domain/answer-check.ts';
import type { BatchApi, Files } from '../../src/domain/ports.ts';
import type { Store } from '../../src/domain/store.ts';
import type { ApiEngine, KeyLink } from '../../src/engine/engine.ts';
import type { EngineEvent } from '../../src/engine/events.ts';
import { createLocalLimiter } from '../../src/domain/pacing/local-limiter.ts';
import type { Limiter } from '../../src/domain/pacing/limiter.ts';
import type { LedgerMessage } from '../../src/tools/sim/ledger.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import { createMemoryFiles, type MemoryDisk } from '../support/memory-files.ts';
import { epochGuard } from './epoch-guard.ts';
import { fenced, fencedStore, Life, MemoryLocks, type Fence } from './fence.ts';
import { filesOnDisk, FullDisk, storeOnDisk } from './full-disk.ts';
import type { Lab } from './lab.ts';
import { noteMoves, reopenings } from './moves.ts';
import { variantsOf, type Plan } from './plan.ts';
import { cachedReads } from './read-cache.ts';
import { SCHEMAS } from './schema-runs.ts';
import { identityOf, poolOf } from './sim-keys.ts';
import { SkewedClock } from './skewed-clock.ts';
import { slowly } from './slow-disk.ts';
import { Stdout } from './stdout.ts';
import { CallWatch, watchedFetch } from './watch.ts';

export const OUTPUT = '/out/results.jsonl';
export const OUTPUT_AGAIN = '/out/again.jsonl';
/** Opening a chunk's two files, and reading a request. */
const READS_BEFORE_CALL = 3;
/** What goes to stdout as data. */
const KINDS = { file: 'none', stdout: 'ordered', 'as-completed': 'as-completed' } as const;
const ORIGIN = 'http://sim.test';

/** Bugs that a canary plants between the engine and its ports. */
export interface Sabotage {
  readonly store?: (store: Store, machine: Machine) => Store;
  readonly api?: (api: BatchApi, machine: Machine) => BatchApi;
  readonly files?: (files: Files, machine: Machine) => Files;
  readonly clock?: (clock: Clock) => Clock;
  readonly schemas?: SchemaCompiler;
  readonly limiter?: (limiter: Limiter) => Limiter;
  /** Ports go on working after the crash of their incarnation. */
  readonly zombies?: boolean;
}

interface Connecting {
  readonly apiKey: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly watch: CallWatch;
  readonly fence: Fence;
}

export interface Incarnation {
  readonly machine: Machine;
  readonly life: Life;
  readonly engine: ApiEngine;
  readonly stop: AbortController;
  readonly stdout: Stdout;
  readonly watch: CallWatch;
}

/** Answers after which something may happen: a wait that was asked for, a create that may have made a batch. */
export type AnswerName = 'answer.429' | 'create.lost';

/** "Not made", as the program judged it: when, and how old the list was that it judged by. */
export interface NotMade {
  readonly runId: string;
  readonly chunkNo: number;
  readonly atMs: number;
  /** By workspace. */
  readonly listedAtMs: ReadonlyMap<string, number>;
}

export class Machine {
  readonly lab: Lab;
  readonly plan: Plan;
  /** Empty for the first machine, so that its streams of chance are what they were before there was a second. */
  readonly name: string;
  readonly clock: SkewedClock;
  readonly db = new Db(':memory:');
  readonly store: Store;
  readonly disk: MemoryDisk;
  readonly full: FullDisk;
  readonly locks = new MemoryLocks();
  readonly counts = {
    ...{ timeouts: 0, requests: 0, crashes: 0, stops: 0, clockSteps: 0, takeovers: 0, fenced: 0 },
    ...{ diskFullEnds: 0, besides: 0, cancels: 0, retries: 0, lives: 0, askedAgain: 0 },
    ...{ keysAside: 0, revocations: 0 },
    ...{ hurriedBatches: 0, releasedChunks: 0, lateSaid: 0, deviants: 0, deviantsAskedAgain: 0 },
    ...{ pilotsPassed: 0, pilotsRefused: 0 },
    ...{ copiedRows: 0, reusedRows: 0 },
  };
  /** Everything that any process printed on stdout. */
  readonly printed: Stdout[] = [];
  readonly notMade: NotMade[] = [];
  /** When batches were found to be ours that had not been told to us at their create. */
  readonly foundAtMs = new Map<string, number>();
  doneAtMs: number | null = null;
  /** When somebody took the budget away, so that the run comes to its end. */
  budgetRaisedAtMs: number | null = null;
  /** When somebody said to go on although the pilot was refused. */
  pilotLetGoAtMs: number | null = null;
  /** Commands that are reading the input, dead ones too: more than there are is no harm. */
  reading = 0;
  /** Full listings in the healed world. */
  readonly healedListings: { readonly atMs: number; readonly workspace: string }[] = [];
  /** Told of failpoints, which may throw, and of answers. */
  onMoment: ((name: FailpointName | AnswerName) => void) | null = null;
  readonly #sabotage: Sabotage;
  readonly #living = new Set<Life>();
  #started = 0;
  #hashes: ReadonlySet<string> | undefined;

  constructor(lab: Lab, plan: Plan, name: string, sabotage: Sabotage) {
    this.lab = lab;
    this.plan = plan;
    this.name = name;
    this.#sabotage = sabotage;
    const { clockWrongMs } = plan.troubles;
    // The second machine's clock is wrong the other way round.
    this.clock = new SkewedClock(lab.clock, name === '' ? clockWrongMs : -clockWrongMs);
    this.store = cachedReads(storeOn(this.db), this.db);
    noteMoves(this.db);
    this.disk = createMemoryFiles({ seed: plan.seed });
    this.disk.makeFolder('/out');
    this.full = new FullDisk(this.disk);
  }

  /** A key for a stream of chance of this machine. */
  stream(purpose: string): string {
    return `${purpose}|${this.plan.seed}`;
  }

  violation(text: string): void {
    this.lab.violation(this.name === '' ? text : `${this.name} machine: ${text}`);
  }

  hasRun(runId: string): boolean {
    return this.db.get('SELECT 1 FROM runs WHERE id = ?', runId) !== undefined;
  }

  /** What its rows may be sent as. Each is a request of its own: none is paid twice. */
  requestHashes(): ReadonlySet<string> {
    this.#hashes ??= new Set(this.plan.rows.flatMap((row) => variantsOf(this.plan, row)).map(paramsHashOf));
    return this.#hashes;
  }

  /** What was called for rows of this machine. */
  messages(): readonly LedgerMessage[] {
    const hashes = this.requestHashes();
    return this.lab.world.ledger.messages.filter((message) => hashes.has(message.paramsHash));
  }

  get generation(): number {
    return reopenings(this.db);
  }

  /** A new process with the same settings. */
  async start(): Promise<Incarnation> {
    const life = new Life();
    this.#living.add(life);
    const { lab, plan } = this;
    const nth = this.#started++;
    const sabotage = this.#sabotage;
    const clock = sabotage.clock?.(this.clock) ?? this.clock;
    const fence: Fence = sabotage.zombies === true ? { alive: () => undefined, frozen: null } : life;
    const disk = filesOnDisk(this.disk.files(), this.full);
    const slow = slowly(disk, lab.clock, { rng: seededRng(`${this.stream('disk')}|${nth}`), msMax: plan.diskMsMax });
    const files = fenced(sabotage.files?.(slow, this) ?? slow, fence);
    const watch = new CallWatch(this, plan.diskMsMax * READS_BEFORE_CALL);
    const pool = poolOf(plan.troubles.keys, { seed: `${this.stream('keys')}|${nth}`, healed: lab.isHealed });
    const [first, ...others] = pool.map((apiKey) => this.#connect({ apiKey, files, clock, watch, fence }));
    invariant(first, 'there is a key');
    const keys = [await first, ...(await Promise.all(others))] as const;
    const shared = sabotage.limiter?.(lab.limiter ?? createLocalLimiter(clock)) ?? lab.limiter;
    // What is shared outlives the process.
    const limiter = shared && { ...shared, close: () => Promise.resolve() };
    const stop = new AbortController();
    const stdout = new Stdout(KINDS[plan.troubles.output], this.generation);
    this.printed.push(stdout);
    const store = storeOnDisk(epochGuard(this.store, this), this.full);
    const engine: ApiEngine = {
      store: fencedStore(sabotage.store?.(store, this) ?? store, fence),
      files,
      locks: this.locks.port(life),
      clock,
      rng: seededRng(`${this.stream('engine')}|${nth}`),
      log: silentLogger,
      formats: { formatter: createFormatter, errorsLine },
      schemas: sabotage.schemas ?? SCHEMAS,
      openOutput: async (path) => (path === '-' ? stdout.writer(fence.alive) : files.create(path)),
      emit: (event) => this.#heard(process, event),
      signal: stop.signal,
      api: keys[0].api,
      keys,
      ...(limiter === null ? {} : { limiter }),
      pacing: {
        maxBatches: plan.maxBatches,
        concurrency: plan.concurrency,
        pollIntervalMs: 30_000,
        reconcileGraceMs: plan.graceMs,
        giveUpMs: 3_600_000,
      },
    };
    const process: Incarnation = { machine: this, life, engine, stop, stdout, watch };
    return process;
  }

  /** A key, and what the API says of it. */
  async #connect({ apiKey, files, clock, watch, fence }: Connecting): Promise<KeyLink> {
    const { api } = await connectAnthropic({
      ...{ files, clock, apiKey, baseURL: ORIGIN, fetch: watchedFetch(watch, apiKey) },
      stderr: new Writable({ write: (_chunk, _encoding, done) => done() }),
    });
    const fencedApi = fenced(this.#sabotage.api?.(api, this) ?? api, fence);
    return { api: fencedApi, label: apiKey, ...identityOf(this.plan.troubles.keys, apiKey) };
  }

  /** The process has come to its end by itself. */
  ended(process: Incarnation): void {
    this.#living.delete(process.life);
  }

  /** The whole machine goes down: every process with it, and what was not synced. */
  crash(where: string): void {
    for (const life of this.#living) life.die(where);
    this.#living.clear();
    this.counts.crashes++;
    this.disk.crash();
    this.log(`crash ${where}`);
  }

  log(text: string): void {
    this.lab.log.add(this.lab.clock.now(), this.name === '' ? text : `${this.name} ${text}`);
  }

  #heard(process: Incarnation, event: EngineEvent): void {
    if (process.life.dead) return;
    const atMs = this.lab.clock.now();
    this.log(JSON.stringify(event));
    if (event.kind === 'changed') this.#checkCounters();
    if (event.kind === 'reconcile.found') this.foundAtMs.set(event.batchId, atMs);
    if (event.kind === 'key.aside') this.counts.keysAside++;
    if (event.kind === 'batch.hurried') this.counts.hurriedBatches++;
    if (event.kind === 'chunk.released') this.counts.releasedChunks++;
    if (event.kind === 'deadline.late') this.counts.lateSaid++;
    if (event.kind === 'run.done') this.doneAtMs = atMs;
    if (event.kind === 'reconcile.not_made') {
      const { runId, chunkNo } = event;
      this.notMade.push({ runId, chunkNo, atMs, listedAtMs: new Map(process.watch.listedAtMs) });
    }
  }

  /** The counters of a run are kept, never counted: their sum must be its rows after every round. */
  #checkCounters(): void {
    const sum =
      'row_waiting+row_in_batch+row_retry+row_in_realtime+row_succeeded+row_failed+row_expired+row_canceled+row_invalid';
    const wrong = this.db.all<{ id: string; sum: number; total: number }>(
      `SELECT id, ${sum} AS sum, total_rows AS total FROM runs WHERE state <> 'ingesting' AND ${sum} <> total_rows`,
    );
    for (const run of wrong) this.violation(`the counters of ${run.id} add up to ${run.sum}; it has ${run.total} rows`);
  }
}
