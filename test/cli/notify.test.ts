/**
 * `--notify` and `--notify-cmd` of the built program: each event reached through real commands against the simulator, told
 * once over several processes, and nothing of it in the way of the work.
 */
import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { bench, ENDLESS, jsonl, KEY, params, requests, type Bench } from '../support/cli.ts';
import { answers, receiver, takes, type Notice } from '../support/receiver.ts';

const DAY_MS = 86_400_000;

/** What the ledger has on notices, by kind. */
async function noted(b: Bench, kind: string): Promise<Record<string, unknown>[]> {
  const { stdout } = await b.ok(['log', 'latest', '--json']);
  const events = stdout.trimEnd().split('\n');
  return events.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === kind);
}

describe('done and failed', () => {
  test('a run that is done is told once, whatever command comes after it', async () => {
    const b = await bench();
    const hook = await receiver();
    b.write('in.jsonl', requests(5, 'a secret question'));
    const args = ['run', 'in.jsonl', '--name', 'nightly', '--notify', hook.url];
    await b.ok(args);
    await b.ok(args);
    await b.ok(['collect', '--notify', hook.url]);
    expect(hook.events).toEqual(['done']);
    const [notice] = hook.notices;
    const [run] = (await b.json(0, ['status', 'nightly'])).runs;
    expect(notice).toMatchObject({
      ...{ version: 1, event: 'done', exit: 0, hint: null, code: null, command: 'batchrun run', state: b.state },
      run: { id: run.id, name: 'nightly', state: 'done' },
      rows: { total: 5, succeeded: 5, failed: 0 },
      cost_usd: { spent: run.cost_usd['spent'], budget: null },
      details: { output: b.path('in.results.jsonl') },
    });
    expect(notice?.text).toBe(`batchrun: nightly (${run.id}): done, all of its 5 rows succeeded`);
    expect(hook.received[0]).toMatchObject({ method: 'POST', path: '/hook/s3cret' });
    expect(hook.received[0]?.headers['content-type']).toBe('application/json');
    expect(hook.received[0]?.headers).not.toHaveProperty('x-batchrun-signature');
    const all = hook.received.map(({ body, headers }) => body + JSON.stringify(headers)).join();
    expect(all).not.toMatch(/secret question|sk-ant/);
  });

  test('a run of which rows failed is told as failed, and again when it was retried', async () => {
    const b = await bench();
    const hook = await receiver();
    b.write('in.jsonl', requests(6));
    b.world.setRates({ errorRate: 1, errorTypes: { invalid_request_error: 1 } });
    await b.exits(3, ['run', 'in.jsonl', '--notify', hook.url]);
    expect(hook.notices).toMatchObject([{ event: 'failed', exit: 3, rows: { failed: 6 } }]);
    expect(hook.notices[0]?.hint).toContain('batchrun retry run_');
    b.world.setRates({ errorRate: 0 });
    await b.ok(['retry', 'latest', '--wait', '--notify', hook.url]);
    expect(hook.events).toEqual(['failed', 'done']);
    expect(new Set(hook.notices.map(({ id }) => id)).size).toBe(2);
  });

  test('within --fail-if it is done; canceled by its own command it is done as well', async () => {
    const b = await bench(ENDLESS);
    const hook = await receiver();
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl', '--notify', hook.url]);
    await b.ok(['cancel', 'latest', '--notify', hook.url]);
    expect(hook.notices).toMatchObject([{ event: 'done', exit: 0, rows: { canceled: 2 } }]);
    expect(hook.notices[0]?.message).toContain('canceled, 0 of its 2 rows succeeded');
  });

  test('a command that dies of an error says so once, and again after one that did not', async () => {
    const b = await bench(ENDLESS);
    const hook = await receiver();
    b.write('in.jsonl', requests(2));
    await b.ok(['submit', 'in.jsonl']);
    await b.offline();
    const collect = ['collect', '--notify', hook.url, '--give-up', '1ms', '--backoff-base', '1ms'];
    await b.exits(4, collect);
    await b.exits(4, collect);
    expect(hook.notices).toMatchObject([{ event: 'failed', exit: 4, code: 'E_API_UNREACHABLE' }]);
    await b.online();
    await b.exits(4, [...collect, '--once']);
    await b.offline();
    await b.exits(4, collect);
    expect(hook.events).toEqual(['failed', 'failed']);
  });
});

