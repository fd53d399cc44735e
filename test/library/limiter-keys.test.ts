/**
 * Keys that the API refuses, and what becomes of calls that wait for one.
 */
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { seededRng } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { createLimiter } from '../../src/library/limiter.ts';
import type { LimiterOptions, RunOptions } from '../../src/library/limiter-options.ts';
import { limiterOn, type Limiter } from '../../src/library/paced-calls.ts';
import { MODEL } from '../support/cli.ts';

const KEYS = ['a', 'b'].map((name) => `sk-ant-api03-KEY-${name}-0123456789abcdefghijklmnop-${name}`);
const HAIKU: RunOptions = { model: MODEL, estimate: { inputTokens: 20, maxTokens: 60 } };
const OPUS: RunOptions = { ...HAIKU, model: 'claude-opus-5-5' };

/** As the official SDK throws it. */
function refusal(status: number, type: string): Error {
  const error = { type: 'error', error: { type, message: 'it says no' } };
  return Object.assign(new Error(`${status} it says no`), { status, headers: new Headers(), error });
}

function lab(options: LimiterOptions = {}) {
  const clock = new VirtualClock();
  const limiter = limiterOn({ keys: KEYS, tier: 'scale', ...options }, { clock, rng: seededRng(7) });
  return { clock, limiter, within: <T>(work: Promise<T>): Promise<T> => clock.run(work, 1_000_000, 30) };
}

const refusedBy = (limiter: Limiter, error: Error, options = HAIKU) =>
  limiter.run(() => Promise.reject(error), options).catch((cause: unknown) => cause);
const aside = async (limiter: Limiter) => (await limiter.snapshot()).keys.map((key) => key.aside !== null);

describe('where the API refuses every key', () => {
  it('calls that wait and those that come are told, and none waits for ever', async () => {
    const { limiter, within } = lab({ concurrency: 1 });
    const refused = refusal(401, 'authentication_error');
    let calls = 0;
    const send = (): Promise<never> => Promise.reject(++calls > 2 ? new Error('it was called') : refused);
    const all = Array.from({ length: 6 }, () => limiter.run(send, HAIKU).catch((cause: unknown) => cause));
    const told = await within(Promise.all(all));
    // Who asked with the last key has the API's own answer.
    expect(told.filter((cause) => cause === refused)).toHaveLength(1);
    const blocked = told.filter((cause) => cause !== refused);
    expect(blocked).toMatchObject(
      Array.from({ length: 5 }, () => ({ code: 'E_BLOCKED', details: { reason: 'credentials' } })),
    );
    expect(calls).toBe(2);
    expect(await within(refusedBy(limiter, new Error('it was called')))).toMatchObject({ code: 'E_BLOCKED' });
    expect(await limiter.snapshot()).toMatchObject({ waiting: 0, running: 0 });
    expect(await aside(limiter)).toEqual([true, true]);
  });

  it('for want of money, they are tried again after a minute', async () => {
    const { clock, limiter, within } = lab();
    const refused = refusal(402, 'billing_error');
    expect(await within(refusedBy(limiter, refused))).toBe(refused);
    await within(clock.sleep(59_000));
    expect(await within(refusedBy(limiter, refused))).toMatchObject({
      code: 'E_BLOCKED',
      details: { reason: 'billing' },
    });
    await within(clock.sleep(2_000));
    expect(await within(limiter.run(() => 'paid again', HAIKU))).toBe('paid again');
    expect(await aside(limiter)).toEqual([false, false]);
  });

  it('for one model, other models go on with them', async () => {
    const { limiter, within } = lab();
    const refused = refusal(403, 'permission_error');
    expect(await within(refusedBy(limiter, refused, OPUS))).toBe(refused);
    expect(await aside(limiter)).toEqual([true, true]);
    expect(await within(limiter.run(({ apiKey }) => apiKey !== null, HAIKU))).toBe(true);
    expect(await within(refusedBy(limiter, refused, OPUS))).toMatchObject({ code: 'E_BLOCKED' });
  });

  it('one after the other, for as long as calls may take, the call is given up', async () => {
    const { clock, limiter, within } = lab({ giveUpMs: 300_000 });
    const refused = refusal(402, 'billing_error');
    let tries = 0;
    // Each key is back before the other one has answered.
    const slow = limiter.run(async () => {
      tries++;
      await clock.sleep(61_000);
      throw refused;
    }, HAIKU);
    expect(await within(slow.catch((cause: unknown) => cause))).toBe(refused);
    expect(tries).toBe(5);
  });
});

it('answers that nobody reads give their connections back', async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    const fails = asked++ < 3;
    response.writeHead(fails ? 503 : 200, { 'content-type': 'text/html' });
    // The body of a failure has no end of its own.
    if (fails) response.write('<html>');
    else response.end('good');
  });
  const closed: Promise<void>[] = [];
  server.on('connection', (socket) => {
    closed.push(new Promise((resolve) => socket.on('close', () => resolve())));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => server.closeAllConnections());
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const limiter = createLimiter({ backoff: { baseMs: 1, maxMs: 2 } });
  const answer = await limiter.run(() => fetch(`http://127.0.0.1:${port}/`), HAIKU);
  expect(answer.status).toBe(200);
  expect(asked).toBe(4);
  expect(await answer.text()).toBe('good');
  await Promise.all(closed.slice(0, 3));
  await limiter.close();
});
