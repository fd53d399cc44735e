/**
 * The ways out of notices on a virtual clock: how often and how long they try, and what they say where they fail.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { createNoticeCommand } from '../../../../src/adapters/notify/command.ts';
import { NotTaken, PATIENCE, withPatience } from '../../../../src/adapters/notify/patience.ts';
import { bodyFor, createWebhook } from '../../../../src/adapters/notify/webhook.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import type { NoticeBody } from '../../../../src/domain/notice-body.ts';
import { answers, hangs, receiver, takes } from '../../../support/receiver.ts';

const BODY: NoticeBody = {
  ...{ version: 1, id: 'ntc_1', event: 'done', at: '2026-11-20T00:00:00.000Z', text: 't', message: 'm' },
  ...{ hint: null, exit: 0, code: null, run: { id: 'run_1', name: null, state: 'done' }, rows: null },
  ...{ cost_usd: { spent: null, budget: null }, details: {}, host: 'h', state: '/s', command: 'batchrun run' },
};
const rng = { next: () => 0.5 };
const signal = new AbortController().signal;

/** Lets the time pass whenever somebody waits for it, until the work is over. Gives how long that was. */
async function elapsed(clock: VirtualClock, work: Promise<unknown>): Promise<number> {
  const state = { over: false };
  const isOver = (): boolean => state.over;
  const end = work.finally(() => (state.over = true));
  end.catch(() => undefined);
  while (!isOver()) {
    await new Promise((resolve) => setImmediate(resolve));
    if (clock.sleeping > 0) clock.advance(100);
  }
  await end;
  return clock.monotonicMs();
}

describe('tries', () => {
  const failing = (times: number, failure: () => NotTaken) => {
    let made = 0;
    const work = (): Promise<void> => (made++ < times ? Promise.reject(failure()) : Promise.resolve());
    return { work, made: () => made };
  };
  const trying = (clock: VirtualClock, patient = true) => ({ clock, rng, patience: PATIENCE, signal, patient });

  test('are four, with growing waits', async () => {
    const clock = new VirtualClock();
    const { work, made } = failing(3, () => new NotTaken('no', true));
    const ms = await elapsed(clock, withPatience(work, trying(clock)));
    expect([made(), ms]).toEqual([4, 3_500]);
    const other = failing(9, () => new NotTaken('no', true));
    await expect(elapsed(clock, withPatience(other.work, trying(clock)))).rejects.toThrow('no');
    expect(other.made()).toBe(4);
  });

  test('wait as long as they are asked to, within the bound for all', async () => {
    const clock = new VirtualClock();
    const { work } = failing(1, () => new NotTaken('later', true, 20_000));
    expect(await elapsed(clock, withPatience(work, trying(clock)))).toBe(20_000);
    const long = failing(1, () => new NotTaken('much later', true, 31_000));
    await expect(withPatience(long.work, trying(clock))).rejects.toThrow('much later');
    expect(long.made()).toBe(1);
  });

  test('are one where another cannot do better, or nobody is patient', async () => {
    const clock = new VirtualClock();
    const final = failing(9, () => new NotTaken('gone', false));
    await expect(withPatience(final.work, trying(clock))).rejects.toThrow('gone');
    const passing = failing(9, () => new NotTaken('busy', true));
    await expect(withPatience(passing.work, trying(clock, false))).rejects.toThrow('busy');
    expect([final.made(), passing.made()]).toEqual([1, 1]);
  });
});

