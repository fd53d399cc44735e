/**
 * The cases of `npm run bench:pacing`: which rows, which limits, what goes wrong, and the ideal of each (ideal.mjs).
 *
 * Rows are made when they are sent: a row is its number and the size of its prompt, told in tokens as the simulator counts
 * them (four bytes each). The same seed draws the same sizes, delays and failures for every contestant.
 */
import { idealMs } from './ideal.mjs';
import { loadBuilt } from './places.mjs';

const { seededRng } = await loadBuilt('base/random.js');

export const SEED = 'pacing';
export const MODEL = 'claude-haiku-5-5';
const MINUTE_MS = 60_000;
const BYTES_PER_TOKEN = 4;

/** What the simulated model says: five tokens. */
const ANSWER = 'a short answer, no more';
const ANSWER_TOKENS = Math.ceil(ANSWER.length / BYTES_PER_TOKEN);
const MAX_TOKENS = 64;

/** Tokens of a prompt where all are alike. */
const EQUAL_TOKENS = 300;
/** Calls are what runs out: 600 rows of 300 tokens are a tenth of it. */
const LIMITS = { rpm: 600, itpm: 2_000_000, otpm: 400_000 };
/** Short, so that the buckets decide and not the wait for answers; with 50 ms p-limit(10) makes the refusals of the issue. */
const LATENCY_MS = [50, 150];
/** As answers of a few hundred tokens take. */
const SLOW_LATENCY_MS = [2_000, 6_000];

/** In virtual time. */
export const CASES = {
  equal: { text: '900 equal rows, 600 a minute', rows: () => equalRows(900) },
  long: { text: '6,000 equal rows, 600 a minute', rows: () => equalRows(6_000) },
  wide: {
    text: '3,000 rows of 10 to 50,000 tokens, 1,000 rows and 2 M tokens a minute',
    rows: () => wideRows(3_000),
    limits: { ...LIMITS, rpm: 1_000 },
  },
  cut: {
    text: '3,000 equal rows, 600 a minute, 300 from the second minute on',
    rows: () => equalRows(3_000),
    cut: { atMs: 2 * MINUTE_MS, limits: { rpm: 300, itpm: 1_000_000, otpm: 200_000 } },
  },
  overload: {
    text: '3,000 equal rows, 600 a minute, 2 % of the calls answered with 529',
    rows: () => equalRows(3_000),
    rates: { messageErrorRates: { 529: 0.02 } },
  },
  slow: {
    text: '3,000 equal rows, 600 a minute, answers after 2 to 6 s',
    rows: () => equalRows(3_000),
    latencyMs: SLOW_LATENCY_MS,
  },
};

/** In real time, on sockets. */
export const REAL_CASES = {
  real: { text: 'real time: 900 equal rows, 600 a minute, one process', rows: () => equalRows(900), processes: 1 },
  processes: {
    text: 'real time: 2,400 equal rows, 1,200 a minute, four processes, 600 rows each',
    rows: () => equalRows(2_400),
    limits: { ...LIMITS, rpm: 1_200 },
    processes: 4,
  },
};

/** What a case comes to with everything that it leaves unsaid. */
export function wholeCase(name) {
  const given = CASES[name] ?? REAL_CASES[name];
  return { name, limits: LIMITS, latencyMs: LATENCY_MS, rates: {}, cut: null, ...given, rows: given.rows() };
}

/** What the simulator is made of for this case. */
export function worldOptions({ limits, latencyMs, rates }) {
  return { seed: SEED, limits: { messages: limits }, messageLatencyMs: latencyMs, rates, answer: () => ANSWER };
}

/** Nobody could be done earlier. */
export function idealOf({ rows, limits, cut, latencyMs }) {
  const input = rows.reduce((sum, { tokens }) => sum + tokens, 0);
  return idealMs({
    demand: { requests: rows.length, input, output: rows.length * ANSWER_TOKENS },
    phases: [{ fromMs: 0, ...limits }, ...(cut ? [{ fromMs: cut.atMs, ...cut.limits }] : [])],
    latencyMs: latencyMs[0],
  });
}

/** The body of the call for a row. */
export function paramsOf({ at, tokens }) {
  const content = `row ${at} `.padEnd(tokens * BYTES_PER_TOKEN, 'all work and no play ');
  return { model: MODEL, max_tokens: MAX_TOKENS, messages: [{ role: 'user', content }] };
}

function equalRows(count) {
  return Array.from({ length: count }, (_, at) => ({ at, tokens: EQUAL_TOKENS }));
}

const WIDE_TOKENS = [10, 50_000];
/**
 * The exponent of a Pareto distribution cut at both ends: half of the rows have about 100 tokens or less, a tenth of them
 * makes four fifths of all tokens, and the mean is near 2,000, so that calls and tokens run out by turns.
 */
const WIDE_SHAPE = 0.25;

function wideRows(count) {
  const rng = seededRng(`${SEED}|wide`);
  const [least, most] = WIDE_TOKENS;
  const span = 1 - (least / most) ** WIDE_SHAPE;
  return Array.from({ length: count }, (_, at) => {
    const tokens = least * (1 - rng.next() * span) ** (-1 / WIDE_SHAPE);
    return { at, tokens: Math.min(most, Math.round(tokens)) };
  });
}
