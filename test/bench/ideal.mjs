/**
 * The least time in which some messages could have been sent by anyone who knows the limits: what a pace is held against.
 *
 * The API keeps three buckets (calls, input tokens, output tokens), each with the limit of a minute, full at the start and
 * refilled continuously. By the time t nobody can have paid more from a bucket than what was in it and what has flowed in:
 * `limit + t x limit`, as long as the limit stays. So a bucket allows all the work at the earliest when that sum is as
 * large as the demand, `(demand - limit) / limit` minutes from the start; the slowest of the three decides. Where the
 * limits change on the way, the inflow is summed piece by piece. After the last call has been paid, it takes until its
 * answer is there: at least the shortest latency of a call.
 *
 * It is a bound and not a plan: large rows may not come at the instant that suits the buckets. Nobody can be faster; the
 * last output tokens apart, which a bucket lends to one call (its answer is counted when it has been given).
 */

const MINUTE_MS = 60_000;

/** How a kind of demand is called in the limits. */
const BUCKETS = { requests: 'rpm', input: 'itpm', output: 'otpm' };

/**
 * `demand`: calls and tokens of all rows. `phases`: the limits and from when they hold, the first from 0. `latencyMs`: the
 * shortest of a call.
 */
export function idealMs({ demand, phases, latencyMs }) {
  const paid = Object.entries(BUCKETS).map(([kind, limit]) => paidAtMs(demand[kind], phases, limit));
  return Math.max(...paid) + latencyMs;
}

/** When this bucket has let through so much. */
function paidAtMs(demand, phases, limit) {
  let left = demand - phases[0][limit];
  for (const [at, phase] of phases.entries()) {
    const lastsMs = (phases[at + 1]?.fromMs ?? Infinity) - phase.fromMs;
    const neededMs = (Math.max(0, left) / phase[limit]) * MINUTE_MS;
    if (neededMs <= lastsMs) return phase.fromMs + neededMs;
    left -= (lastsMs / MINUTE_MS) * phase[limit];
  }
  return Infinity;
}
