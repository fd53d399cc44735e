/**
 * Several real processes share one pool on the real Redis, as several machines would: together they use the limit and do
 * not exceed it, whoever of them dies or loses Redis. Payments carry the server's time, and that is what is judged.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CreateLease, PoolLimits } from '../../src/domain/pacing/limiter.ts';
import { isRedisMissing, keysOfThisFile, REDIS_URL } from '../support/redis.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const WORKER = fileURLToPath(new URL('../support/limiter-worker.mjs', import.meta.url));
const POOL = 'org_1|opus_5';
/** 250 calls a second; what flows in while a busy machine lets no process run is kept for 600 ms. */
const RATE_PER_MS = 0.25;
const CAPACITY = 150;
const LIMITS: PoolLimits = { requests: { perWindow: RATE_PER_MS * 60_000, capacity: CAPACITY } };
const LEASE: CreateLease = {
  organization: 'org_1',
  id: 'create',
  rows: 10,
  openBatches: 0,
  openRows: 0,
  batchesMax: 1,
  rowsMax: 1_000,
  ttlMs: 1_000,
};

const isMissing = await isRedisMissing();
const prefix = isMissing ? '' : keysOfThisFile();
let rooms = 0;

interface Told {
  readonly kind: 'ready' | 'mode' | 'paid' | 'done' | 'failed';
  readonly deed?: string;
  readonly mode?: string;
  readonly cause?: string | null;
  readonly fits?: boolean;
  readonly atMs?: number;
  readonly life?: string;
}

class Worker {
  readonly told: Told[] = [];
  readonly #child: ChildProcess;
  readonly #heard = new EventTarget();

