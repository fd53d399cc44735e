/**
 * The real Redis of the tests: `REDIS_URL`, or the port that Redis has by itself on this machine. Every file works under
 * a name of its own before all of its keys, and takes them away at its end.
 *
 * Where there is no Redis its tests are left out, which the run says; in CI (`CI` is set) that is a failure.
 */
import { randomBytes } from 'node:crypto';
import { createClient } from '@redis/client';
import { afterAll } from 'vitest';

export const REDIS_URL = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const CONNECT_MS_MAX = 2_000;

/** A connection of the tests' own: to look at what is there, and to tidy up. */
export async function redisClient(): Promise<ReturnType<typeof createClient>> {
  const client = createClient({
    url: REDIS_URL,
    RESP: 2,
    socket: { connectTimeout: CONNECT_MS_MAX, reconnectStrategy: false },
  });
  client.on('error', () => undefined);
  await client.connect();
  return client as ReturnType<typeof createClient>;
}

/** True where the tests have to be left out. Throws in CI: there they must run. */
export async function isRedisMissing(): Promise<boolean> {
  try {
    const client = await redisClient();
    await client.ping();
    client.destroy();
    return false;
  } catch (error) {
    const why = `no Redis at ${new URL(REDIS_URL).host} (REDIS_URL names another)`;
    if (process.env['CI'] !== undefined) throw new Error(`${why}: in CI its tests must run`, { cause: error });
    console.warn(`${why}: its tests are left out`);
    return true;
  }
}

/** What the names of all keys of this file begin with. They are removed when its tests are over. */
export function keysOfThisFile(): string {
  const prefix = `batchrun-test-${randomBytes(6).toString('hex')}:`;
  afterAll(async () => {
    const client = await redisClient().catch(() => null);
    if (!client) return;
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1_000 })) {
      if (keys.length > 0) await client.del(keys);
    }
    client.destroy();
  });
  return prefix;
}
