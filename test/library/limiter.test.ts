/**
 * The limiter for calls of one's own: on a virtual clock against the simulator, with the official SDK and with fetch.
 */
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { LimiterOptions, RunOptions } from '../../src/library/limiter-options.ts';
import { limiterOn } from '../../src/library/paced-calls.ts';
import { createSim, type SimOptions } from '../../src/library/sim.ts';
import { echo, MODEL, params } from '../support/cli.ts';

const SMALL: RunOptions = { model: MODEL, estimate: { inputTokens: 20, maxTokens: 60 } };
const KEYS = ['a', 'b', 'c'].map((name) => `sk-ant-api03-KEY-${name}-0123456789abcdefghijklmnop-${name}`);

function lab(options: LimiterOptions = {}, sim: SimOptions = {}) {
  const clock = new VirtualClock();
  const world = createSim({ clock, tier: 'start', messageLatencyMs: [200, 200], ...sim });
  const limiter = limiterOn(options, { clock, rng: seededRng(7) });
  const client = (apiKey = KEYS[0] ?? '') =>
    new Anthropic({ apiKey, baseURL: 'http://sim', fetch: world.fetch, maxRetries: 0 });
  const ask = (text: string, apiKey?: string) =>
    client(apiKey).messages.create(params(text) as unknown as Anthropic.MessageCreateParamsNonStreaming);
  /** Lets time pass until this is settled. */
  const within = <T>(work: Promise<T>): Promise<T> => clock.run(work, 1_000_000, 30);
  return { clock, world, limiter, ask, within };
}

/** The same Response as it would be of a class that Node does not know. */
function foreign(response: Response): Response {
  const { status, ok, headers, body, bodyUsed } = response;
  const all = { status, ok, headers, body, bodyUsed, json: () => response.json() };
  return { ...all, clone: () => foreign(response.clone()) } as unknown as Response;
}

/** What node-fetch gives: a body that is a stream of Node, and copies that come no further than those beside them. */
function ofNodeFetch(source: Readable): Response {
  let body = source;
  const given = {
    ...{ status: 200, ok: true, bodyUsed: false, headers: new Headers({ 'content-type': 'application/json' }) },
    get body() {
      return body;
    },
    clone() {
      const all = body;
      body = all.pipe(new PassThrough());
      return ofNodeFetch(all.pipe(new PassThrough()));
    },
    json: async () => JSON.parse(await text(body)) as unknown,
  };
  return given as unknown as Response;
}

const textOf = (message: Anthropic.Message): string =>
  message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');

