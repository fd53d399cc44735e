/**
 * A process of its own that shares a limiter through Redis, for test/cli/limiter-processes.test.ts: it does what its
 * parent says and tells what came of it. It uses the built program's limiter, as another machine would.
 */
import { connectRedisLimiter } from '../../dist/adapters/redis/limiter.js';
import { systemClock } from '../../dist/base/clock.js';
import { seededRng } from '../../dist/base/random.js';

const [url, prefix, name] = process.argv.slice(2);
// A parent that has ended hears nothing any more.
const tell = (message) => process.connected && process.send(message);
const limiter = await connectRedisLimiter(url, {
  clock: systemClock,
  rng: seededRng(name),
  prefix,
  onMode: (mode, cause) => tell({ kind: 'mode', mode, cause }),
});
let isPaying = false;

const deeds = {
  limits: ({ pool, limits, levels }) => limiter.setLimits(pool, limits, levels),
  /** Pays one call after the other in several lanes, until it is told to stop. */
  async pay({ pool, lanes }) {
    isPaying = true;
    await Promise.all(Array.from({ length: lanes }, (_, lane) => payInLane(pool, `lane ${lane}`)));
  },
  stop() {
    isPaying = false;
  },
  lease: async ({ lease }) => ({ fits: await limiter.leaseCreate(lease) }),
  /** Asks for it until it gets it. */
  async leaseAtLast({ lease }) {
    while (!(await limiter.leaseCreate(lease))) await systemClock.sleep(20);
  },
  close: () => limiter.close(),
};

async function payInLane(pool, waiter) {
  while (isPaying) {
    const taken = await limiter.take({ pool, amounts: { requests: 1 }, waiter });
    if (taken.kind === 'wait') await systemClock.sleep(taken.waitMs);
    else tell({ kind: 'paid', atMs: taken.marks.requests.atMs, life: taken.marks.requests.life });
  }
  await limiter.forget(pool, waiter);
}

process.on('message', (order) => {
  Promise.resolve(deeds[order.deed](order)).then(
    (result) => {
      tell({ kind: 'done', deed: order.deed, ...result });
      if (order.deed === 'close') process.disconnect();
    },
    (error) => tell({ kind: 'failed', deed: order.deed, message: String(error) }),
  );
});
tell({ kind: 'ready' });
