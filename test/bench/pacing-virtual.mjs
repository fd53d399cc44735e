/**
 * One case of `npm run bench:pacing` in virtual time, by one contestant: the simulated API without sockets, its limits, and
 * what came of it. What is counted is the simulator's own count.
 */
import { idealOf, SEED, worldOptions } from './pacing-cases.mjs';
import { loadBuilt } from './places.mjs';
import { inVirtualTime } from './virtual-time.mjs';

const { createSimWorld } = await loadBuilt('tools/sim/world.js');
const { simFetch } = await loadBuilt('tools/sim/fetch.js');

export async function measureVirtual(given, contestant) {
  return inVirtualTime(SEED, async (clock) => {
    const world = createSimWorld(worldOptions(given), clock);
    const { rows, cut, limits } = given;
    if (cut) void clock.sleep(cut.atMs).then(() => world.setLimits({ messages: cut.limits }));
    const startMs = clock.monotonicMs();
    const task = { rows, clock, world, fetch: simFetch(world), baseURL: 'http://sim.test', rpm: limits.rpm };
    const end = await contestant.run(task);
    return { ...figuresOf(given, { world, tookMs: clock.monotonicMs() - startMs }), ...end };
  });
}

/** As the table and `--json` show it, without what only the contestant knows. */
export function figuresOf(given, { world, tookMs }) {
  const ideal = idealOf(given);
  const calls = world.ledger.calls.get('messages.create') ?? 0;
  const refusals = world.ledger.refusals.get('429 rate_limit_error') ?? 0;
  return {
    ...{ seconds: tookMs / 1_000, ideal_seconds: ideal / 1_000, ratio: tookMs / ideal },
    ...{ calls, refusals, refusals_percent: calls === 0 ? 0 : (refusals / calls) * 100 },
  };
}
