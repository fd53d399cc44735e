/**
 * batchrun as a contestant of `npm run bench:pacing`: in virtual time the engine in this process, in real time the built
 * program. `realtimeEngine` and `REALTIME_FLAGS` are all that knows how a run is told to take the realtime lane.
 */
import { createEngine, finish, submitRows } from './engine-house.mjs';
import { paramsOf } from './pacing-cases.mjs';

/** Of the program: everything by the realtime lane, through these buckets. */
export const REALTIME_FLAGS = ['--realtime'];
export const sharedFlags = (redisUrl) => ['--limiter', redisUrl];

/** The engine with what the realtime lane needs, and the setting of a run that takes it. */
async function realtimeEngine({ clock, fetch }) {
  return { engine: await createEngine({ clock, fetch }), settings: { wishes: { lane: 'realtime' } } };
}

export const BATCHRUN = {
  about: 'batchrun',
  run: async ({ rows, fetch, clock, world }) => {
    const { engine, settings } = await realtimeEngine({ clock, fetch });
    const paramsAt = (at) => paramsOf(rows[at]);
    const runId = await submitRows(engine, { count: rows.length, paramsAt, settings });
    const failed = await finish(engine, runId);
    const batches = world.ledger.batches.length;
    if (batches > 0) throw new Error(`it made ${batches} batches: this build has no realtime lane of its own`);
    return { given_up: failed, beyond_default: null };
  },
};
