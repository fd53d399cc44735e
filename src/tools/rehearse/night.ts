/**
 * One rehearsal of a run that has been read: the real engine, in virtual time, against a simulated API with the limits,
 * the durations and the faults of one seed. Gives what happened. Nothing of it knows that it is a rehearsal but this room.
 */
import type { Clock } from '../../base/clock.ts';
import { BatchrunError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { seededRng } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { SchemaCompiler } from '../../domain/answer-check.ts';
import type { Formats } from '../../domain/output-record.ts';
import type { BatchApi, Files, FileWriter, Locks } from '../../domain/ports.ts';
import type { Store } from '../../domain/store.ts';
import type { ApiEngine, Engine, Pacing } from '../../engine/engine.ts';
import { drive, type DriveEnd } from '../../engine/runner.ts';
import { viewRun, type RunView } from '../../engine/views/status.ts';
import type { Answer } from '../sim/answer.ts';
import type { JsonRecord } from '../sim/json.ts';
import type { SimLedger } from '../sim/ledger.ts';
import { createSimWorld, type SimWorld } from '../sim/world.ts';
import type { Account } from './account.ts';
import { CALL_LATENCY_MS, type Faults } from './assumptions.ts';
import { Diary } from './diary.ts';
import { bytesOfText } from './stand-in.ts';
import { createWire } from './wire.ts';

/** What the engine stands on, made by whoever knows the adapters (cli/context.ts). */
export interface NightParts {
  readonly store: Store;
  readonly files: Files;
  readonly locks: Locks;
  readonly formats: Formats;
  readonly schemas: SchemaCompiler;
  connect(fetch: typeof globalThis.fetch, clock: Clock): Promise<BatchApi>;
}

export interface NightOptions {
  readonly runId: string;
  readonly seed: string;
  /** When the night begins, by its own clock. */
  readonly startMs: number;
  readonly account: Account;
  readonly faults: Faults;
  readonly pacing: Pacing;
  /** How long earlier batches took: the engine goes by that where a deadline presses. */
  readonly history: readonly { readonly rows: number; readonly tookMs: number }[];
  readonly signal: AbortSignal;
}

export interface Night {
  readonly seed: string;
  readonly end: DriveEnd;
  /** To the end of the run, or to where it stopped. */
  readonly tookMs: number;
  readonly run: RunView;
  readonly diary: Diary;
  readonly ledger: SimLedger;
}

/** A run that is not done by then will not be: the API deletes results after 29 days. */
const NIGHT_MS_MAX = 30 * 86_400_000;
const TURNS_MAX = Number.MAX_SAFE_INTEGER;
/** The SDK reads answers as streams, which hand on through the event loop. */
const REST_TURNS = 2;
/** There are no other processes in a rehearsal: what is due is waited for by its own time. */
const IDLE_LOOK_MS = 10 * 60_000;
/** Nobody drives but this process, which is no process of its own to the engine. */
const HOLDER = { pid: 1, host: 'rehearsal', command: 'batchrun rehearse' };

export async function rehearseNight(parts: NightParts, options: NightOptions): Promise<Night> {
  const { runId, seed, startMs, signal } = options;
  const clock = new VirtualClock(startMs);
  const diary = new Diary(clock);
  const world = createWorld(options, clock);
  const wire = createWire({ world, clock, onFailure: (endpoint, status) => diary.noteFailure(endpoint, status) });
  const api = await parts.connect(wire, clock);
  const tooLong = new AbortController();
  const engine = apiEngine({ parts, options, clock, diary, api, signal: AbortSignal.any([signal, tooLong.signal]) });
  const over = new AbortController();
  void clock.sleep(NIGHT_MS_MAX, over.signal).then(() => over.signal.aborted || tooLong.abort());
  const request = { holder: HOLDER, retryLockMs: 0, asCompleted: null, once: false };
  const work = drive(engine, { ...request, runIds: [runId], goal: 'finish' }).finally(() => over.abort());
  const end = await clock.run(work, TURNS_MAX, REST_TURNS);
  if (signal.aborted) {
    throw new BatchrunError('E_NOT_FINISHED', 'the rehearsal was stopped', {
      hint: 'Nothing was sent and nothing is kept: rehearse again.',
    });
  }
  const run = await engine.store.run(runId);
  if (!run) throw new BatchrunError('E_BUG', `this must not happen: run ${runId} is gone`);
  const tookMs = (run.doneAtMs ?? clock.now()) - startMs;
  return { seed, end, tookMs, run: await viewRun(engine.store, run), diary, ledger: world.ledger };
}

function createWorld({ seed, account, faults }: NightOptions, clock: Clock): SimWorld {
  return createSimWorld(
    {
      seed,
      limits: account.limits,
      faults: faults.faults,
      rates: faults.rates,
      batchDurationMs: account.batchDurationMs,
      messageLatencyMs: account.messageLatencyMs,
      latencyMs: CALL_LATENCY_MS,
      // Only the order costs time here: the engine takes any.
      resultsOrder: 'input',
      textBytes: bytesOfText,
      answer: answerer(account),
    },
    clock,
  );
}

/** Answers without text, of the length that is expected. Each length is made once: a batch keeps 100,000 of them. */
function answerer({ outputTokens }: Account): (params: JsonRecord) => Answer {
  const made = new Map<string, Answer>();
  return ({ model, max_tokens: maxTokens }) => {
    const [name, most] = [String(model), Number(maxTokens)];
    const key = `${name}|${most}`;
    const known = made.get(key);
    if (known) return known;
    const wanted = outputTokens(name, most);
    const stopReason = wanted > most ? 'max_tokens' : 'end_turn';
    const answer = { text: '', stopReason, stopSequence: null, outputTokens: Math.min(wanted, most) } as const;
    made.set(key, answer);
    return answer;
  };
}

interface EngineParts {
  readonly parts: NightParts;
  readonly options: NightOptions;
  readonly clock: Clock;
  readonly diary: Diary;
  readonly api: BatchApi;
  readonly signal: AbortSignal;
}

function apiEngine({ parts, options, clock, diary, api, signal }: EngineParts): ApiEngine {
  const { account, pacing, history, seed } = options;
  const seen = diary.seenThrough(parts.store);
  const store: Store = {
    ...seen,
    // As a driver of this state would find them.
    pools: async (origin) => {
      const own = await seen.pools(origin);
      return own.length > 0 ? own : account.snapshots(api.workspace).map((pool) => ({ ...pool, origin: api.origin }));
    },
    batchHistory: async (origin, limit) => [...(await seen.batchHistory(origin, limit)), ...history].slice(0, limit),
  };
  return {
    ...quietEngine({ ...parts, store }, { clock, seed, signal }),
    emit: diary.hear,
    api,
    pacing: { ...pacing, idleLookMs: IDLE_LOOK_MS },
    ...(account.admin === null ? {} : { admin: { ...account.admin, organization: null } }),
  };
}

/** An engine without an API, whose output goes nowhere: for reading the input, too. */
export function quietEngine(
  parts: Pick<NightParts, 'store' | 'files' | 'locks' | 'formats' | 'schemas'>,
  { clock, seed, signal }: { readonly clock: Clock; readonly seed: string; readonly signal: AbortSignal },
): Engine {
  const { store, files, locks, formats, schemas } = parts;
  return {
    ...{ store, files, locks, formats, schemas, clock, signal },
    rng: seededRng(`${seed}|engine`),
    log: silentLogger,
    openOutput: () => Promise.resolve(nowhere()),
    emit: () => undefined,
  };
}

/** An output that nobody reads. */
function nowhere(): FileWriter {
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    write: (data) => {
      bytes += data.byteLength;
      return Promise.resolve();
    },
    commit: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  };
}
