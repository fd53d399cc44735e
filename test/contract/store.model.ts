/**
 * The store against a plain model: seeded random sequences of legal steps, and after each of them every row is where
 * the model says, the counters agree, and the ledger agrees with itself.
 */
import { expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng, shuffled, type Rng } from '../../src/base/random.ts';
import { LeadersBuilder } from '../../src/domain/leaders.ts';
import type { RowState, RunState } from '../../src/domain/model.ts';
import { encodeResultIndex, OUTCOME, outcomeByte } from '../../src/domain/packed-index.ts';
import type { DriverStore, Store } from '../../src/domain/store.ts';
import type { CollectedRow } from '../../src/domain/store-steps.ts';
import type { PoolSnapshot } from '../../src/domain/pacing/snapshot.ts';
import type { OpenStore } from './store.bench.ts';
import {
  batchInfo,
  checkLedger,
  collectedRow,
  endedInfo,
  newChunk,
  newRun,
  ORIGIN,
  poolSnapshot,
  START_MS,
  statesOf,
  WORKSPACE,
} from './store.lab.ts';

export interface StoreModelOptions {
  /** How many random sequences the model test plays. */
  readonly sequences: number;
}

const RUN = 'run_000000009mmmmmmm';
const STEPS = 40;

interface ModelChunk {
  readonly no: number;
  readonly kind: 'input' | 'retry';
  readonly seqs: readonly number[];
  /** By place: whose answer each row takes; null where it is sent. */
  readonly leaders: readonly number[] | null;
  state: 'sealed' | 'submitting' | 'uncertain' | 'submitted' | 'ended' | 'over';
  attemptId: number;
  batchId: string;
}

/** Everything is a plain value; nothing is computed as the store computes it. */
class Model {
  readonly rows = new Map<number, RowState>();
  readonly chunks: ModelChunk[] = [];
  /** Rows that take the answer of another one. */
  readonly leaderOf = new Map<number, number>();
  state: RunState = 'ready';
  readonly pools = new Map<string, PoolSnapshot>();
  chunkNo = 0;
  batchNo = 0;

  set(seqs: Iterable<number>, state: RowState): void {
    for (const seq of seqs) this.rows.set(seq, state);
  }

  /** Rows that are sent themselves. */
  sentIn(...states: readonly RowState[]): number[] {
    return this.seqsIn(...states).filter((seq) => !this.leaderOf.has(seq));
  }

  seqsIn(...states: readonly RowState[]): number[] {
    return [...this.rows].filter(([, state]) => states.includes(state)).map(([seq]) => seq);
  }

  in(...states: readonly ModelChunk['state'][]): ModelChunk[] {
    return this.chunks.filter((chunk) => states.includes(chunk.state));
  }

  add(kind: ModelChunk['kind'], seqs: readonly number[], leaders: ModelChunk['leaders'] = null): ModelChunk {
    const chunk: ModelChunk = { no: ++this.chunkNo, kind, seqs, leaders, state: 'sealed', attemptId: 0, batchId: '' };
    this.chunks.push(chunk);
    return chunk;
  }
}

interface Game {
  readonly rng: Rng;
  readonly model: Model;
  readonly store: Store;
  driver: DriverStore;
  atMs: number;
}

type Step = (game: Game) => Promise<void>;

