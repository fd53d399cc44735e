/**
 * The least time in which batches could have gone through a queue that takes so many rows, for anyone who knows how long
 * each of them runs: what the scheduler is held against. And what comes of sending them in their order.
 *
 * Two readings of the queue (the API does not say which is right): the rows of a batch count until the whole batch has
 * ended, or each row until it is processed, evenly over the batch's time.
 */

/** Of batches `{ rows, durationMs }`. */
export function boundMs(batches, { queueMax, counts }) {
  const longest = Math.max(...batches.map(({ durationMs }) => durationMs));
  // The place that the batches take, times the time: the queue has no more of it than its size in each millisecond. A row
  // that leaves when it is processed takes its place for half of the batch's time, by the mean.
  const share = counts === 'until_row_done' ? 0.5 : 1;
  const area = batches.reduce((sum, { rows, durationMs }) => sum + rows * durationMs * share, 0);
  const bounds = [longest, area / queueMax];
  if (counts === 'until_batch_ends') bounds.push(slotsMs(batches, queueMax));
  return Math.max(...bounds);
}

/**
 * Batches are not divided: no more run at once than the smallest fit into the queue, so they go through that many slots.
 * All slots together run for the sum of the times. And of the `k x slots + 1` longest, some slot gets `k + 1`.
 */
function slotsMs(batches, queueMax) {
  const slots = Math.floor(queueMax / Math.min(...batches.map(({ rows }) => rows)));
  const times = batches.map(({ durationMs }) => durationMs).toSorted((a, b) => b - a);
  let bound = sum(times) / slots;
  for (let k = 1; k * slots < times.length; k++) {
    const among = times.slice(0, k * slots + 1);
    bound = Math.max(bound, sum(among.slice(-(k + 1))));
  }
  return bound;
}

/**
 * Until the last has ended, for somebody who knows nothing, asks nothing and sends each batch in its turn, at the instant
 * at which it fits: no bound (another order may do better), but who cannot see ahead can only hope to do better.
 */
export function inTurnMs(batches, { queueMax, counts }) {
  const open = [];
  let nowMs = 0;
  let endMs = 0;
  for (const { rows, durationMs } of batches) {
    nowMs = fitsAtMs(open, { nowMs, room: queueMax - rows, counts });
    open.push({ rows, fromMs: nowMs, durationMs });
    endMs = Math.max(endMs, nowMs + durationMs);
  }
  return endMs;
}

/** The first time from `nowMs` on at which the open batches leave this room. */
function fitsAtMs(open, { nowMs, room, counts }) {
  const queuedAt = (atMs) => open.reduce((sum, batch) => sum + queuedOf(batch, atMs, counts), 0);
  if (queuedAt(nowMs) <= room) return nowMs;
  // The queue only empties as long as nothing is sent: the time is found by halving.
  let before = nowMs;
  let after = Math.max(...open.map(({ fromMs, durationMs }) => fromMs + durationMs));
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (queuedAt(middle) <= room) after = middle;
    else before = middle;
  }
  return after;
}

function queuedOf({ rows, fromMs, durationMs }, atMs, counts) {
  const share = 1 - (atMs - fromMs) / durationMs;
  if (share <= 0) return 0;
  return counts === 'until_row_done' ? Math.ceil(rows * share) : rows;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
