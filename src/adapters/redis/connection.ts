/**
 * One connection to Redis, for the script and nothing else. It is never mended: when it breaks, when an answer takes too
 * long, or when Redis refuses a step, it is over, and whoever holds it opens another one. Nothing waits in a queue for a
 * server that is away. The client's package is loaded with the first connection.
 */
import type { Clock } from '../../base/clock.ts';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import { SCRIPT, SCRIPT_SHA } from './script.ts';
import type { RedisAddress } from './url.ts';

/**
 * A step takes a fifth of a millisecond on a server near by and some 100 ms across an ocean. What takes this long is not
 * slow but away, and a call must not wait for it.
 */
export const STEP_MS_MAX = 1_000;

export interface RedisConnection {
  /** Runs the script. Rejects when that failed, or when it is not known whether it ran. */
  run(keys: readonly string[], args: readonly string[]): Promise<readonly unknown[]>;
  /** Resolves with the cause when the connection breaks by itself. */
  readonly lost: Promise<string>;
  close(): void;
}

/** E_CONFIG where Redis refuses who asks: that does not pass by itself. Any other error is of the network or the server. */
export async function openRedis(address: RedisAddress, clock: Pick<Clock, 'sleep'>): Promise<RedisConnection> {
  const { createClient } = await import('@redis/client');
  const client = createClient({
    url: address.url,
    // The protocol that every version speaks.
    RESP: 2,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    socket: { connectTimeout: STEP_MS_MAX, reconnectStrategy: false },
  });
  const lost = new Promise<string>((resolve) => {
    client.on('error', (error: unknown) => resolve(address.clean(causeOf(error))));
    client.on('end', () => resolve('the connection was closed'));
  });
  const close = (): void => {
    if (client.isOpen) client.destroy();
  };
  try {
    await within(clock, client.connect());
    await within(
      clock,
      loadScript((args) => client.sendCommand(args)),
    );
  } catch (error) {
    close();
    throw asOurs(error, address);
  }
  return {
    run: async (keys, args) => {
      const rest = [String(keys.length), ...keys, ...args];
      try {
        return await within(
          clock,
          runScript((command) => client.sendCommand(command), rest),
        );
      } catch (error) {
        throw new Error(address.clean(causeOf(error)), { cause: error });
      }
    },
    lost,
    close,
  };
}

type Send = (args: string[]) => Promise<unknown>;

/**
 * Steps that are sent together must run in their order. They would not if the first of them found no script and came
 * again with its text.
 */
async function loadScript(send: Send): Promise<void> {
  try {
    await send(['SCRIPT', 'LOAD', SCRIPT]);
  } catch (error) {
    // Some servers allow scripts only with their text. Then that is how they come.
    if (!messageOf(error).startsWith('NOPERM')) throw error;
  }
}

async function runScript(send: Send, rest: readonly string[]): Promise<readonly unknown[]> {
  let answer: unknown;
  try {
    answer = await send(['EVALSHA', SCRIPT_SHA, ...rest]);
  } catch (error) {
    if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
    answer = await send(['EVAL', SCRIPT, ...rest]);
  }
  if (!Array.isArray(answer)) throw new Error('the script gave no list');
  return answer as readonly unknown[];
}

async function within<T>(clock: Pick<Clock, 'sleep'>, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = clock.sleep(STEP_MS_MAX, over.signal).then(async (): Promise<never> => {
    // A process that was busy all the time looks at its timers before its sockets: the answer may be there.
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error(`no answer within ${STEP_MS_MAX} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

/** An attempt at several addresses fails with an error that has only the others' messages. */
function causeOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((one) => messageOf(one)).join(', ');
  return messageOf(error);
}

function asOurs(error: unknown, { shown, clean }: RedisAddress): Error {
  const cause = clean(causeOf(error));
  if (!/^(WRONGPASS|NOAUTH|NOPERM|DENIED|ERR (AUTH|Client sent AUTH|invalid password|DB index))/.test(cause)) {
    return new Error(cause, { cause: error });
  }
  return new BatchrunError('E_CONFIG', `Redis at ${shown} does not let batchrun in: ${cause}`, {
    hint: 'Check the name, the password and the number of the database in --limiter.',
  });
}
