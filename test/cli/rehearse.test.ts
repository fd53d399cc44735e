/**
 * `rehearse` as a user runs it: without a key, without a state, on real questions; against the same job in real time.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { RehearsalView } from '../../src/tools/rehearse/view.ts';
import { poolSnapshot } from '../contract/store.lab.ts';
import { ASK, bench, BANKING77, csv, requests, type Bench } from '../support/cli.ts';

/** As at the real API: the bench looks every few milliseconds, which a rehearsed night has too many of. */
const PACE = { BATCHRUN_POLL_INTERVAL: '30s', BATCHRUN_RECONCILE_GRACE: '10m' };
const NO_KEY = { env: { ...PACE, ANTHROPIC_API_KEY: undefined, ANTHROPIC_BASE_URL: undefined } };

async function viewOf(b: Bench, args: readonly string[]): Promise<RehearsalView> {
  return JSON.parse((await b.ok(['rehearse', ...args, '--json'], { env: PACE })).stdout) as RehearsalView;
}

describe('rehearse', () => {
  test('BANKING77: the night as text, without a key, and nothing is left behind', async () => {
    const b = await bench();
    const args = ['rehearse', BANKING77, ...ASK, '--chunk-size', '500', '--nights', '2'];
    const { stdout } = await b.ok(args, NO_KEY);
    expect(stdout).toMatch(/^It would end at \+\S+( \S+)?, i\.e\. \d\d:\d\d/);
    for (const part of ['3,080 rows, 7 chunks', '3,080 succeeded', 'of 200,000 requests', 'chance', 'say --tier']) {
      expect(stdout).toContain(part);
    }
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(existsSync(b.state)).toBe(false);
    expect(b.world.ledger.calls.size).toBe(0);
  });

  test('the same input and seed give the same bytes; --html writes a page with its charts', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(300));
    const args = ['rehearse', 'in.jsonl', '--chunk-size', '50', '--nights', '2', '--faults', 'heavy', '--json'];
    const first = await b.ok([...args, '--html', 'night.html'], { env: PACE });
    expect((await b.ok(args, { env: PACE })).stdout).toBe(first.stdout);
    const page = readFileSync(join(b.folder, 'night.html'), 'utf8');
    expect(page).toContain('Rehearsal of in.jsonl');
    expect(page).toContain('id="queue-data"');
    expect(page).not.toContain('question 1');
  });

  test('what this state knows of the account counts, and the state stays as it is', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(300));
    await b.ok(['run', 'in.jsonl', '--limit', '30', '-o', 'out.jsonl']);
    const ledger = openSqliteStore(join(b.state, 'state.db'));
    const driver = await ledger.takeOver({ pid: process.pid, host: 'here', command: 'test', atMs: systemClock.now() });
    const limits = [{ name: 'queue', value: 120, source: 'refusal', atMs: systemClock.now() }] as const;
    await driver.recordPools(
      b.origin,
      [poolSnapshot('org_1', 'batches', { limits, atMs: systemClock.now() })],
      systemClock.now(),
    );
    await driver.letGo(new Set((await ledger.runs()).map((run) => run.id)), systemClock.now());
    await ledger.close();
    const before = readFileSync(join(b.state, 'state.db'));
    const view = await viewOf(b, ['in.jsonl', '--chunk-size', '50', '--nights', '1', '--faults', 'none']);
    expect(view.night.queue.limit).toBe(120);
    expect(view.night.queue.peak).toBeLessThanOrEqual(120);
    expect(view.grounds.find(({ what }) => what === 'answer')?.source).toContain('earlier runs');
    expect(readFileSync(join(b.state, 'state.db')).equals(before)).toBe(true);
    expect((await b.json(0, ['list'])).runs).toHaveLength(1);
  });

  test('a deadline that is missed and a budget that stops are information: exit 0', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(400));
    const common = ['in.jsonl', '--nights', '1', '--faults', 'none', '--chunk-size', '50', '--batch-duration', '30m'];
    const late = await viewOf(b, [...common, '--deadline', '10m', '--batch-only']);
    expect(late.night.deadline).toMatchObject({ met: false, after_seconds: 600 });
    const text = await b.ok(['rehearse', ...common, '--deadline', '10m', '--batch-only'], { env: PACE });
    expect(text.stdout).toMatch(/MISSED by 2\dm/);
    const poor = await viewOf(b, [...common, '--max-cost', '0.0001']);
    expect(poor.night).toMatchObject({ finishes: false, blocked: [{ reason: 'budget' }] });
    const stuck = await b.ok(['rehearse', ...common, '--max-cost', '0.0001'], { env: PACE });
    expect(stuck.stdout).toMatch(/^It would NOT end by itself/);
  });

  test.each([
    ['rows that cannot be sent', 'bad.jsonl', 'E_INPUT_INVALID'],
    ['no rows', 'empty.jsonl', 'E_INPUT_EMPTY'],
    ['no file', 'missing.jsonl', 'E_INPUT_MISSING'],
  ])('refuses %s as submit does', async (_, file, code) => {
    const b = await bench();
    b.write('bad.jsonl', `${requests(2)}{"custom_id":"x","params":{"model":"m"}}\n`);
    b.write('empty.jsonl', '');
    const ended = await b.call(['rehearse', file, '--json'], NO_KEY);
    expect(ended.code).toBe(2);
    expect(ended.stdout + ended.stderr).toContain(code);
  });

  test('Ctrl-C ends it at once, and nothing is left', async () => {
    const b = await bench();
    writeFileSync(join(b.folder, 'in.csv'), csv(60_000));
    const running = b.start(['rehearse', 'in.csv', ...ASK, '--nights', '1000']);
    await running.says(/Rehearsing 60,000 rows, 1,000 nights/);
    running.kill('SIGINT');
    const ended = await running.ended;
    expect(ended).toMatchObject({ code: 130, stdout: '' });
    expect(existsSync(b.state)).toBe(false);
  });
});

/** A quarter, and two seconds for the start of a process on a busy machine. */
const TOLERANCE = { share: 0.25, seconds: 2 };

test(
  'the end that is predicted is that of the same job in real time, within a quarter',
  { timeout: 60_000 },
  async () => {
    const b = await bench({ batchDurationMs: [3_000, 3_000], limits: { batchQueueMax: 1_000 } });
    const pace = ['--chunk-size', '500', '--max-queued', '1000', '--poll-interval', '500ms'];
    const job = [BANKING77, ...ASK, ...pace];
    const view = await viewOf(b, [...job, '--faults', 'none', '--nights', '1', '--batch-duration', '3s']);
    await b.ok(['run', ...job, '-o', 'out.jsonl']);
    const [run] = (await b.json(0, ['status'])).runs;
    const { created_at: from, done_at: to } = run as unknown as { created_at: string; done_at: string };
    const realSeconds = (Date.parse(to) - Date.parse(from)) / 1_000;
    // Seven batches of up to 500, two at a time: four waves of three seconds at least.
    expect(realSeconds).toBeGreaterThan(12);
    const apart = Math.abs(view.night.ends_after_seconds - realSeconds);
    expect(apart).toBeLessThan(realSeconds * TOLERANCE.share + TOLERANCE.seconds);
    expect(view.night.batches.made).toBe(b.world.ledger.batches.length);
    // Sizes are jittered by a hundredth.
    expect(view.night.queue.peak / b.world.ledger.peakQueued).toBeCloseTo(1, 1);
    expect(view.night.queue.peak).toBeLessThanOrEqual(1_000);
  },
);