describe('blocked', () => {
  test('is told once by a job that starts again and again, and again when it was solved meanwhile', async () => {
    const b = await bench();
    const hook = await receiver();
    b.write('in.jsonl', requests(4));
    b.world.setAccountProblem('credit_too_low');
    const notify = ['--notify', hook.url];
    await b.exits(5, ['submit', 'in.jsonl', '--chunk-size', '2', '--max-batches', '1', ...notify]);
    for (const _time of [1, 2, 3]) await b.exits(5, ['collect', '--once', ...notify]);
    expect(hook.notices).toMatchObject([{ event: 'blocked', details: { reason: 'billing' } }]);
    expect(hook.notices[0]?.hint).not.toBe('');
    b.world.setAccountProblem(undefined);
    await b.exits(4, ['collect', '--once', '--max-batches', '1', ...notify]);
    b.world.setAccountProblem('credit_too_low');
    await b.exits(5, ['collect', '--max-batches', '1', ...notify]);
    b.world.setAccountProblem(undefined);
    await b.ok(['collect', ...notify]);
    expect(hook.events).toEqual(['blocked', 'blocked', 'done']);
    expect(new Set(hook.notices.map(({ id }) => id)).size).toBe(3);
  });
});

describe('alerts', () => {
  test('the budget: at 80 % of it, once for each cap', async () => {
    // The second batch goes on while the test runs.
    const b = await bench({ batchDurationMs: (_rng, rows) => (rows === 1 ? 600_000 : 50) });
    const hook = await receiver();
    b.write('in.jsonl', requests(4));
    const collect = ['collect', '--once', '--notify', hook.url];
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '3', '--max-cost', '50']);
    await b.exits(4, ['collect', '--max-wait', '1s', '--notify', hook.url]);
    const spent = (await b.json(0, ['status', 'latest'])).runs[0].cost_usd['spent'] ?? NaN;
    expect(spent).toBeGreaterThan(0);
    expect(hook.received).toEqual([]);
    for (const _time of [1, 2]) await b.exits(4, [...collect, '--max-cost', String(spent * 1.1)]);
    expect(hook.notices).toMatchObject([
      { event: 'budget', cost_usd: { budget: spent * 1.1 }, details: { spent_usd: spent } },
    ]);
    expect(hook.notices[0]?.message).toContain('(91 %)');
    await b.exits(4, [...collect, '--max-cost', String(spent * 1.2)]);
    await b.exits(4, [...collect, '--max-cost', String(spent * 2)]);
    expect(hook.events).toEqual(['budget', 'budget']);
  });

  test('the deadline: once while it is at risk, once when it is over, and again for another', async () => {
    const b = await bench(ENDLESS);
    const hook = await receiver();
    b.write('in.jsonl', requests(3));
    const notify = ['--notify', hook.url, '--notify-on', 'deadline'];
    await b.ok(['submit', 'in.jsonl', '--batch-only', '--deadline', '10m', ...notify]);
    await b.exits(4, ['collect', '--once', ...notify]);
    expect(hook.notices).toMatchObject([{ event: 'deadline', details: { late_rows: 3, missed: false } }]);
    await b.exits(4, ['collect', '--once', '--deadline', '1ms', ...notify]);
    await b.exits(4, ['collect', '--once', ...notify]);
    expect(hook.notices.map(({ details }) => details['missed'])).toEqual([false, true]);
  });

  test('calls that are refused with 429, once an hour', async () => {
    const b = await bench({ rates: { messageErrorRates: { 429: 0.5 } }, retryAfterSeconds: [0, 0] });
    const hook = await receiver();
    b.write('in.jsonl', requests(40));
    const args = [
      'run',
      'in.jsonl',
      '--realtime',
      '--max-attempts',
      '50',
      '--backoff-base',
      '1ms',
      '--concurrency',
      '20',
    ];
    await b.ok([...args, '--backoff-max', '5ms', '--notify', hook.url]);
    expect(hook.events).toEqual(['rate_limited', 'done']);
    const details = hook.notices[0]?.details ?? {};
    expect(Number(details['calls'])).toBeGreaterThanOrEqual(20);
    expect(Number(details['refused'])).toBeGreaterThan(Number(details['calls']) / 20);
  });

  test('results that the API deletes soon, once a day', async () => {
    const b = await bench(ENDLESS);
    const hook = await receiver();
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    aged(b, 25 * DAY_MS);
    b.world.setFaults({ 'list.503': 1 });
    const collect = ['collect', '--once', '--give-up', '1ms', '--backoff-base', '1ms', '--notify', hook.url];
    for (const _time of [1, 2]) await b.exits(4, collect);
    const found = hook.notices.filter(({ event }) => event === 'results_vanish');
    expect(found).toMatchObject([{ details: { batches: 1 } }]);
    expect(found[0]?.message).toMatch(/results of 1 batch .* deleted by the API from \d{4}-/);
    expect(found[0]?.hint).toContain('batchrun collect run_');
  });
});