describe('a webhook', () => {
  const hookTo = (url: string, clock: VirtualClock, timeoutMs = 10_000) =>
    createWebhook({ url, secret: null, userAgent: 'batchrun', clock, rng, timeoutMs });

  test.each([408, 429, 500, 503])('tries again after %i, and waits as Retry-After says', async (status) => {
    const hook = await receiver(answers(status, { 'retry-after': '7' }), takes);
    const clock = new VirtualClock();
    expect(await elapsed(clock, hookTo(hook.url, clock).deliver(BODY, { signal, patient: true }))).toBe(7_000);
    expect(hook.received).toHaveLength(2);
  });

  test('takes its name and password along when its own host sends it on, whatever the new address says', async () => {
    const hook = await receiver((response, { path }) => {
      const isThere = path === '/new';
      response.writeHead(isThere ? 204 : 308, { location: new URL('/new', hook.url).href }).end();
    });
    const clock = new VirtualClock();
    await hookTo(hook.url.replace('//', '//me:pass%20word@'), clock).deliver(BODY, { signal, patient: true });
    const asked = hook.received.map(({ path, headers }) => [path, headers.authorization]);
    const basic = `Basic ${Buffer.from('me:pass word').toString('base64')}`;
    expect(asked).toEqual([
      ['/hook/s3cret', basic],
      ['/new', basic],
    ]);
  });

  test.each([301, 302, 400, 401, 404, 410])('gives up after %i', async (status) => {
    const hook = await receiver(answers(status, { location: '/elsewhere' }));
    const clock = new VirtualClock();
    const sending = hookTo(hook.url, clock).deliver(BODY, { signal, patient: true });
    await expect(sending).rejects.toThrow(new RegExp(`^127\\.0\\.0\\.1:\\d+ answered ${status}$`));
    expect(hook.received).toHaveLength(1);
  });

  test('that does not answer in time, or is not there, is named by its host alone', async () => {
    const hook = await receiver(hangs);
    const clock = new VirtualClock();
    const slow = hookTo(hook.url, clock, 50).deliver(BODY, { signal, patient: false });
    await expect(slow).rejects.toThrow(/^127\.0\.0\.1:\d+ did not answer in time$/);
    await hook.close();
    const away = hookTo(hook.url, clock).deliver(BODY, { signal, patient: false });
    await expect(away).rejects.toThrow(/^127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)$/);
  });

  test('takes name and password of its address as what they are', async () => {
    const hook = await receiver();
    const url = hook.url.replace('//', '//me:pass%20word@');
    await hookTo(url, new VirtualClock()).deliver(BODY, { signal, patient: false });
    expect(hook.received[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:pass word').toString('base64')}`);
  });

  test('of Slack, and of Discord in the manner of Slack, gets the text alone', () => {
    const slack = ['https://hooks.slack.com/services/T/B/x', 'https://discord.com/api/webhooks/1/x/slack'];
    for (const url of slack) expect(bodyFor(new URL(url), BODY)).toEqual({ text: 't' });
    const others = ['https://hooks.slack.com.example.com/x', 'https://example.com/slack', 'https://discord.com/x'];
    for (const url of others) expect(bodyFor(new URL(url), BODY)).toBe(BODY);
  });
});

describe('a command', () => {
  const parts = { env: { PATH: '/usr/bin:/bin' }, hidden: [], clock: new VirtualClock(), rng, log: silentLogger };

  test('that does not end is killed with what it has started', async () => {
    const told: unknown[] = [];
    const log = { ...silentLogger, debug: (_event: string, fields?: object) => void told.push(fields) };
    const command = createNoticeCommand({ ...parts, log, command: 'sleep 600 & echo $!; wait', timeoutMs: 300 });
    await expect(command.deliver(BODY, { signal, patient: true })).rejects.toThrow('did not end within 0.3 s');
    const pid = Number((told[0] as { output: string }).output);
    expect(pid).toBeGreaterThan(1);
    await expect.poll(() => isThere(pid)).toBe(false);
  });

  test('is not started where nobody waits any more', async () => {
    let asked = 0;
    const env = new Proxy(parts.env, { ownKeys: (target) => (asked++, Reflect.ownKeys(target)) });
    const command = createNoticeCommand({ ...parts, env, command: 'exit 0' });
    const delivering = command.deliver(BODY, { signal: AbortSignal.abort(), patient: true });
    await expect(delivering).rejects.toThrow('the command was not started');
    expect(asked).toBe(0);
  });

  test('that leaves something running does not hold anybody up', async () => {
    const command = createNoticeCommand({ ...parts, command: 'sleep 5 & exit 0' });
    await command.deliver(BODY, { signal, patient: true });
  });
});

/** One that was killed and that nobody has asked for yet (Z) is not there any more. */
function isThere(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return /^[^Z\s]/.test(stdout.trim());
}