/** The steps that are legal now, by name. */
function legalSteps({ model, rng }: Game): ReadonlyMap<string, Step> {
  const steps = new Map<string, Step>();
  const moving = model.state === 'ready' || model.state === 'active';
  const on = (
    chunks: readonly ModelChunk[],
    name: string,
    step: (game: Game, chunk: ModelChunk) => Promise<void>,
  ): void => {
    if (chunks.length > 0) steps.set(name, (game) => step(game, pick(rng, chunks)));
  };
  const sealed = model.in('sealed');
  if (moving) {
    on(
      sealed.filter((chunk) => chunk.leaders === null),
      'attempt',
      startAttempt,
    );
  }
  on(
    sealed.filter((chunk) => chunk.leaders?.every((seq) => ENDS.has(model.rows.get(seq) ?? 'waiting'))),
    'copied',
    copied,
  );
  on(model.in('submitting', 'uncertain'), 'created', created);
  on(model.in('submitting', 'uncertain'), 'not created', notCreated);
  on(model.in('submitting'), 'uncertain', uncertain);
  on(
    model.in('submitting').filter((chunk) => chunk.seqs.length > 1),
    'split',
    split,
  );
  on(
    model.in('submitting').filter((chunk) => chunk.seqs.length === 1),
    'refused',
    refusedRow,
  );
  on(model.in('submitted'), 'ended', ended);
  on(model.in('ended'), 'collected', collected);
  on(model.in('ended'), 'lost', lost);
  if (model.state === 'active' && model.seqsIn('retry').some((seq) => model.leaderOf.has(seq))) {
    steps.set('retry copies', retryCopies);
  }
  if (model.state === 'active' && model.sentIn('retry').length > 0) {
    steps.set('retry chunk', retryChunk);
    steps.set('claim', claim);
    steps.set('give up', giveUp);
  }
  if (model.seqsIn('in_realtime').length > 0) {
    steps.set('settle', settle);
    steps.set('release', release);
  }
  if (moving && chance(rng, 0.15)) steps.set('cancel', cancel);
  if (model.state === 'canceling') steps.set('cancel unsent', cancelUnsent);
  const open = model.seqsIn('waiting', 'in_batch', 'retry', 'in_realtime');
  if (open.length === 0 && (model.state === 'active' || model.state === 'canceling')) steps.set('finish', finish);
  if (model.state === 'done') steps.set('reopen', reopen);
  if (chance(rng, 0.1)) steps.set('take over', takeOver);
  if (chance(rng, 0.1)) steps.set('pools', recordPools);
  return steps;
}

const ENDS: ReadonlySet<RowState> = new Set(['succeeded', 'failed', 'expired', 'canceled']);

/** Its rows end as their leaders did. */
async function copied(game: Game, chunk: ModelChunk): Promise<void> {
  const { model, driver, atMs } = game;
  const rows: CollectedRow[] = [];
  for (const [at, seq] of chunk.seqs.entries()) {
    const to = model.rows.get(chunk.leaders?.[at] ?? -1) as CollectedRow['to'];
    model.set([seq], to);
    if (to !== 'succeeded' || chunk.kind === 'retry') rows.push(collectedRow(seq, at, to));
  }
  chunk.state = 'over';
  const count = chunk.seqs.length;
  const ends = chunk.seqs.map((seq) => model.rows.get(seq));
  await driver.recordCopied({
    ...{ runId: RUN, chunkNo: chunk.no, atMs, rows, savedUsd: 0.5, stopReasons: {} },
    outcomes: Uint8Array.from(ends, (to) => (to === 'succeeded' ? outcomeByte('succeeded') : OUTCOME.elsewhere)),
    resultIndex: encodeResultIndex(new Float64Array(count), new Float64Array(count)),
    succeeded: ends.filter((to) => to === 'succeeded').length,
  });
}

/** Rows that take the answer of another one wait for it again. */
async function retryCopies(game: Game): Promise<void> {
  const { model, rng, driver, atMs } = game;
  const seqs = someOf(
    rng,
    model.seqsIn('retry').filter((seq) => model.leaderOf.has(seq)),
  );
  const leaders = seqs.map((seq) => model.leaderOf.get(seq) ?? -1);
  const chunk = model.add('retry', seqs, leaders);
  model.set(seqs, 'waiting');
  const more = { kind: 'retry', answers: 'rows', leaders: leadersOf(seqs, leaders) } as const;
  await driver.sealRetryChunk(RUN, newChunk(chunk.no, seqs, more), seqs, atMs);
}

function leadersOf(seqs: readonly number[], leaders: readonly number[]): Uint8Array {
  const builder = new LeadersBuilder();
  for (const [at, seq] of seqs.entries()) builder.append(seq, leaders[at] ?? -1);
  return builder.finish();
}

async function startAttempt(game: Game, chunk: ModelChunk): Promise<void> {
  const start = { runId: RUN, chunkNo: chunk.no, workspace: WORKSPACE, baselineBatchId: null, atMs: game.atMs };
  const attemptId = await game.driver.recordAttempt(start);
  if (attemptId === null) throw new Error('the run takes no attempt');
  chunk.attemptId = attemptId;
  chunk.state = 'submitting';
  game.model.state = 'active';
  game.model.set(chunk.seqs, 'in_batch');
  if (chance(game.rng, 0.5)) await game.driver.recordBodyComplete(chunk.attemptId);
}

