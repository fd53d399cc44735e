// @ts-check
/**
 * The live page of `batchrun loadtest --web`: what the load is, how it is taken, and how to change or stop it.
 */
import { get, setToken, takeToken } from './api.js';
import { chart } from './charts.js';
import { byId, fill, h, keyed, openDialog, say, setText } from './dom.js';
import { count, duration, plural, short } from './format.js';
import { aboutText, figuresOf, latencyRows, ms } from './load-figures.js';
import { kneeNotice, outcomeCard } from './load-outcome.js';
import { steering } from './load-steering.js';
import { listen } from './stream.js';

/** @typedef {(number | null)[]} Column */

const second = (/** @type {number} */ at) => (at < 1 ? '0 s' : duration(at * 1_000));
const last = (/** @type {Column | undefined} */ column) => column?.findLast((value) => value !== null) ?? 0;

const name = h('h1', { text: 'Load test' });
const chip = h('span', { class: 'chip' });
const clock = h('span', { class: 'quiet small' });
const about = h('p', { class: 'quiet small' });
const figures = h('dl', { class: 'figures' });
const outcomes = h('div', { class: 'bar tall', 'aria-hidden': 'true' });
const legend = h('ul', { class: 'legend' });
const latency = h('tbody');
const failures = h('p', { class: 'small' });
const knee = kneeNotice();
/** Who asks: users of the closed model, conversations of the open one. */
let people = 'user';
const steer = steering();
const outcome = outcomeCard();
const plots = {
  rate: chart({
    title: 'Answers a second',
    lines: [
      { label: 'succeeded', tone: 1, area: true },
      { label: 'refused (429)', tone: 2 },
      { label: 'failed', tone: 4 },
    ],
    write: short,
    writeX: second,
    now: ([, ok, refused, failed]) =>
      `${short(last(ok))} succeeded, ${short(last(refused))} refused, ${short(last(failed))} failed`,
    large: true,
    sync: 'load',
  }),
  latency: chart({
    title: 'Latency',
    lines: [
      { label: 'p99', tone: 4 },
      { label: 'p95', tone: 2 },
      { label: 'p50', tone: 1, area: true },
    ],
    write: ms,
    writeX: second,
    now: ([, p99, p95, p50]) => `p50 ${ms(last(p50))}, p95 ${ms(last(p95))}, p99 ${ms(last(p99))}`,
    large: true,
    sync: 'load',
  }),
  load: chart({
    title: 'Load',
    lines: [
      { label: 'requests under way', tone: 3, area: true },
      { label: 'users', tone: 1, step: true },
      { label: 'sent a second', tone: 2 },
    ],
    write: short,
    writeX: second,
    now: ([, flight, users, sent]) =>
      `${count(last(flight))} under way, ${plural(last(users), people)}, ${short(last(sent))} sent a second`,
    sync: 'load',
  }),
  tokens: chart({
    title: 'Tokens a minute',
    lines: [
      { label: 'in', tone: 3, area: true },
      { label: 'out', tone: 2 },
    ],
    write: short,
    writeX: second,
    now: ([, input, output]) => `${short(last(input))} in, ${short(last(output))} out`,
    sync: 'load',
  }),
};

/** @type {any} */
let session = { authorized: false, reading: true };
let state = '';

function build() {
  fill(
    byId('main'),
    h(
      'div',
      { class: 'headline' },
      h('div', { class: 'title' }, name, h('div', { class: 'row' }, chip, clock), about),
      steer.element,
    ),
    knee.element,
    outcome.element,
    h('section', { class: 'card state', 'aria-label': 'Result so far' }, outcomes, legend, figures),
    h(
      'section',
      { class: 'card', 'aria-label': 'Charts' },
      h(
        'div',
        { class: 'charts' },
        Object.values(plots).map(({ element }) => element),
      ),
    ),
    h(
      'section',
      { class: 'card', 'aria-labelledby': 'latency-title' },
      h(
        'header',
        {},
        h('h2', { id: 'latency-title', text: 'Latency' }),
        h('span', { class: 'quiet small', text: 'of all answers so far that came whole, and of timeouts' }),
      ),
      h(
        'div',
        { class: 'wide' },
        h(
          'table',
          {},
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              ['', 'mean', 'p50', 'p75', 'p90', 'p95', 'p99', 'p99.9', 'most'].map((text) =>
                h('th', { scope: 'col', class: text === '' ? '' : 'number', text }),
              ),
            ),
          ),
          latency,
        ),
      ),
      failures,
    ),
  );
}

