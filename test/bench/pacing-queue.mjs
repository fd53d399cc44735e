/**
 * A million rows by the batch lane through a queue of 200,000 (`--case queue`): how long the engine takes, in virtual time,
 * beside the bound for anyone who knows how long each batch will run, and beside sending each in its turn at the instant at
 * which it fits (bound.mjs). From the first create to the end of the run: reading and sealing come before.
 */
import { boundMs, inTurnMs } from './bound.mjs';
import { createEngine, finish, submitRows } from './engine-house.mjs';
import { MODEL, SEED } from './pacing-cases.mjs';
import { loadBuilt } from './places.mjs';
import { inVirtualTime } from './virtual-time.mjs';

const { createSimWorld } = await loadBuilt('tools/sim/world.js');
const { simFetch } = await loadBuilt('tools/sim/fetch.js');

const MINUTE_MS = 60_000;
/** About an hour, and no two alike. */
const DURATION_MS = [45 * MINUTE_MS, 75 * MINUTE_MS];
/** As calls of the batch endpoints take. */
const LATENCY_MS = [100, 400];

/** Both readings of what the queue counts. The quick ones have a tenth of the rows in as many batches. */
export const QUEUE_CASES = {
  queue: {
    text: '1,000,000 rows through a queue of 200,000, counted until their batch ends',
    ...queueOf('until_batch_ends'),
  },
  rowwise: {
    text: '1,000,000 rows through a queue of 200,000, counted until they are processed',
    ...queueOf('until_row_done'),
  },
};

function queueOf(counts) {
  return { rows: 1_000_000, queueMax: 200_000, chunkRows: 10_000, counts };
}

/** The same number of batches, each of them smaller. */
export function quickly({ rows, queueMax, chunkRows, ...rest }) {
  return {
    ...rest,
    rows: rows / 10,
    queueMax: queueMax / 10,
    chunkRows: chunkRows / 10,
    text: `a tenth of: ${rest.text}`,
  };
}

/** The engine that knows the size of the account's queue; before it could be told that, by the batches that fit into it. */
function queueEngine({ clock, fetch, queueMax, chunkRows }) {
  return createEngine({ clock, fetch, pacing: { maxQueued: queueMax, maxBatches: Math.floor(queueMax / chunkRows) } });
}

export function measureQueue({ rows, queueMax, chunkRows, counts }) {
  return inVirtualTime(SEED, async (clock) => {
    const world = createSimWorld(
      {
        ...{ seed: SEED, batchDurationMs: DURATION_MS, latencyMs: LATENCY_MS, answer: () => 'yes' },
        ...{ limits: { batchQueueMax: queueMax }, switches: { queueCounts: counts } },
      },
      clock,
    );
    const engine = await queueEngine({ clock, fetch: simFetch(world), queueMax, chunkRows });
    const runId = await submitRows(engine, { count: rows, paramsAt, settings: { chunkRows } });
    const failed = await finish(engine, runId);
    const { batches, refusals, calls } = world.ledger;
    const tookMs = clock.now() - batches[0].createdAtMs;
    const made = batches.map((batch) => ({ rows: batch.rowCount, durationMs: batch.endsAtMs - batch.createdAtMs }));
    const bound = boundMs(made, { queueMax, counts });
    const inTurn = inTurnMs(made, { queueMax, counts });
    const refused = refusals.get('429 rate_limit_error') ?? 0;
    const creates = calls.get('batches.create') ?? 0;
    return {
      ...{ seconds: tookMs / 1_000, ideal_seconds: bound / 1_000, ratio: tookMs / bound },
      ...{ in_turn_seconds: inTurn / 1_000, in_turn_ratio: tookMs / inTurn, batches: made.length },
      ...{ calls: creates, refusals: refused, refusals_percent: (refused / creates) * 100 },
      ...{ peak_queued: world.ledger.peakQueued, given_up: failed, beyond_default: null },
    };
  });
}

/** As small as a request may be: a million of them are 150 MB all the same. */
function paramsAt(at) {
  return { model: MODEL, max_tokens: 8, messages: [{ role: 'user', content: `${at}?` }] };
}