async function created(game: Game, chunk: ModelChunk): Promise<void> {
  chunk.batchId = `msgbatch_${++game.model.batchNo}`;
  chunk.state = 'submitted';
  const batch = batchInfo(chunk.batchId, chunk.seqs.length);
  await game.driver.recordCreated({ attemptId: chunk.attemptId, batch, atMs: game.atMs });
}

async function notCreated(game: Game, chunk: ModelChunk): Promise<void> {
  chunk.state = 'sealed';
  game.model.set(chunk.seqs, 'waiting');
  await game.driver.recordNotCreated({ attemptId: chunk.attemptId, atMs: game.atMs, reason: 'x' });
  // Now and then its batch turns up after all.
  if (chance(game.rng, 0.2)) {
    game.model.set(chunk.seqs, 'in_batch');
    await created(game, chunk);
  }
}

async function uncertain(game: Game, chunk: ModelChunk): Promise<void> {
  chunk.state = 'uncertain';
  await game.driver.recordUncertain({ attemptId: chunk.attemptId, atMs: game.atMs, reason: 'x' });
}

async function split(game: Game, chunk: ModelChunk): Promise<void> {
  const { model, rng } = game;
  const refusedAt = chance(rng, 0.5) ? integerBetween(rng, 0, chunk.seqs.length - 1) : -1;
  const rest = chunk.seqs.filter((_, at) => at !== refusedAt);
  const cut = integerBetween(rng, 1, rest.length);
  const parts = [rest.slice(0, cut), rest.slice(cut)].filter((part) => part.length > 0);
  const { kind } = chunk;
  const children = parts.map((part) => newChunk(model.add(kind, part).no, part, { kind, parentNo: chunk.no }));
  model.set(rest, 'waiting');
  const seq = chunk.seqs[refusedAt];
  let refused = null;
  if (seq !== undefined) {
    const child = model.add(kind, [seq]);
    child.state = 'over';
    refused = { ...newChunk(child.no, [seq], { kind, parentNo: chunk.no }), errorType: 'invalid_request_error' };
    model.set([seq], 'failed');
  }
  chunk.state = 'over';
  const step = { runId: RUN, chunkNo: chunk.no, attemptId: chunk.attemptId, atMs: game.atMs, reason: 'x' };
  await game.driver.recordSplit({ ...step, children, refused });
}

async function refusedRow(game: Game, chunk: ModelChunk): Promise<void> {
  chunk.state = 'over';
  game.model.set(chunk.seqs, 'failed');
  const step = { runId: RUN, chunkNo: chunk.no, attemptId: chunk.attemptId, atMs: game.atMs };
  await game.driver.recordRefused({ ...step, errorType: 'request_too_large' });
}

async function ended(game: Game, chunk: ModelChunk): Promise<void> {
  chunk.state = 'ended';
  const batch = endedInfo(chunk.batchId, chunk.seqs.length);
  await game.driver.recordEnded({ runId: RUN, chunkNo: chunk.no, batch, atMs: game.atMs });
}

async function collected(game: Game, chunk: ModelChunk): Promise<void> {
  const fates = ['succeeded', 'succeeded', 'failed', 'expired', 'canceled', 'retry'] as const;
  const outcomes = new Uint8Array(chunk.seqs.length).fill(outcomeByte('succeeded'));
  const rows: CollectedRow[] = [];
  for (const [at, seq] of chunk.seqs.entries()) {
    const to = pick(game.rng, fates);
    game.model.set([seq], to);
    if (to !== 'succeeded' || chunk.kind === 'retry') rows.push(collectedRow(seq, at, to));
    if (to !== 'succeeded') outcomes[at] = OUTCOME.elsewhere;
  }
  chunk.state = 'over';
  const count = chunk.seqs.length;
  await game.driver.checkpointCollected({
    runId: RUN,
    chunkNo: chunk.no,
    batchId: chunk.batchId,
    atMs: game.atMs,
    outcomes,
    resultIndex: encodeResultIndex(new Float64Array(count), new Float64Array(count)),
    succeeded: chunk.seqs.filter((seq) => game.model.rows.get(seq) === 'succeeded').length,
    rows,
    usage: [],
    stopReasons: {},
  });
}