/** As if its batches had been made so long ago. */
function aged(b: Bench, ms: number): void {
  change(b, 'UPDATE batches SET created_at_ms = created_at_ms - ?', ms);
}

function change(b: Bench, sql: string, ...values: readonly number[]): void {
  const db = new Database(b.path('.batchrun/state.db'));
  db.prepare(sql).run(...values);
  db.close();
}

describe('the receiver', () => {
  test('can prove who sent it, where there is a secret', async () => {
    const b = await bench();
    const hook = await receiver();
    b.write('in.jsonl', requests(1));
    const secret = 'a shared secret';
    await b.ok(['run', 'in.jsonl', '--notify', hook.url], { env: { BATCHRUN_NOTIFY_SECRET: secret } });
    const [one] = hook.received;
    const header = String(one?.headers['x-batchrun-signature']);
    const [, seconds = '', hex = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? [];
    expect(hex).toBe(
      createHmac('sha256', secret)
        .update(`${seconds}.${one?.body ?? ''}`)
        .digest('hex'),
    );
    expect(Math.abs(Number(seconds) - Date.parse(hook.notices[0]?.at ?? '') / 1_000)).toBeLessThan(120);
    expect(JSON.stringify(hook.received)).not.toContain(secret);
  });

  test('that fails twice gets it at the third try, under the same id', async () => {
    const b = await bench();
    const hook = await receiver(answers(503), answers(500), takes);
    b.write('in.jsonl', requests(1));
    await b.ok(['run', 'in.jsonl', '--notify', hook.url]);
    expect(hook.events).toEqual(['done', 'done', 'done']);
    expect(new Set(hook.notices.map(({ id }) => id)).size).toBe(1);
    expect(await noted(b, 'notice.sent')).toMatchObject([{ id: hook.notices[0]?.id, to: 'webhook' }]);
  });

  test('that is down changes nothing, is named without its secret, and gets it from the next command', async () => {
    const b = await bench();
    const hook = await receiver(answers(404));
    b.write('in.jsonl', requests(1));
    const ended = await b.ok(['run', 'in.jsonl', '--notify', hook.url]);
    expect(ended.stderr).toMatch(/notify\.not_sent .*127\.0\.0\.1:\d+ answered 404/);
    expect(ended.stderr).not.toContain('s3cret');
    expect(await noted(b, 'notice.sent')).toEqual([]);
    expect(JSON.stringify(await noted(b, 'notice.due'))).not.toMatch(/s3cret|127\.0\.0\.1/);
    // Not a word in a mail from cron, either.
    const quiet = await b.ok(['collect', '--quiet', '--notify', hook.url]);
    expect(quiet).toMatchObject({ stdout: '', stderr: '' });
    hook.behaves(takes);
    await b.ok(['collect', '--notify', hook.url]);
    await b.ok(['collect', '--notify', hook.url]);
    expect(hook.events).toEqual(['done', 'done', 'done']);
    expect(await noted(b, 'notice.sent')).toHaveLength(1);
  });

  test('is not left behind by a redirect to another host, and is followed on its own', async () => {
    const b = await bench();
    const other = await receiver();
    const away = await receiver(answers(307, { location: other.url }));
    b.write('in.jsonl', requests(1));
    const env = { BATCHRUN_NOTIFY_SECRET: 'x' };
    const ended = await b.ok(['run', 'in.jsonl', '--notify', away.url], { env });
    expect(ended.stderr).toContain('points to another place');
    expect(other.received).toEqual([]);
    const moved = await receiver(answers(308, { location: '/new' }), takes);
    await b.ok(['collect', '--notify', moved.url], { env });
    expect(moved.received.map(({ path }) => path)).toEqual(['/hook/s3cret', '/new']);
    expect(moved.events).toEqual(['done', 'done']);
  });

  test('that does not answer holds nobody up after Ctrl-C', async () => {
    const b = await bench({ ...ENDLESS, accountProblem: 'credit_too_low' });
    const hook = await receiver(() => undefined);
    b.write('in.jsonl', requests(1));
    const running = b.start(['submit', 'in.jsonl', '--notify', hook.url]);
    await hook.gets(1);
    running.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
    expect(hook.received).toHaveLength(1);
  });

  test('gets it again, under the same id, where the process died before it could note it', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const hook = await receiver();
    const running = b.start(['run', 'in.jsonl', '--notify', hook.url]);
    hook.behaves(() => running.kill('SIGKILL'));
    expect((await running.ended).signal).toBe('SIGKILL');
    hook.behaves(takes);
    // Who cannot know of the death leaves alone what is young.
    await b.ok(['run', 'in.jsonl', '--notify', hook.url]);
    expect(hook.events).toEqual(['done']);
    change(b, "UPDATE events SET at_ms = at_ms - 60000 WHERE kind = 'notice.due'");
    await b.ok(['run', 'in.jsonl', '--notify', hook.url]);
    await b.ok(['run', 'in.jsonl', '--notify', hook.url]);
    expect(hook.events).toEqual(['done', 'done']);
    expect(hook.notices[0]?.id).toBe(hook.notices[1]?.id);
  });

  test('gets it once from a driver that is at it, whatever commands come meanwhile', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const held: ServerResponse[] = [];
    const hook = await receiver((response) => void held.push(response));
    const running = b.start(['run', 'in.jsonl', '--notify', hook.url]);
    await hook.gets(1);
    hook.behaves(takes);
    await b.ok(['collect', '--once', '--notify', hook.url]);
    held[0]?.writeHead(204).end();
    expect((await running.ended).code).toBe(0);
    expect(hook.events).toEqual(['done']);
  });

  test('gets it from the next command, where the process died right after the end of the run', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const hook = await receiver();
    const args = ['run', 'in.jsonl', '--notify', hook.url];
    await b.call(args, { env: { BATCHRUN_FAILPOINT: 'output.renamed' } });
    const nowMs = Date.parse(new Date().toISOString());
    change(b, "UPDATE runs SET state = 'done', done_at_ms = ?", nowMs);
    await b.ok(['collect', '--notify', hook.url]);
    expect(hook.events).toEqual([]);
    change(b, 'UPDATE runs SET done_at_ms = ?', nowMs - 60_000);
    await b.ok(['collect', '--notify', hook.url]);
    expect(hook.events).toEqual(['done']);
  });
});