  constructor(url: string, room: string, name: string) {
    this.#child = fork(WORKER, [url, room, name], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (message: Told) => {
      this.told.push(message);
      this.#heard.dispatchEvent(new Event('told'));
    });
    this.#child.on('exit', () => this.#heard.dispatchEvent(new Event('told')));
  }

  /** Waits until this is so; it is looked at whenever the process has told something. */
  async until(isSo: (told: readonly Told[]) => boolean): Promise<void> {
    while (!isSo(this.told)) {
      if (this.#hasEnded()) throw new Error('the process has ended');
      await once(this.#heard, 'told');
    }
  }

  tell(deed: string, more: object = {}): void {
    this.#child.send({ deed, ...more });
  }

  /** What came of it. */
  async does(deed: string, more: object = {}): Promise<Told> {
    const before = this.told.length;
    this.tell(deed, more);
    const isIts = ({ kind, deed: its }: Told): boolean => (kind === 'done' || kind === 'failed') && its === deed;
    await this.until((told) => told.slice(before).some(isIts));
    const answer = this.told.slice(before).find(isIts);
    if (answer?.kind !== 'done') throw new Error(`${deed}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Server times of what it has paid in Redis. */
  paid(): number[] {
    return this.told.flatMap(({ kind, atMs, life }) =>
      kind === 'paid' && atMs !== undefined && life?.startsWith('redis') === true ? [atMs] : [],
    );
  }

  paidAlone(): number {
    return this.told.filter(({ kind, life }) => kind === 'paid' && life?.startsWith('alone') === true).length;
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async kill(): Promise<void> {
    if (this.#hasEnded()) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

async function started(count: number, url = REDIS_URL, room = `${prefix}${rooms++}:`): Promise<[Worker, ...Worker[]]> {
  const workers = Array.from({ length: count }, (_, at) => new Worker(url, room, `worker ${rooms}-${at}-${url}`));
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
  });
  await Promise.all(workers.map((worker) => worker.until((told) => told.some(({ kind }) => kind === 'ready'))));
  return workers as [Worker, ...Worker[]];
}

/** Between any two payments no more than was there and flowed in; all in all, nearly that. */
function expectUsedInFull(times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  // The bucket as the API would keep it, from the first payment on.
  let level = CAPACITY;
  let lowest = CAPACITY;
  let beforeMs = sorted[0] ?? 0;
  for (const atMs of sorted) {
    level = Math.min(CAPACITY, level + (atMs - beforeMs) * RATE_PER_MS) - 1;
    lowest = Math.min(lowest, level);
    beforeMs = atMs;
  }
  expect(lowest).toBeGreaterThan(-1e-3);
  const most = CAPACITY + ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)) * RATE_PER_MS;
  expect(sorted.length / most).toBeGreaterThan(0.95);
}

describe.skipIf(isMissing)('several processes on one Redis', () => {
  test('use the limit in full and do not exceed it', async () => {
    const workers = await started(4);
    await Promise.all(workers.map((worker) => worker.does('limits', { pool: POOL, limits: LIMITS })));
    for (const worker of workers) worker.tell('pay', { pool: POOL, lanes: 12 });
    await workers[0].until(() => workers.flatMap((worker) => worker.paid()).length >= 1_000);
    await Promise.all(workers.map((worker) => worker.does('stop')));
    expectUsedInFull(workers.flatMap((worker) => worker.paid()));
    // No process is left out.
    for (const worker of workers) expect(worker.paid().length).toBeGreaterThan(100);
  });

  test('go on when one is killed: its create is void in time, and its place in the line as well', async () => {
    const [victim, ...others] = await started(3);
    const [heir] = others as [Worker];
    await victim.does('limits', { pool: POOL, limits: LIMITS });
    expect(await victim.does('lease', { lease: LEASE })).toMatchObject({ fits: true });
    expect(await heir.does('lease', { lease: LEASE })).toMatchObject({ fits: false });
    for (const worker of [victim, ...others]) worker.tell('pay', { pool: POOL, lanes: 12 });
    await victim.until(() => victim.paid().length >= 100);
    await victim.kill();
    await heir.does('leaseAtLast', { lease: LEASE });
    expect(await heir.does('lease', { lease: LEASE })).toMatchObject({ fits: true });
    const before = heir.paid().length;
    await heir.until(() => heir.paid().length >= before + 300);
    await Promise.all(others.map((worker) => worker.does('stop')));
    expectUsedInFull([victim, ...others].flatMap((worker) => worker.paid()));
  });

  test('of which one loses Redis: it says so, goes on with its part, and comes back', async () => {
    const proxy = await startTcpProxy(Number(new URL(REDIS_URL).port || 6379));
    onTestFinished(() => proxy.close());
    const room = `${prefix}${rooms++}:`;
    const [steady] = await started(1, REDIS_URL, room);
    const [cut] = await started(1, proxy.origin.replace('http:', 'redis:'), room);
    await steady.does('limits', { pool: POOL, limits: LIMITS });
    await cut.does('limits', { pool: POOL, limits: LIMITS });
    for (const worker of [steady, cut]) worker.tell('pay', { pool: POOL, lanes: 12 });
    await cut.until(() => cut.paid().length >= 100);
    await proxy.refuse();
    for (const connection of proxy.connections) connection.destroy();
    await cut.until((told) => told.some(({ kind, mode }) => kind === 'mode' && mode === 'alone'));
    await cut.until(() => cut.paidAlone() >= 50);
    const before = cut.paid().length;
    await proxy.accept();
    await cut.until(() => cut.paid().length >= before + 100);
    await Promise.all([steady, cut].map((worker) => worker.does('stop')));
    const modes = cut.told.filter(({ kind }) => kind === 'mode');
    expect(modes.map(({ mode }) => mode)).toEqual(['shared', 'alone', 'shared']);
    expect(modes[1]?.cause).toMatch(/^Redis at redis:\/\/127\.0\.0\.1:\d+ cannot be used: /);
    expect(steady.told.filter(({ kind }) => kind === 'mode').map(({ mode }) => mode)).toEqual(['shared']);
    // What both paid through Redis is within the limit, with what was spent alone charged to it.
    const sorted = [...steady.paid(), ...cut.paid()].sort((a, b) => a - b);
    const most = CAPACITY + ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0)) * RATE_PER_MS;
    expect(sorted.length + cut.paidAlone()).toBeLessThan(most * 1.5);
    await cut.does('close');
    await steady.does('close');
  });
});