/** @param {any} snapshot */
function show(snapshot) {
  const { settings, points } = snapshot;
  const isOver = snapshot.state === 'done';
  if (state !== '' && state !== snapshot.state) say(isOver ? 'The test is over.' : 'The test is stopping.');
  state = snapshot.state;
  setText(chip, isOver ? 'over' : snapshot.state === 'stopping' ? 'stopping' : 'running');
  chip.dataset['tone'] = isOver ? 'good' : snapshot.state === 'stopping' ? 'warn' : 'busy';
  people = settings.load === 'closed' ? 'user' : 'conversation';
  plots.load.rename(1, `${people}s`);
  setText(about, aboutText(settings));
  const ran = duration(snapshot.elapsed_seconds * 1_000);
  setText(clock, isOver ? `after ${ran}` : `${ran} of ${duration(settings.duration_seconds * 1_000)}`);
  setText(byId('folder'), `load test of ${settings.target === 'sim' ? 'the simulator' : settings.target}`);
  document.title = `${isOver ? 'over' : duration(snapshot.elapsed_seconds * 1_000)} · ${short(snapshot.requests_per_second)}/s · load test`;
  fill(
    figures,
    figuresOf(snapshot).map(([title, value, note]) =>
      h(
        'div',
        {},
        h('dt', { text: title }),
        h('dd', { text: value }),
        note === '' ? null : h('dd', { class: 'small', text: note }),
      ),
    ),
  );
  showOutcomes(snapshot);
  const at = points.map((/** @type {any} */ point) => point.second);
  const column = (/** @type {string} */ key, scale = 1) =>
    points.map((/** @type {any} */ point) => (point[key] === null ? null : point[key] * scale));
  plots.rate.update([at, column('succeeded'), column('rate_limited'), column('failed')]);
  plots.latency.update([at, column('p99_ms'), column('p95_ms'), column('p50_ms')]);
  plots.load.update([at, column('in_flight'), column('users'), column('sent')]);
  plots.tokens.update([at, column('input_tokens', 60), column('output_tokens', 60)]);
  fill(latency, latencyRows(snapshot.latency));
  const kinds = Object.entries(snapshot.failures);
  setText(
    failures,
    kinds.length === 0 ? '' : `Failed: ${kinds.map(([kind, times]) => `${count(Number(times))} ${kind}`).join(', ')}.`,
  );
  knee.show(snapshot.knee);
  steer.update(snapshot, session);
}

/** @param {any} snapshot */
function showOutcomes({ succeeded, rate_limited: refused, failed, settings }) {
  /** @type {[string, string, number][]} */
  const parts = [
    ['succeeded', 'succeeded', succeeded],
    ['retry', 'refused with 429', refused],
    ['failed', 'failed', failed],
  ];
  const shown = parts.filter(([, , value]) => value > 0);
  const whole = Math.max(1, settings.max_requests);
  const ended = succeeded + refused + failed;
  keyed(
    outcomes,
    shown,
    ([part]) => part,
    ([part]) => h('i', { 'data-part': part }),
  );
  keyed(
    legend,
    shown,
    ([part]) => part,
    ([part, words]) => h('li', { 'data-part': part }, h('b'), words),
  );
  for (const [nth, [, , value]] of shown.entries()) {
    /** @type {HTMLElement} */ (outcomes.children[nth]).style.width = `${(value / Math.max(ended, 1)) * 100}%`;
    const number = legend.children[nth]?.firstElementChild;
    if (number) setText(number, count(value));
  }
  outcomes.title = `${count(ended)} of ${count(whole)} requests at most`;
}

/** @param {'live' | 'lost' | 'refused'} link */
function onState(link) {
  const badge = byId('link');
  if (badge.dataset['state'] === link) return;
  badge.dataset['state'] = link;
  const isOver = state === 'done';
  setText(badge, link === 'live' ? 'live' : link === 'refused' ? 'needs the token' : isOver ? 'over' : 'disconnected');
  if (link === 'lost' && !isOver) say('Disconnected. What is shown may be old.');
  const words = isOver
    ? 'The test is over. Its report is in the terminal; this page stays as it is.'
    : 'The test does not answer. It has ended, or it comes back by itself.';
  notice('link', link === 'lost' ? h('span', { text: words }) : null);
}

/** @type {Map<string, Node>} */
const notices = new Map();

/**
 * @param {string} key
 * @param {Node | null} words
 */
function notice(key, words) {
  if (words === null) notices.delete(key);
  else notices.set(key, h('div', { class: 'notice' }, words));
  fill(byId('notices'), [...notices.values()]);
}

async function begin() {
  session = await get('/api/session').catch(() => session);
  if (!session.authorized) {
    const enter = h('button', {
      type: 'button',
      class: 'small',
      id: 'token-open',
      text: 'Enter the token',
      onclick: askToken,
    });
    notice('token', h('span', {}, 'Looking only: to change or stop the test needs the token. ', enter));
  }
  build();
  listen('/api/stream', { onMessage, onState });
}

/**
 * @param {string} event
 * @param {any} value
 */
function onMessage(event, value) {
  if (event === 'snapshot') show(value);
  else if (event === 'outcome') outcome.show(value);
}

function askToken() {
  const token = h('input', { type: 'password', id: 'token', autocomplete: 'off', 'aria-label': 'Token' });
  openDialog(
    { class: 'narrow', 'aria-labelledby': 'token-title' },
    h('h2', { id: 'token-title', text: 'The token' }),
    h('p', { class: 'quiet', text: 'It stands behind #token= in the address that batchrun loadtest printed.' }),
    h(
      'form',
      {
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          setToken(token.value.trim());
          location.reload();
        },
      },
      h('p', { class: 'row' }, token, h('button', { class: 'main', type: 'submit', text: 'Use it' })),
    ),
  );
}

takeToken();
void begin();