describe('--notify-cmd', () => {
  test('gets the JSON on its stdin, the most of it in its environment, and no key', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([{ custom_id: 'a', params: params('one') }]));
    const env = { BATCHRUN_NOTIFY_SECRET: 'hidden', TEAM_KEY: KEY, KEPT: 'kept' };
    await b.ok(['run', 'in.jsonl', '--name', 'n', '--notify-cmd', 'cat > got.json; env > got.env'], { env });
    const notice = JSON.parse(b.read('got.json')) as Notice;
    expect(notice).toMatchObject({ event: 'done', rows: { succeeded: 1 } });
    const seen = b.read('got.env');
    expect(seen).toContain('BATCHRUN_EVENT=done\n');
    expect(seen).toContain(`BATCHRUN_RUN=${notice.run.id}\n`);
    expect(seen).toContain('BATCHRUN_RUN_NAME=n\n');
    expect(seen).toContain(`BATCHRUN_MESSAGE=${notice.message}\n`);
    expect(seen).toContain(`BATCHRUN_STATE=${b.state}\n`);
    expect(seen).toContain('KEPT=kept\n');
    expect(seen).not.toMatch(/sk-ant|hidden|TEAM_KEY|ANTHROPIC_API_KEY/);
  });

  test('gets no other credential of the API either, nor the token of a page', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const names = ['IDENTITY_TOKEN', 'WEBHOOK_SIGNING_KEY', 'ENVIRONMENT_KEY', 'WORK_SECRET', 'CUSTOM_HEADERS'];
    const hidden = Object.fromEntries(names.map((name) => [`ANTHROPIC_${name}`, 'x-hidden: 1']));
    const env = { ...hidden, BATCHRUN_TOKEN: 'hidden-from-commands', ANTHROPIC_LOG: 'warn', OTHER_TOKEN: 'kept' };
    await b.ok(['run', 'in.jsonl', '--notify-cmd', 'env > got.env'], { env });
    const seen = b.read('got.env');
    expect(seen).toContain('ANTHROPIC_LOG=warn\n');
    expect(seen).toContain('OTHER_TOKEN=kept\n');
    expect(seen).not.toMatch(/hidden/);
  });

  test('that fails is told by the next command, apart from the webhook that took it', async () => {
    const b = await bench();
    const hook = await receiver();
    b.write('in.jsonl', requests(1));
    const notify = ['--notify', hook.url, '--notify-cmd', 'test -e ready && cat >> got.jsonl'];
    const ended = await b.ok(['run', 'in.jsonl', ...notify]);
    expect(ended.stderr).toMatch(/notify\.not_sent .*to=command why=the command ended with exit 1/);
    b.write('ready', '');
    await b.ok(['collect', ...notify]);
    await b.ok(['collect', ...notify]);
    expect(hook.events).toEqual(['done']);
    expect(b.read('got.jsonl').trimEnd().split('\n')).toHaveLength(1);
  });

  test('is heard in the log at debug', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(1));
    const ended = await b.ok(['run', 'in.jsonl', '--notify-cmd', 'echo heard', '--log-level', 'debug']);
    expect(ended.stderr).toMatch(/notify\.output .*output=heard/);
    expect(ended.stderr).toContain('notify.sent');
  });
});

test('--notify-on leaves the rest out, and knows its words', async () => {
  const b = await bench();
  const hook = await receiver();
  b.write('in.jsonl', requests(1));
  await b.ok(['run', 'in.jsonl', '--notify', hook.url, '--notify-on', 'failed,blocked']);
  expect(hook.received).toEqual([]);
  const refused = await b.exits(2, ['run', 'in.jsonl', '--notify', hook.url, '--notify-on', 'finished']);
  expect(refused.stderr).toContain('done, blocked, failed, rate_limited, budget, deadline, results_vanish');
});

test('config shows where notices go without the secret', async () => {
  const b = await bench();
  const env = { BATCHRUN_NOTIFY: 'https://hooks.example.com/services/T0/B0/s3cret', BATCHRUN_NOTIFY_SECRET: 'hidden' };
  Object.assign(env, { BATCHRUN_TOKEN: 'hidden-from-everybody' });
  const { stdout, stderr } = await b.ok(['config', 'run'], { env });
  expect(stdout).toContain('https://hooks.example.com/****');
  expect(stdout + stderr).not.toMatch(/s3cret|hidden|no flag of batchrun/);
});
