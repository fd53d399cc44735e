/**
 * Which errors of a call are made again, and which never are: what the page of the library says.
 */
import Anthropic from '@anthropic-ai/sdk';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { seededRng } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { LimiterOptions, RunOptions } from '../../src/library/limiter-options.ts';
import { limiterOn } from '../../src/library/paced-calls.ts';
import { MODEL } from '../support/cli.ts';

const SMALL: RunOptions = { model: MODEL, estimate: { inputTokens: 20, maxTokens: 60 } };

const withCode = (code: string, more: object = {}): Error =>
  Object.assign(new Error(`it broke: ${code}`), { code, ...more });
const fetchFailed = (cause?: unknown): TypeError =>
  new TypeError('fetch failed', cause === undefined ? undefined : { cause });
const timedOut = (): DOMException => new DOMException('The operation was aborted due to timeout', 'TimeoutError');
const aborted = (): DOMException => new DOMException('This operation was aborted', 'AbortError');

/** How often a call is made that fails each time, and with what it ends. */
async function tries(error: () => unknown, options: LimiterOptions = {}, more: Partial<RunOptions> = {}) {
  const clock = new VirtualClock();
  const limiter = limiterOn(
    { maxAttempts: 3, giveUpMs: 5_000, backoff: { baseMs: 10, maxMs: 20 }, ...options },
    { clock, rng: seededRng(3) },
  );
  let count = 0;
  const call = (): Promise<never> => {
    count++;
    const failed = error() as Error;
    return Promise.reject(failed);
  };
  const thrown = await clock.run(
    limiter.run(call, { ...SMALL, ...more }).catch((caught: unknown) => caught),
    60_000,
    30,
  );
  return { count, thrown };
}

it.each<readonly [string, () => unknown]>([
  ['a connection that was reset', () => withCode('ECONNRESET')],
  ['the same below fetch', () => fetchFailed(withCode('ECONNRESET'))],
  ['the same two causes down', () => new Error('request failed', { cause: fetchFailed(withCode('EPIPE')) })],
  ['a socket that the other side closed', () => fetchFailed(withCode('UND_ERR_SOCKET'))],
  ['an answer that breaks off', () => new TypeError('terminated', { cause: withCode('UND_ERR_SOCKET') })],
  ['a fetch of somebody else that says no cause', () => fetchFailed()],
  ['a stream that closes early', () => withCode('ERR_STREAM_PREMATURE_CLOSE')],
  ['a timeout signal of the call', timedOut],
  ['the same as the cause of an abort', () => Object.assign(aborted(), { cause: timedOut() })],
  ['a timeout of the SDK', () => new Anthropic.APIConnectionTimeoutError()],
  ['a lost connection of the SDK', () => new Anthropic.APIConnectionError({ cause: withCode('ECONNRESET') })],
  ['a status that passes', () => Object.assign(new Error('overloaded'), { status: 529 })],
])('%s is made again, as often as `maxAttempts` says', async (_name, error) => {
  expect(await tries(error)).toMatchObject({ count: 3 });
  expect(await tries(error, { maxAttempts: 1 })).toMatchObject({ count: 1 });
});

it.each<readonly [string, () => unknown]>([
  ['a host that takes no connection', () => fetchFailed(withCode('ECONNREFUSED'))],
  ['a name that is not found', () => fetchFailed(withCode('ENOTFOUND'))],
])('%s is made again until `giveUpMs`: nothing can have been sent', async (_name, error) => {
  expect((await tries(error, { maxAttempts: 1 })).count).toBeGreaterThan(10);
});

it.each<readonly [string, () => unknown]>([
  ['an abort by the caller', aborted],
  ['the same of the SDK', () => new Anthropic.APIUserAbortError()],
  ['the same below another error', () => new Error('gone', { cause: aborted() })],
  ['an address that is none', () => fetchFailed(new Error('unknown scheme'))],
  ['a slip', () => new TypeError('x is not a function')],
  ['a file that is not there', () => withCode('ENOENT')],
  ['what is no error', () => 'no'],
  [
    'a request that is refused',
    () =>
      new Anthropic.BadRequestError(
        400,
        { type: 'error', error: { type: 'invalid_request_error', message: 'no' } },
        'no',
        new Headers(),
      ),
  ],
])('%s is thrown at once, as it is', async (_name, error) => {
  const one = error();
  const { count, thrown } = await tries(() => one);
  expect(count).toBe(1);
  expect(thrown).toBe(one);
});

it('whatever a call throws after its own signal has fired is not made again', async () => {
  const stop = new AbortController();
  const reason = timedOut();
  const error = (): unknown => {
    stop.abort(reason);
    return reason;
  };
  const { count, thrown } = await tries(error, {}, { signal: stop.signal });
  expect(count).toBe(1);
  expect(thrown).toBe(reason);
});

it('a real timeout signal of one try is made again, and the next try may take its time', async () => {
  const limiter = limiterOn({ backoff: { baseMs: 1 } }, { clock: systemClock, rng: seededRng(3) });
  const answer = await limiter
    .run(
      ({ attempt }) =>
        attempt > 1
          ? 'answered'
          : new Promise<string>((_resolve, reject) => {
              const signal = AbortSignal.timeout(1);
              signal.addEventListener('abort', () => reject(signal.reason as Error));
            }),
      SMALL,
    )
    .catch(String);
  expect(answer).toBe('answered');
});
