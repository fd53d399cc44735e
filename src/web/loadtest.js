// @ts-check
/**
 * The live page of `batchrun loadtest --web`: what the load is, how it is taken, and how to change or stop it.
 */
import { get, post, setToken, takeToken, textOf } from './api.js';
import { chart } from './charts.js';
import { byId, fill, h, keyed, openDialog, say, setText } from './dom.js';
import { count, duration, money, percent, plural, short } from './format.js';
import { listen } from './stream.js';

/** @typedef {(number | null)[]} Column */

const second = (/** @type {number} */ at) => (at < 1 ? '0 s' : duration(at * 1_000));
const ms = (/** @type {number} */ value) => {
  if (value >= 10_000) return `${short(value / 1_000)} s`;
  // Local connections are made in less than a millisecond: that is not nothing.
  return value < 10 ? `${Number(value.toPrecision(2))} ms` : `${count(value)} ms`;
};
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
const knee = h('p', { class: 'notice', hidden: true });
/** Who asks: users of the closed model, conversations of the open one. */
let people = 'user';
const steer = steering();
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
    knee,
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

/** @type {[string, string][]} */
const TIMES = [
  ['total', 'from when it was due'],
  ['service', 'from when it was sent'],
  ['connect', 'to connect'],
  ['first_byte', 'to the first byte'],
  ['first_token', 'to the first token'],
  ['stream', 'the answer itself'],
];

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
  fill(
    latency,
    TIMES.flatMap(([key, words]) => latencyRow(words, snapshot.latency[key])),
  );
  const kinds = Object.entries(snapshot.failures);
  setText(
    failures,
    kinds.length === 0 ? '' : `Failed: ${kinds.map(([kind, times]) => `${count(Number(times))} ${kind}`).join(', ')}.`,
  );
  showKnee(snapshot.knee);
  steer.update(snapshot, session);
}

/** @param {any} settings */
function aboutText(settings) {
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
function figuresOf(snapshot) {
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

/** @param {any} found */
function showKnee(found) {
  knee.hidden = found === null || found.first_refused_per_second === null;
  if (knee.hidden) return;
  const clean =
    found.last_clean_per_second === null ? '' : ` At ${short(found.last_clean_per_second)} a second nothing was.`;
  const bound = found.bound_by === null ? '' : ` The limit on ${found.bound_by.replace('_', ' ')} is met first.`;
  fill(
    knee,
    h('strong', { text: 'The knee: ' }),
    `refused from ${short(found.first_refused_per_second)} requests a second on.${clean}${bound}`,
  );
}

/** Changes the load, and stops it. */
function steering() {
  const value = h('input', { type: 'number', id: 'load-value', min: '1', step: 'any' });
  const label = h('label', { class: 'small quiet', for: 'load-value' });
  const set = h('button', { type: 'submit', id: 'load-set', text: 'Change' });
  const stop = h('button', { type: 'button', class: 'danger', id: 'load-stop', text: 'Stop …', onclick: ask });
  const note = h('span', { class: 'bad small', role: 'alert' });
  let isOpenModel = false;
  let isTouched = false;
  const element = h(
    'form',
    { class: 'buttons row', onsubmit: (/** @type {Event} */ event) => void change(event) },
    label,
    value,
    set,
    stop,
    note,
  );
  value.addEventListener('input', () => (isTouched = true));

  /** @param {Event} event */
  async function change(event) {
    event.preventDefault();
    try {
      const wanted = Number(value.value);
      await (isOpenModel ? post('/api/rate', { per_second: wanted }) : post('/api/users', { users: wanted }));
      setText(note, '');
      isTouched = false;
      say(`The load is ${wanted} now`);
    } catch (error) {
      setText(note, textOf(error));
    }
  }

  function ask() {
    const go = h('button', { type: 'button', class: 'danger', id: 'confirm', text: 'Stop the test' });
    const dialog = openDialog(
      { class: 'narrow', id: 'question', 'aria-labelledby': 'question-title' },
      h('h2', { id: 'question-title', text: 'Stop the test?' }),
      h(
        'ul',
        {},
        h('li', { text: 'Nothing new is sent; what is under way may end.' }),
        h('li', { text: 'The report is written of what was measured so far.' }),
      ),
      h('div', { class: 'buttons' }, h('button', { type: 'button', text: 'Go on', onclick: () => dialog.close() }), go),
    );
    go.addEventListener('click', () => {
      dialog.close();
      post('/api/stop').catch((error) => setText(note, textOf(error)));
    });
  }

  return {
    element,
    /**
     * @param {any} snapshot
     * @param {any} who
     */
    update(snapshot, who) {
      isOpenModel = snapshot.settings.load === 'open';
      setText(label, isOpenModel ? 'Arrivals a second' : 'Users');
      // Less than one arrival a second is a rate, less than one user is none.
      value.min = isOpenModel ? '0.001' : '1';
      value.step = isOpenModel ? 'any' : '1';
      const now = isOpenModel ? snapshot.wanted_per_second : snapshot.wanted_users;
      if (!isTouched && document.activeElement !== value && now !== null)
        value.value = String(Number(now.toPrecision(3)));
      const isOver = snapshot.state !== 'running';
      for (const control of [value, set, stop]) {
        control.disabled = isOver || !who.authorized;
        control.title = who.authorized ? '' : 'needs the token: open the address that batchrun loadtest printed';
      }
      element.hidden = snapshot.state === 'done';
    },
  };
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
  listen('/api/stream', { onMessage: (event, value) => (event === 'snapshot' ? show(value) : undefined), onState });
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