async function lost(game: Game, chunk: ModelChunk): Promise<void> {
  chunk.state = 'over';
  game.model.set(chunk.seqs, 'failed');
  const rows = chunk.seqs.map((seq, at) => collectedRow(seq, at, 'failed'));
  await game.driver.recordLost({ runId: RUN, chunkNo: chunk.no, atMs: game.atMs, rows });
}

/** Some of the rows that wait for a retry, in order. */
function someOf(rng: Rng, seqs: readonly number[]): number[] {
  return shuffled(rng, seqs)
    .slice(0, integerBetween(rng, 1, seqs.length))
    .toSorted((a, b) => a - b);
}

async function retryChunk(game: Game): Promise<void> {
  const seqs = someOf(game.rng, game.model.sentIn('retry'));
  const chunk = game.model.add('retry', seqs);
  game.model.set(seqs, 'waiting');
  await game.driver.sealRetryChunk(RUN, newChunk(chunk.no, seqs, { kind: 'retry' }), seqs, game.atMs);
}

async function claim(game: Game): Promise<void> {
  const seqs = someOf(game.rng, game.model.sentIn('retry'));
  game.model.set(seqs, 'in_realtime');
  await game.driver.claimRealtime(RUN, seqs, game.atMs);
}

async function giveUp(game: Game): Promise<void> {
  const rows = someOf(game.rng, game.model.sentIn('retry')).map((seq) => {
    const to = pick(game.rng, ['failed', 'expired', 'canceled'] as const);
    game.model.set([seq], to);
    return { seq, to, errorType: 'x' };
  });
  await game.driver.giveUpRows(RUN, rows, game.atMs);
}

async function settle(game: Game): Promise<void> {
  const rows = someOf(game.rng, game.model.seqsIn('in_realtime')).map((seq) => {
    const to = pick(game.rng, ['succeeded', 'failed', 'retry'] as const);
    game.model.set([seq], to);
    return { seq, to, errorType: null, notBeforeMs: 0, result: null, burnt: chance(game.rng, 0.5) };
  });
  await game.driver.settleRealtime({ runId: RUN, atMs: game.atMs, logBytes: 1, rows, usage: [], stopReasons: {} });
}

async function release(game: Game): Promise<void> {
  const seqs = game.model.seqsIn('in_realtime');
  game.model.set(seqs, 'retry');
  expect(await game.driver.releaseRealtime(RUN, game.atMs)).toBe(seqs.length);
}

async function cancel(game: Game): Promise<void> {
  game.model.state = 'canceling';
  await game.store.requestCancel(RUN, game.atMs);
}

async function cancelUnsent(game: Game): Promise<void> {
  for (const chunk of game.model.in('sealed').filter(({ leaders }) => leaders === null)) {
    chunk.state = 'over';
    game.model.set(chunk.seqs, 'canceled');
  }
  game.model.set(game.model.seqsIn('retry'), 'canceled');
  await game.driver.cancelUnsent(RUN, game.atMs);
}

async function finish(game: Game): Promise<void> {
  game.model.state = 'done';
  await game.driver.finishRun(RUN, game.atMs);
}

async function reopen(game: Game): Promise<void> {
  const states = (['failed', 'expired', 'canceled'] as const).filter(() => chance(game.rng, 0.6));
  const seqs = game.model.seqsIn(...states);
  game.model.set(seqs, 'retry');
  if (seqs.length > 0) game.model.state = 'active';
  expect(await game.driver.reopen(RUN, states, game.atMs)).toBe(seqs.length);
}

async function recordPools(game: Game): Promise<void> {
  const pool = poolSnapshot('org_1', pick(game.rng, ['batches', 'opus_5']), { atMs: game.atMs });
  game.model.pools.set(pool.pool, pool);
  await game.driver.recordPools(ORIGIN, [pool], game.atMs);
}

async function takeOver(game: Game): Promise<void> {
  game.driver = await game.store.takeOver({ pid: 1, host: 'h', command: 'c', atMs: game.atMs });
}

