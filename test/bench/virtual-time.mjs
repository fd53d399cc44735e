/**
 * A time that costs nothing, for programs that know only the machine's timers: `Date` and the timers of this process are
 * replaced (fake-timers), the simulator and the engine get a Clock that reads them, and time jumps to the next timer
 * whenever everything that can run has run. Chance is seeded. So a run of an hour takes seconds and comes out the same.
 *
 * For one program at a time, without sockets: what waits for the machine itself would be overtaken by the jumps.
 */
import { install } from '@sinonjs/fake-timers';
import { loadBuilt } from './places.mjs';

const { seededRng } = await loadBuilt('base/random.js');

const START_MS = Date.UTC(2026, 10, 20);
/** Turns of the event loop before time jumps. One settles promises; the second is for whoever hands on through the loop. */
const TURNS = 2;
/** Turns in which no timer is set: a program that waits for nothing will wait for ever. */
const IDLE_TURNS_MAX = 2_000;

/** Runs `work(clock)` to its end. Gives what it gives. */
export async function inVirtualTime(seed, work) {
  const turn = globalThis.setImmediate;
  const time = install({
    now: START_MS,
    toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
  });
  const { random } = Math;
  Math.random = seededRng(seed).next;
  try {
    let settled = false;
    const done = work(clockOn(time)).finally(() => (settled = true));
    // A rejection is delivered by the `return` below; until then nobody else is to be told of it.
    done.catch(() => undefined);
    for (let idle = 0; ;) {
      for (let nth = 0; nth < TURNS; nth++) await new Promise((resolve) => turn(resolve));
      if (settled) return await done;
      if (time.countTimers() > 0) {
        time.next();
        idle = 0;
      } else if (++idle > IDLE_TURNS_MAX) throw new Error('the work waits for something that is no timer');
    }
  } finally {
    Math.random = random;
    time.uninstall();
  }
}

/** The Clock of src/base/clock.ts on these timers. */
function clockOn(time) {
  return {
    now: () => time.now,
    monotonicMs: () => time.now - START_MS,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (!(ms > 0) || signal?.aborted) return resolve();
        const finish = () => {
          time.clearTimeout(timer);
          signal?.removeEventListener('abort', finish);
          resolve();
        };
        // Whole milliseconds, rounded up as a machine's timer is late: it would be cut off else.
        const timer = time.setTimeout(finish, Math.ceil(ms));
        signal?.addEventListener('abort', finish, { once: true });
      }),
  };
}
