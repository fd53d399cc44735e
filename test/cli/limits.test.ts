/**
 * `limits`, and the limits in `status`, as a user sees them: from a ledger that a driver has written, offline and beside it.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { PoolSnapshot } from '../../src/domain/pacing/snapshot.ts';
import { poolSnapshot } from '../contract/store.lab.ts';
import { bench, ENDLESS, KEY, requests, type Bench, type Printed } from '../support/cli.ts';

/** A pool that has just used nearly all of its input tokens. */
function busyPool(more: Partial<PoolSnapshot> = {}): PoolSnapshot {
  const nowMs = systemClock.now();
  const minute = Math.floor(nowMs / 60_000);
  return poolSnapshot('org_1', 'opus_5', {
    atMs: nowMs,
    limits: [
      { name: 'requests', value: 1_000, source: 'headers', atMs: nowMs - 180_000 },
      { name: 'input', value: 100_000, source: 'headers', atMs: nowMs - 180_000 },
    ],
    use: [
      {
        key: 'sk-ant-…wxyz',
        minutes: [{ minute, requests: 40, inputTokens: 92_000, outputTokens: 3_000, refused: 1, retried: 2 }],
      },
    ],
    ...more,
  });
}

/** What a driver would have written. */
async function tell(b: Bench, ...pools: readonly PoolSnapshot[]): Promise<void> {
  const store = openSqliteStore(join(b.state, 'state.db'));
  const driver = await store.takeOver({ pid: process.pid, host: 'here', command: 'test', atMs: systemClock.now() });
  await driver.recordPools(b.origin, pools, systemClock.now());
  await driver.letGo(new Set((await store.runs()).map((run) => run.id)), systemClock.now());
  await store.close();
}

async function withRun(): Promise<Bench> {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(2));
  await b.ok(['submit', 'in.jsonl']);
  return b;
}

interface WithLimits extends Printed {
  readonly limits: readonly Readonly<Record<string, unknown>>[];
}

const limitsJson = async (b: Bench, command: string): Promise<WithLimits['limits']> =>
  ((await b.json(0, [command])) as WithLimits).limits;

describe('limits', () => {
  test('without a state say that nothing is known, and make none', async () => {
    const b = await bench();
    expect((await b.ok(['limits'])).stdout).toContain('Nothing is known of limits');
    expect(await limitsJson(b, 'limits')).toEqual([]);
    expect(await limitsJson(b, 'status')).toEqual([]);
    expect(b.has('.batchrun')).toBe(false);
  });

  test('show what a driver has learnt, without a key and without the API', async () => {
    const b = await withRun();
    await tell(b, busyPool());
    await b.offline();
    const { stdout } = await b.ok(['limits'], { env: { ANTHROPIC_API_KEY: undefined } });
    expect(stdout).toMatch(/^opus_5 {2}org_1 {2}seen \S+ ago$/m);
    expect(stdout).toMatch(/requests a minute +1,000 {2}\[ {12}\] +4 % +40 {2}from headers, 3m( \d+s)? ago/);
    expect(stdout).toContain('! input tokens at 92 % of the minute');
    expect(stdout).toContain('latency of 14 calls: p50 420ms, p95 1.8s, p99 2.4s');
    expect(stdout).not.toContain('\u001b[');
    const known = await limitsJson(b, 'limits');
    expect(known.filter((one) => one['rate_class'] !== 'batches')).toMatchObject([
      {
        pool: 'org_1|opus_5',
        base_url: b.origin,
        limits: [
          { name: 'requests', used: 40, share: 0.04, warning: false },
          { name: 'input', used: 92_000, share: 0.92, warning: true },
        ],
        keys: [{ key: 'sk-ant-…wxyz', last_minute: { requests: 40, refused: 1, retried: 2 } }],
      },
    ]);
  });

  test('are in status: a line for a pool that was used in the last hour, all of them in its JSON', async () => {
    const b = await withRun();
    await tell(b, busyPool(), poolSnapshot('org_1', 'haiku_5_5', { use: [] }));
    const { stdout } = await b.ok(['status']);
    expect(stdout).toMatch(/^limits\n {2}opus_5 {2}40 of 1,000 requests a minute, 92,000 of 100,000 input tokens/m);
    expect(stdout).toContain('! input tokens of opus_5 at 92 % of the minute');
    expect(stdout).not.toContain('haiku_5_5');
    expect((await limitsJson(b, 'status')).map((one) => one['rate_class'])).toEqual(
      expect.arrayContaining(['haiku_5_5', 'opus_5']),
    );
  });

  test('of yesterday are no news in status', async () => {
    const b = await withRun();
    const yesterday = systemClock.now() - 86_400_000;
    await tell(b, busyPool({ atMs: yesterday, use: poolSnapshot('org_1', 'opus_5').use }));
    expect((await b.ok(['status'])).stdout).not.toMatch(/^limits$/m);
    expect((await b.ok(['limits'])).stdout).toMatch(/seen 1d ago/);
  });

  test('are in status --watch as well', async () => {
    const b = await withRun();
    await tell(b, busyPool());
    const watching = b.start(['status', '--watch']);
    await watching.says(/input tokens of opus_5 at 92 %/, 'stdout');
    watching.kill('SIGINT');
    await watching.ended;
  });

  test('hold no key', async () => {
    const b = await withRun();
    await tell(b, busyPool());
    const said = (await b.ok(['limits'])).stdout + JSON.stringify(await limitsJson(b, 'limits'));
    expect(said).not.toContain(KEY);
    expect(said).not.toContain(KEY.slice(-8));
  });
});
