/**
 * The built program is killed a hundred times and more at instants that nobody chose, on a day on which everything goes
 * wrong, and started again as cron would start it. In the end every row has its own answer exactly once, and nothing was
 * sent again that need not have been (promises P1, P2, P3).
 *
 * `KILL_SEED=n` draws the same commands, signals and instants again.
 */
import { mkdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import type { FaultRates } from '../../src/tools/sim/faults.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import { bench, KEY, params, parseLines, start } from '../support/cli.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { tempFolder } from '../support/temp.ts';
import { CONCURRENCY, Tally, Track } from './kill-loop.lab.ts';
import { paidAgain, type HardEnd } from './payments.ts';

const KILLS = 105;
const KILLS_PER_INPUT = 8;
const SIM_KILLS = 15;
const SEED = process.env['KILL_SEED'] ?? String(Date.now() % 1_000_000);

/** Left out: what makes rows fail or be canceled for good, and 413, which does when a chunk has one row. */
const FAULTS: FaultRates = {
  'create.reset_upload': 0.03,
  'create.reset_before': 0.04,
  'create.hang_before': 0.02,
  'create.500_before': 0.04,
  'create.429': 0.02,
  'create.reset_after': 0.06,
  'create.hang_after': 0.03,
  'create.504_after': 0.05,
  'create.500_after': 0.05,
  'create.garbage_answer': 0.05,
  'list.lag': 0.2,
  'list.404': 0.02,
  'list.500': 0.02,
  'list.503': 0.02,
  'retrieve.404': 0.1,
  'retrieve.500': 0.05,
  'results.404': 0.1,
  'results.503': 0.05,
  'results.empty': 0.02,
  'results.cut_line': 0.05,
  'results.cut_inside': 0.03,
  'results.reset': 0.05,
  'results.stall': 0.02,
  'results.duplicate_line': 0.02,
  'results.foreign_line': 0.02,
  'message.reset': 0.05,
  'message.reset_before': 0.03,
  'message.hang': 0.02,
  'message.429': 0.02,
  'message.500': 0.03,
  'message.529': 0.03,
  'batch.expire': 0.03,
};

const FLAGS = ['--chunk-size', '4', '--max-attempts', '60', '--concurrency', String(CONCURRENCY)];
const TRACKS: readonly (readonly string[])[] = [
  FLAGS,
  [...FLAGS, '--retry-lane', 'batch', '--max-batches', '3'],
  [...FLAGS, '--max-batches', '2'],
];

async function proxyTo(port: number): Promise<TcpProxy> {
  const proxy = await startTcpProxy(port);
  onTestFinished(() => proxy.close());
  return proxy;
}

function told({ found, kills, runs, lives }: Tally, what: string): string {
  const states = [...found].sort(([, one], [, other]) => other - one).map(([state, times]) => `${state} ${times}`);
  return `kill loop, seed ${SEED}: ${kills} kills ${what} survived by ${runs} runs in ${lives} lives; killed with ${states.join(', ')}`;
}

test(`${KILLS} kills at any instant, with everything going wrong`, async () => {
  const b = await bench({
    seed: SEED,
    batchDurationMs: [30, 400],
    expiresAfterMs: 1_500,
    limits: { batchRpm: 1_000_000 },
    messageLatencyMs: [0, 150],
    rates: { errorRate: 0.15, expireRate: 0.08 },
    faults: FAULTS,
  });
  const tally = new Tally();
  const tracks: Track[] = [];
  for (const [at, flags] of TRACKS.entries()) {
    const folder = b.path(`track-${at + 1}`);
    mkdirSync(folder);
    const proxy = await proxyTo(Number(new URL(b.origin).port));
    tracks.push(new Track({ folder, proxy, seed: `${SEED} track ${at + 1}`, flags }, tally));
  }
  const isEnough = (): boolean => tally.kills >= KILLS;
  await Promise.all(
    tracks.map(async (track) => {
      while (!isEnough()) {
        await track.suffer(KILLS_PER_INPUT, isEnough);
        // The last input of each is finished on a good day; all others on the bad one that it is.
        if (isEnough()) {
          b.world.setFaults({});
          b.world.setRates({ errorRate: 0, expireRate: 0 });
        }
        await track.finish();
      }
    }),
  );
  process.stdout.write(`${told(tally, `and ${faultsOf(b.world.faultsFired)} faults`)}\n`);
  const rows = new Map<string, readonly HardEnd[]>();
  for (const track of tracks) for (const text of track.texts) rows.set(paramsHashOf(params(text)), track.hardEnds);
  const again = paidAgain(b.world.ledger, CONCURRENCY, (hash) => rows.get(hash));
  expect([...tally.troubles, ...again], `KILL_SEED=${SEED}`).toEqual([]);
  expect(tally.kills).toBeGreaterThanOrEqual(KILLS);
});

function faultsOf(fired: ReadonlyMap<string, number>): number {
  return [...fired.values()].reduce((sum, times) => sum + times, 0);
}

test(`${SIM_KILLS} kills against \`batchrun sim\` in a process of its own`, async () => {
  const folder = tempFolder();
  const sim = start(
    folder,
    [
      ...['sim', '--port', '0', '--seed', SEED, '--tier', 'scale', '--faults', 'many', '--retry-after', '0ms'],
      ...['--batch-duration', '30ms-400ms', '--message-latency', '0ms-5ms', '--list-lag', '100ms'],
      ...['--error-rate', '0.1', '--expire-rate', '0.05'],
    ],
    {},
  );
  await sim.says(/http:\S+\n/, 'stdout');
  const origin = sim.stdout.trim();
  const tally = new Tally();
  const proxy = await proxyTo(Number(new URL(origin).port));
  const track = new Track({ folder, proxy, seed: `${SEED} sim`, flags: FLAGS }, tally);
  const isEnough = (): boolean => tally.kills >= SIM_KILLS;
  while (!isEnough()) {
    await track.suffer(KILLS_PER_INPUT, isEnough);
    await track.finish();
  }
  process.stdout.write(`${told(tally, 'against the process')}\n`);
  expect(tally.troubles, `KILL_SEED=${SEED}`).toEqual([]);
  await expectPaidOnce(origin, track.texts.length);
});

/** What anybody can see from outside: no wire id was taken twice, and no answer was made twice by batches. */
async function expectPaidOnce(origin: string, rows: number): Promise<void> {
  const { data } = JSON.parse(await got(`${origin}/v1/messages/batches?limit=1000`, () => true)) as { data: Batch[] };
  const ids: string[] = [];
  const answers: string[] = [];
  for (const { id, request_counts: counts } of data) {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const text = await got(`${origin}/v1/messages/batches/${id}/results`, (body) => isWhole(body, total));
    for (const { custom_id: wireId, result } of parseLines(text)) {
      ids.push(wireId);
      if (result.type === 'succeeded') answers.push(result.message.content.map((part) => part.text).join(''));
    }
  }
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  expect(answers.filter((answer, at) => answers.indexOf(answer) !== at)).toEqual([]);
  expect(answers.length).toBeGreaterThan(rows / 2);
  expect(answers.length).toBeLessThanOrEqual(rows);
}

interface Batch {
  readonly id: string;
  readonly request_counts: Readonly<Record<string, number>>;
}

function isWhole(body: string, total: number): boolean {
  try {
    const ids = parseLines(body).map((line) => line.custom_id);
    return ids.length === total && new Set(ids).size === total;
  } catch {
    return false;
  }
}

/** The simulator's faults are still on: asks until an answer is good. */
async function got(url: string, isGood: (body: string) => boolean): Promise<string> {
  const headers = { authorization: `Bearer ${KEY}`, 'anthropic-version': '2026-10-21' };
  for (;;) {
    const response = await fetch(url, { headers });
    expect([200, 404, 429, 500, 503]).toContain(response.status);
    // A body that breaks off is one of the faults.
    const body = await response.text().catch(() => '');
    if (response.ok && isGood(body)) return body;
  }
}