describe('calls', () => {
  it('of the SDK give what they give, and limits are learnt from their headers', async () => {
    const { limiter, ask, within, world } = lab();
    const message = await within(limiter.run(() => ask('hello'), SMALL));
    expect(textOf(message)).toBe(echo('hello'));
    const { pools, running, waiting, mode } = await limiter.snapshot();
    expect({ running, waiting, mode }).toEqual({ running: 0, waiting: 0, mode: 'local' });
    expect(pools[0]?.limits.find(({ name }) => name === 'requests')).toMatchObject({ source: 'headers' });
    expect(pools[0]?.use[0]?.minutes[0]).toMatchObject({
      requests: 1,
      outputTokens: world.ledger.messages[0]?.outputTokens,
    });
  });

  it('beyond the limit wait for it, and none is refused', async () => {
    const { limiter, ask, within, world, clock } = lab({}, { limits: { messages: { rpm: 100 } } });
    const startMs = clock.now();
    const calls = Array.from({ length: 300 }, (_, at) => limiter.run(() => ask(`row ${at}`), SMALL));
    const messages = await within(Promise.all(calls));
    expect(messages.map(textOf)).toEqual(messages.map((_, at) => echo(`row ${at}`)));
    expect(world.ledger.refusals.size).toBe(0);
    // A hundred are there at once, and the others come at a hundred a minute.
    expect(clock.now() - startMs).toBeGreaterThan(118_000);
    expect(clock.now() - startMs).toBeLessThan(150_000);
  });

  it('keep to a cap and leave a share to others', async () => {
    const { limiter, ask, within, world, clock } = lab({ tier: 'start', limits: { requests: 60 }, headroom: 0.5 });
    const startMs = clock.now();
    await within(Promise.all(Array.from({ length: 120 }, (_, at) => limiter.run(() => ask(`row ${at}`), SMALL))));
    expect(clock.now() - startMs).toBeGreaterThan(58_000);
    expect((await limiter.snapshot()).pools[0]?.limits[0]).toMatchObject({
      name: 'requests',
      value: 60,
      source: 'flag',
    });
    expect(world.ledger.refusals.size).toBe(0);
  });

  it('that are urgent go first, and what waits is told of nothing else', async () => {
    const { limiter, ask, within } = lab({ concurrency: 1 });
    const order: string[] = [];
    const one = (name: string, priority: NonNullable<RunOptions['priority']>) =>
      limiter.run(() => ask(name).finally(() => order.push(name)), { ...SMALL, priority });
    await within(
      Promise.all([
        one('first', 'low'),
        one('low', 'low'),
        one('normal', 'normal'),
        one('now', 'critical'),
        one('high', 'high'),
      ]),
    );
    // The first had gone before the others came.
    expect(order.filter((name) => name !== 'first')).toEqual(['now', 'high', 'normal', 'low']);
  });

  it('that fail in passing are made again, and what the API asks for is kept to', async () => {
    const { limiter, ask, within, world, clock } = lab();
    world.failNext('message.529');
    world.failNext('message.429');
    world.failNext('message.reset_before');
    const attempts: number[] = [];
    const message = await within(
      limiter.run(({ attempt }) => {
        attempts.push(attempt);
        return ask('again');
      }, SMALL),
    );
    expect(textOf(message)).toBe(echo('again'));
    expect(attempts).toEqual([1, 2, 3, 4]);
    // The 429 asks for a second.
    expect(clock.monotonicMs()).toBeGreaterThan(1_000);
  });

  it('that fail for good give the error of the SDK as it is', async () => {
    const { limiter, ask, within, world } = lab({ maxAttempts: 2, backoff: { baseMs: 5 } });
    world.setFaults({ 'message.500': 1 });
    const failed = await within(Promise.allSettled([limiter.run(() => ask('x'), SMALL)]));
    expect(failed[0]).toMatchObject({ status: 'rejected', reason: { status: 500 } });
    expect((failed[0] as PromiseRejectedResult).reason).toBeInstanceOf(Anthropic.InternalServerError);
    expect(world.ledger.calls.get('messages.create')).toBe(2);
    world.setFaults({});
    const refused = limiter.run(() => ask('x'.repeat(0)), SMALL).catch((error: unknown) => error);
    expect(await within(refused)).toBeInstanceOf(Anthropic.BadRequestError);
    expect(world.ledger.calls.get('messages.create')).toBe(3);
  });

  it('are given up when that would take too long', async () => {
    const { limiter, ask, within, world, clock } = lab({ giveUpMs: 20_000 }, { retryAfterSeconds: [30, 30] });
    world.setFaults({ 'message.429': 1 });
    const given = limiter.run(() => ask('x'), SMALL).catch((error: unknown) => error);
    expect(await within(given)).toBeInstanceOf(Anthropic.RateLimitError);
    expect(clock.monotonicMs()).toBeLessThan(20_000);
  });

  it('with a slip in them fail at once, and take nothing from the limits', async () => {
    const { limiter, within } = lab();
    let calls = 0;
    const slip = (): Promise<string> => {
      calls++;
      return Promise.reject(new TypeError('x is not a function'));
    };
    await expect(within(limiter.run(slip, SMALL))).rejects.toThrow('x is not a function');
    const thrown = (): string => {
      throw new RangeError('no');
    };
    await expect(within(limiter.run(thrown, SMALL))).rejects.toThrow(RangeError);
    expect(calls).toBe(1);
    const [pool] = (await limiter.snapshot()).pools;
    expect(pool?.levels.requests).toBe(pool?.limits.find(({ name }) => name === 'requests')?.value);
  });

  it('of fetch give their Response, also one that is no success', async () => {
    const { limiter, within, world } = lab({ keys: [KEYS[0] ?? ''] });
    const send = (body: unknown) =>
      limiter.run(
        ({ apiKey, signal }) =>
          world.fetch('http://sim/v1/messages', {
            method: 'POST',
            headers: {
              'x-api-key': apiKey ?? '',
              'anthropic-version': '2023-06-01',
              'content-type': 'application/json',
            },
            body: JSON.stringify(body),
            signal,
          }),
        { model: MODEL, estimate: { requestBytes: 100, maxTokens: 200 } },
      );
    const good = await within(send(params('by fetch')));
    expect(textOf((await good.json()) as Anthropic.Message)).toBe(echo('by fetch'));
    world.failNext('message.529');
    expect((await within(send(params('again')))).status).toBe(200);
    const bad = await within(send({ model: MODEL }));
    expect(bad.status).toBe(400);
    expect(await bad.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    const [pool] = (await limiter.snapshot()).pools;
    expect(pool?.use[0]?.minutes.reduce((sum, { outputTokens }) => sum + outputTokens, 0)).toBeGreaterThan(0);
  });

  it('of the fetch of a package, whose Response is of a class of its own, are looked into all the same', async () => {
    const { limiter, within, clock } = lab();
    const startMs = clock.now();
    const statuses = [429, 529, 200];
    const body = JSON.stringify({ usage: { input_tokens: 5, output_tokens: 9 } });
    const call = () => {
      const headers = { 'content-type': 'application/json', 'retry-after': '30' };
      return Promise.resolve(foreign(new Response(body, { status: statuses.shift() ?? 500, headers })));
    };
    const answer = await within(limiter.run(call, SMALL));
    expect(answer).toMatchObject({ status: 200 });
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(60_000);
    const [pool] = (await limiter.snapshot()).pools;
    expect(pool?.use[0]?.minutes.at(-1)).toMatchObject({ inputTokens: 5, outputTokens: 9 });
  });

  it('of node-fetch end although nobody reads a long body meanwhile, and leave all of it to the caller', async () => {
    const { limiter, within } = lab();
    const long = { usage: { input_tokens: 5, output_tokens: 9 }, text: 'x'.repeat(100_000) };
    const pieces = JSON.stringify(long).match(/.{1,4096}/g) ?? [];
    const answer = await within(
      limiter.run(({ note }) => {
        note({ usage: long.usage });
        return ofNodeFetch(Readable.from(pieces.map((piece) => Buffer.from(piece))));
      }, SMALL),
    );
    expect(await answer.json()).toEqual(long);
    expect((await limiter.snapshot()).pools[0]?.use[0]?.minutes.at(-1)).toMatchObject({ outputTokens: 9 });
    await within(limiter.close());
  });

  it('whose body has no end are not read', async () => {
    const { limiter, within } = lab();
    const endless = new ReadableStream({ pull: (stream) => stream.enqueue(new TextEncoder().encode('data: {}\n\n')) });
    const headers = { 'content-type': 'text/event-stream; charset=utf-8' };
    const answer = await within(limiter.run(() => Promise.resolve(new Response(endless, { headers })), SMALL));
    expect(answer.bodyUsed).toBe(false);
    await answer.body?.cancel();
  });

  it('whose error has headers of another class wait as these say', async () => {
    const { limiter, within, clock } = lab();
    const startMs = clock.now();
    let tries = 0;
    const call = () => {
      if (++tries > 1) return 'good';
      throw Object.assign(new Error('429'), { status: 429, headers: new Map([['retry-after', '30']]) });
    };
    expect(await within(limiter.run(call, SMALL))).toBe('good');
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(30_000);
  });

  it('that note headers which fetch would not take lose no answer', async () => {
    const { limiter, within } = lab();
    const answer = await within(
      limiter.run(({ note }) => {
        note({ headers: { ':status': '200', 'anthropic-ratelimit-requests-limit': '77' } });
        return 'paid';
      }, SMALL),
    );
    expect(answer).toBe('paid');
    const [pool] = (await limiter.snapshot()).pools;
    expect(pool?.limits.find(({ name }) => name === 'requests')).toMatchObject({ value: 77 });
  });

  it('of one model are not held up by a long line of another', async () => {
    const { limiter, within, clock } = lab({ limits: { requests: 10 } });
    const stop = new AbortController();
    const line = Array.from({ length: 100 }, () => limiter.run(() => 'haiku', { ...SMALL, signal: stop.signal }));
    const settled = Promise.allSettled(line);
    const startMs = clock.now();
    const other = { model: 'claude-sonnet-5', estimate: { inputTokens: 20, maxTokens: 60 } };
    expect(await within(limiter.run(() => 'sonnet', other))).toBe('sonnet');
    expect(clock.now() - startMs).toBeLessThan(1_000);
    stop.abort();
    await settled;
  });

  it('that have left leave no timer behind', async () => {
    const { limiter, within, clock } = lab({ limits: { requests: 1 } });
    await within(limiter.run(() => 'first', SMALL));
    const stop = new AbortController();
    const settled = Promise.allSettled([1, 2].map(() => limiter.run(() => 'late', { ...SMALL, signal: stop.signal })));
    while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await settled;
    expect(clock.sleeping).toBe(0);
  });

  it('that cannot be looked into tell of themselves', async () => {
    const { limiter, within } = lab();
    const answer = await within(
      limiter.run(({ note }) => {
        note({ headers: { 'anthropic-ratelimit-requests-limit': '77' }, usage: { input_tokens: 5, output_tokens: 9 } });
        return 'streamed';
      }, SMALL),
    );
    expect(answer).toBe('streamed');
    const [pool] = (await limiter.snapshot()).pools;
    expect(pool?.limits.find(({ name }) => name === 'requests')).toMatchObject({ value: 77, source: 'headers' });
    expect(pool?.use[0]?.minutes[0]).toMatchObject({ inputTokens: 5, outputTokens: 9 });
  });

  it('leave the line when they are aborted, and when the limiter is closed', async () => {
    const { limiter, ask, within, world } = lab({ concurrency: 1 });
    const stop = new AbortController();
    const running = limiter.run(() => ask('runs'), SMALL);
    const waiting = limiter.run(() => ask('left'), { ...SMALL, signal: stop.signal });
    const late = limiter.run(() => ask('late'), SMALL);
    const settled = Promise.allSettled([running, waiting, late]);
    await Promise.resolve();
    stop.abort(new Error('not needed any more'));
    const closed = limiter.close();
    const [one, two, three] = await within(settled);
    await within(closed);
    expect(one.status).toBe('fulfilled');
    expect(two).toMatchObject({ reason: { message: 'not needed any more' } });
    expect(three).toMatchObject({ reason: { code: 'E_NOT_FINISHED' } });
    expect(world.ledger.messages).toHaveLength(1);
    await expect(limiter.run(() => ask('x'), SMALL)).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  });
});

describe('keys', () => {
  const ORGANIZATIONS = {
    [KEYS[0] ?? '']: { workspace: 'wrkspc_a', organization: 'org-one', limits: { messages: { rpm: 50 } } },
    [KEYS[1] ?? '']: { workspace: 'wrkspc_b', organization: 'org-two', limits: { messages: { rpm: 50 } } },
  };

  it('of two organizations have the limits of both, which their answers tell', async () => {
    const { limiter, ask, within, world, clock } = lab(
      { keys: KEYS.slice(0, 2) },
      { keys: ORGANIZATIONS, strictKeys: true },
    );
    const startMs = clock.now();
    const calls = Array.from({ length: 200 }, (_, at) =>
      limiter.run(({ apiKey }) => ask(`row ${at}`, apiKey ?? ''), SMALL),
    );
    await within(Promise.all(calls));
    const sent = (name: string): number => world.ledger.messages.filter((one) => one.organization === name).length;
    expect(sent('org-one')).toBeGreaterThan(80);
    expect(sent('org-two')).toBeGreaterThan(80);
    expect(world.ledger.refusals.size).toBe(0);
    // With one of them it would take three minutes.
    expect(clock.now() - startMs).toBeLessThan(100_000);
    expect((await limiter.snapshot()).keys.map(({ organization }) => organization)).toEqual(['org-one', 'org-two']);
  });

  it('that the API refuses are set aside, and the others go on', async () => {
    const { limiter, ask, within } = lab(
      { keys: [KEYS[2] ?? '', KEYS[0] ?? ''] },
      { keys: ORGANIZATIONS, strictKeys: true },
    );
    const calls = Array.from({ length: 5 }, (_, at) =>
      limiter.run(({ apiKey }) => ask(`row ${at}`, apiKey ?? ''), SMALL),
    );
    expect((await within(Promise.all(calls))).map(textOf)).toEqual([0, 1, 2, 3, 4].map((at) => echo(`row ${at}`)));
    const { keys } = await limiter.snapshot();
    expect(keys.map(({ aside }) => aside !== null)).toEqual([true, false]);
    expect(JSON.stringify(keys)).not.toContain(KEYS[2]);
  });

  it('of which none is left give the error of the last', async () => {
    const { limiter, ask, within } = lab({ keys: KEYS.slice(0, 2) }, { strictKeys: true, keys: {} });
    const refused = limiter.run(({ apiKey }) => ask('x', apiKey ?? ''), SMALL).catch((error: unknown) => error);
    expect(await within(refused)).toBeInstanceOf(Anthropic.AuthenticationError);
  });
});