async function startGame(store: Store, seed: string): Promise<Game> {
  const rng = seededRng(seed);
  const model = new Model();
  await store.beginRun(newRun(RUN));
  let seq = 0;
  for (let left = integerBetween(rng, 1, 4); left > 0; left--) {
    const seqs = Array.from({ length: integerBetween(rng, 1, 4) }, () => seq++);
    await store.sealChunk(RUN, newChunk(model.add('input', seqs).no, seqs), START_MS);
    model.set(seqs, 'waiting');
  }
  const sent = seq;
  if (chance(rng, 0.5)) {
    const seqs = Array.from({ length: integerBetween(rng, 1, 4) }, () => seq++);
    const leaders = seqs.map(() => integerBetween(rng, 0, sent - 1));
    for (const [at, one] of seqs.entries()) model.leaderOf.set(one, leaders[at] ?? 0);
    const chunk = model.add('input', seqs, leaders);
    const more = { answers: 'rows', leaders: leadersOf(seqs, leaders) } as const;
    await store.sealChunk(RUN, newChunk(chunk.no, seqs, more), START_MS);
    model.set(seqs, 'waiting');
  }
  if (chance(rng, 0.2)) {
    // Its answers were there before.
    const seqs = [seq++, seq++];
    const chunk = model.add('input', seqs);
    chunk.state = 'over';
    const answered = {
      outcomes: new Uint8Array(2).fill(outcomeByte('succeeded')),
      resultIndex: encodeResultIndex(new Float64Array(2), new Float64Array(2)),
      savedUsd: null,
    };
    await store.sealChunk(RUN, newChunk(chunk.no, seqs, { answers: 'runs', answered }), START_MS);
    model.set(seqs, 'succeeded');
  }
  const end = { runId: RUN, atMs: START_MS, fingerprint: 'p', again: false, totalRows: seq, invalidRows: 0, mix: {} };
  await store.finishIngest(end);
  const driver = await store.takeOver({ pid: 1, host: 'h', command: 'c', atMs: START_MS });
  return { rng, model, store, driver, atMs: START_MS };
}

async function play(game: Game, seen: Map<string, number>): Promise<void> {
  for (let nth = 0; nth < STEPS; nth++) {
    const steps = legalSteps(game);
    if (steps.size === 0) return;
    const [name, step] = pick(game.rng, [...steps]);
    game.atMs += 1_000;
    await step(game);
    seen.set(name, (seen.get(name) ?? 0) + 1);
    await checkLedger(game.store);
    const states = await statesOf(game.store, RUN);
    expect(new Map([...states].toSorted(([a], [b]) => a - b)), `after ${name}`).toEqual(game.model.rows);
    expect((await game.store.run(RUN))?.state, `after ${name}`).toBe(game.model.state);
    const known = (await game.store.pools(ORIGIN)).map(({ pool, atMs }) => [pool, atMs]);
    expect(known, `after ${name}`).toEqual([...game.model.pools].map(([pool, { atMs }]) => [pool, atMs]).toSorted());
  }
}

const STEP_NAMES = [
  ...[
    'attempt',
    'created',
    'not created',
    'uncertain',
    'split',
    'refused',
    'ended',
    'collected',
    'lost',
    'copied',
    'retry copies',
    'retry chunk',
  ],
  ...['claim', 'give up', 'settle', 'release', 'cancel', 'cancel unsent', 'finish', 'reopen', 'take over', 'pools'],
];

export function modelTest(open: OpenStore, { sequences }: StoreModelOptions): void {
  test(`every legal sequence of steps leaves each row where a plain model has it (${sequences} seeds)`, async () => {
    const seen = new Map<string, number>();
    for (let nth = 0; nth < sequences; nth++) {
      const seed = `store model ${nth}`;
      const { store } = await open();
      try {
        await play(await startGame(store, seed), seen);
      } catch (error) {
        throw new Error(`seed "${seed}": ${(error as Error).message}`, { cause: error });
      } finally {
        await store.close();
      }
    }
    // A step that was never drawn is a step that was never tested.
    expect([...seen.keys()].toSorted()).toEqual(STEP_NAMES.toSorted());
  }, 120_000);
}
