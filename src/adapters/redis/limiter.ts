/**
 * The limiter that processes on any number of machines share through one Redis (`--limiter redis://…`): the same buckets
 * as those of one process, kept by a script that runs whole or not at all, on the server's time.
 */
import type { Clock } from '../../base/clock.ts';
import { isBatchrunError, messageOf } from '../../base/errors.ts';
import type { Rng } from '../../base/random.ts';
import { openRedis } from './connection.ts';
import { FallbackLimiter } from './fallback.ts';
import { SharedSteps } from './shared-steps.ts';
import { parseRedisUrl } from './url.ts';

export interface RedisLimiterOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  /** Called at the start and whenever the mode changes; `cause` says why Redis is not used, without any password. */
  readonly onMode?: (mode: 'shared' | 'alone', cause: string | null) => void;
  /** Before the names of all keys. Who shares a limit must have the same. */
  readonly prefix?: string;
  /** In place of the server's time; for tests. */
  readonly serverNowMs?: () => number;
}

/**
 * Never waits long for a Redis that is away: then it begins alone. E_CONFIG where the address is wrong or Redis refuses
 * whoever comes with it.
 */
export async function connectRedisLimiter(url: string, options: RedisLimiterOptions): Promise<FallbackLimiter> {
  const { clock, rng, onMode = () => undefined, prefix = 'batchrun:', serverNowMs } = options;
  const address = parseRedisUrl(url);
  const member = [rng.next(), rng.next()].map((part) => Math.floor(part * 2 ** 32).toString(36)).join('');
  const names = { prefix, member, ...(serverNowMs ? { nowMs: serverNowMs } : {}) };
  const open = async (): Promise<SharedSteps> => new SharedSteps(await openRedis(address, clock), names);
  const first = await open().catch((error: unknown) => {
    if (isBatchrunError(error, 'E_CONFIG')) throw error;
    return { cause: messageOf(error) };
  });
  const say: typeof onMode = (mode, cause) => {
    onMode(mode, cause === null ? null : `Redis at ${address.shown} cannot be used: ${cause}`);
  };
  return new FallbackLimiter({ clock, rng, open, onMode: say }, first);
}
