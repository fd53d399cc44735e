/**
 * What people write when they send many messages: the SDK, and a library that limits the calls. Each is as its manual shows
 * it, with the calls of a minute as the limit, and with two kindnesses: the SDK may retry ten times instead of twice, and
 * rows that it gives up all the same are sent once more when the others are through, until all are. So every time is that
 * of the whole work, and what was given up is told apart.
 *
 * A contestant is `{ about, run({ rows, fetch, baseURL, rpm, clock, world }) }`: it sends every row, and gives how many it
 * had given up (`given_up`) and how many needed more than the SDK's own two retries (`beyond_default`). Those of real time
 * are given no clock and no world.
 */
import { createRequire } from 'node:module';
import Anthropic from '@anthropic-ai/sdk';
import Bottleneck from 'bottleneck';
import pLimit from 'p-limit';
import pThrottle from 'p-throttle';
import { paramsOf } from './pacing-cases.mjs';

export const RETRIES_MAX = 10;
/** What the SDK does where nobody says anything. */
const DEFAULT_RETRIES = 2;
const RETRY_COUNT = 'x-stainless-retry-count';
const ROUNDS_MAX = 50;
const AT_ONCE = 10;
const MINUTE_MS = 60_000;

export const PEERS = {
  'p-limit': {
    about: `p-limit(${AT_ONCE})`,
    run: (task) => {
      const limit = pLimit(AT_ONCE);
      return sendAll(task, (send) => (row) => limit(() => send(row)));
    },
  },
  bottleneck: {
    about: 'bottleneck, minTime 60,000 / RPM',
    run: (task) => {
      const limiter = new Bottleneck({ minTime: MINUTE_MS / task.rpm });
      return sendAll(task, (send) => (row) => limiter.schedule(() => send(row)));
    },
  },
  'p-throttle': {
    about: 'p-throttle, RPM in 60 s',
    run: (task) => sendAll(task, pThrottle({ limit: task.rpm, interval: MINUTE_MS })),
  },
};

/** `limited` makes of a function one that is called no faster than it may be. */
async function sendAll({ rows, fetch = globalThis.fetch, baseURL }, limited) {
  let beyondDefault = 0;
  let round = 0;
  const counting = (url, init) => {
    // A row that is sent once more has been counted.
    if (round === 0 && Number(new Headers(init.headers).get(RETRY_COUNT)) === DEFAULT_RETRIES + 1) beyondDefault++;
    return fetch(url, init);
  };
  const client = new Anthropic({ apiKey: 'sk-ant-bench', baseURL, maxRetries: RETRIES_MAX, fetch: counting });
  const send = limited((row) => client.messages.create(paramsOf(row)));
  let givenUp = 0;
  let left = rows;
  for (; left.length > 0; round++) {
    if (round === ROUNDS_MAX) throw new Error(`${left.length} rows do not get through in ${ROUNDS_MAX} rounds`);
    const ends = await Promise.allSettled(left.map((row) => send(row)));
    left = left.filter((_, at) => ends[at].status === 'rejected');
    givenUp += left.length;
  }
  return { given_up: givenUp, beyond_default: beyondDefault };
}

/** By name, of what was measured. */
export function versions() {
  const { dependencies, devDependencies } = createRequire(import.meta.url)('../../package.json');
  const all = { ...dependencies, ...devDependencies };
  const names = ['@anthropic-ai/sdk', 'p-limit', 'bottleneck', 'p-throttle'];
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}
