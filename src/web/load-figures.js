// @ts-check
/**
 * What the live page of a load test says in figures: of its settings, of the test so far, of its latencies.
 */
import { h } from './dom.js';
import { count, duration, money, percent, plural, short } from './format.js';

/** @param {number} value */
export function ms(value) {
  if (value >= 10_000) return `${short(value / 1_000)} s`;
  // Local connections are made in less than a millisecond: that is not nothing.
  return value < 10 ? `${Number(value.toPrecision(2))} ms` : `${count(value)} ms`;
}

/** @param {any} settings */
export function aboutText(settings) {
  const load =
    settings.load === 'closed'
      ? `users who wait for their answers${settings.think_seconds ? ` and think ${settings.think_seconds.join(' to ')} s` : ''}`
      : `arrivals (${settings.arrivals}) that wait for nothing`;
  const bounds = [
    plural(settings.max_requests, 'request'),
    duration(settings.duration_seconds * 1_000),
    settings.max_cost_usd === null ? '' : money(settings.max_cost_usd),
  ];
  return `${settings.models.join(', ')}; ${load}; at most ${bounds.filter((bound) => bound !== '').join(', ')}`;
}

/**
 * @param {any} snapshot
 * @returns {[string, string, string][]}
 */
export function figuresOf(snapshot) {
  const { sent, succeeded, rate_limited: refused, failed, latency: times } = snapshot;
  const ended = succeeded + refused + failed;
  const share = (/** @type {number} */ value) => (ended === 0 ? '' : percent(value / ended));
  return [
    ['Requests', count(sent), `${count(snapshot.in_flight)} under way`],
    ['A second', short(snapshot.requests_per_second), 'over the last ten seconds'],
    [
      'p95',
      times.total === null ? '–' : ms(times.total.p95_ms),
      times.total === null ? '' : `p50 ${ms(times.total.p50_ms)}`,
    ],
    ['Refused (429)', count(refused), share(refused)],
    ['Failed', count(failed), share(failed)],
    [
      'Tokens',
      short(snapshot.input_tokens + snapshot.output_tokens),
      snapshot.cost_usd === null ? '' : `${money(snapshot.cost_usd)} at list prices`,
    ],
  ];
}

/** @type {[string, string][]} */
const TIMES = [
  ['total', 'from when it was due'],
  ['service', 'from when it was sent'],
  ['connect', 'to connect'],
  ['first_byte', 'to the first byte'],
  ['first_token', 'to the first token'],
  ['stream', 'the answer itself'],
];

/** @param {any} latency */
export function latencyRows(latency) {
  return TIMES.flatMap(([key, words]) => latencyRow(words, latency[key]));
}

/**
 * @param {string} words
 * @param {any} times
 */
function latencyRow(words, times) {
  if (times === null) return [];
  const cells = [
    times.mean_ms,
    times.p50_ms,
    times.p75_ms,
    times.p90_ms,
    times.p95_ms,
    times.p99_ms,
    times.p99_9_ms,
    times.max_ms,
  ];
  return [
    h(
      'tr',
      {},
      h('th', { scope: 'row', text: words }),
      cells.map((value) => h('td', { class: 'number', text: ms(value) })),
    ),
  ];
}
