// @ts-check
/**
 * The page of `batchrun serve`: takes the token, listens to the server, and shows the runs or one of them.
 */
import { get, setToken, takeToken, textOf } from './api.js';
import { byId, fill, h, keyed, openDialog, say, setText } from './dom.js';
import { homeView } from './home.js';
import { startKeys } from './keys.js';
import { runView } from './run.js';
import { listen } from './stream.js';

/**
 * @typedef {object} Page
 * @property {HTMLElement} main
 * @property {any} state
 * @property {(text: string) => void} title
 * @property {(key: string, text: string | null) => void} notice
 */

const state = {
  session: { authorized: false, reading: true, missing: null },
  /** @type {any[]} */
  runs: [],
  /** @type {any} */
  driver: null,
  /** @type {any[]} */
  limits: [],
  /** @type {Record<string, any>} */
  pace: {},
  /** So many runs that are done are older than those of the list. */
  hidden: 0,
  /** @type {any[]} */
  events: [],
  /** @type {any[]} */
  tasks: [],
  link: 'connecting',
  /** Something of the state has been heard. */
  isKnown: false,
};

/** @type {Map<string, any>} */
const byRun = new Map();
/** @type {string[]} */
let order = [];
/** @type {Map<string, string>} */
const notices = new Map();
/** How often times like `3 m ago` are written anew where nothing else is new. */
const TICK_MS = 5_000;
/** @type {any} */
let view = null;
/** @type {() => void} */
let stop = () => undefined;
let start = '';

/** @type {Page} */
const page = {
  main: byId('main'),
  state,
  title: (text) => {
    if (document.title !== text) document.title = text;
  },
  notice: (key, text) => {
    if (text === null) notices.delete(key);
    else notices.set(key, text);
    keyed(
      byId('notices'),
      [...notices.entries()],
      ([name, words]) => `${name}:${words}`,
      ([name, words]) =>
        h(
          'div',
          { class: 'notice', role: 'alert' },
          h('span', { text: words }),
          name === 'token' ? tokenButton() : null,
        ),
    );
  },
};

function tokenButton() {
  return h('button', { type: 'button', class: 'small', id: 'token-open', text: 'Enter the token', onclick: askToken });
}

function askToken() {
  const input = h('input', { type: 'password', id: 'token', autocomplete: 'off', 'aria-label': 'Token' });
  const dialog = openDialog(
    { class: 'narrow', 'aria-labelledby': 'token-title' },
    h('h2', { id: 'token-title', text: 'The token' }),
    h('p', {
      class: 'quiet',
      text: 'It stands behind #token= in the address that batchrun serve printed. It is kept for this tab only.',
    }),
    h(
      'form',
      {
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          setToken(input.value.trim());
          dialog.close();
          void begin();
        },
      },
      h('p', { class: 'row' }, input, h('button', { class: 'main', type: 'submit', text: 'Use it' })),
    ),
  );
}

/** Which run the address names, or null. */
function wanted() {
  const match = /^#\/run\/([\w-]+)$/.exec(location.hash);
  return match?.[1] ?? null;
}

function show() {
  view?.close();
  const run = wanted();
  for (const key of ['run', 'action']) page.notice(key, null);
  view = run === null ? homeView(page) : runView(page, run);
  view.update();
  connect(run);
}

/** @param {string | null} run */
function connect(run) {
  stop();
  state.events = [];
  const path = `/api/stream${run === null ? '' : `?run=${encodeURIComponent(run)}`}`;
  stop = listen(path, { rests: true, onRested: () => view?.rested?.(), onMessage, onState });
}

/**
 * @param {string} event
 * @param {any} value
 */
function onMessage(event, value) {
  switch (event) {
    case 'hello':
      // Another start of the server, or another ledger: what was seen of the one before may be gone.
      if (start !== '' && start !== value.start) {
        state.events = [];
        void refresh();
      }
      start = value.start;
      return;
    case 'trouble':
      page.notice('state', [`The state cannot be read: ${value.message}`, value.hint].filter(Boolean).join('. '));
      return;
    case 'progress':
      for (const run of value.runs) byRun.set(run.id, run);
      if (value.order) setOrder(value.order);
      state.runs = order.flatMap((id) => byRun.get(id) ?? []);
      for (const name of /** @type {const} */ (['driver', 'limits', 'pace', 'hidden']))
        if (name in value) state[name] = value[name];
      state.isKnown = true;
      page.notice('state', null);
      break;
    case 'log':
      // The first ones are the newest there are: what was told before them does not join on.
      if (wanted() === null) state.events = [...(value.first ? [] : state.events), ...value.events].slice(-50);
      view?.log(value.events);
      break;
    case 'sample':
      view?.sample(value);
      return;
    case 'tasks':
      state.tasks = value.tasks;
      break;
    case 'gap':
      void view?.reload?.();
      return;
    default:
      return;
  }
  setText(byId('who'), state.driver === null ? 'nobody drives' : `${state.driver.command} drives`);
  byId('who').title =
    state.driver === null
      ? 'batchrun collect brings open runs to their end'
      : `process ${state.driver.pid} on ${state.driver.host}`;
  view?.update();
}

/** @param {string[]} ids */
function setOrder(ids) {
  order = ids;
  const kept = new Set(ids);
  for (const id of byRun.keys()) if (!kept.has(id)) byRun.delete(id);
}

/** @param {'live' | 'lost' | 'refused'} link */
function onState(link) {
  if (state.link === link) return;
  const was = state.link;
  state.link = link;
  const badge = byId('link');
  badge.dataset['state'] = link;
  setText(badge, link === 'live' ? 'live' : link === 'lost' ? 'disconnected' : 'needs the token');
  if (link === 'lost') {
    say('Disconnected. What is shown may be old.');
    page.notice('link', 'The server does not answer. What is shown may be old; the page comes back by itself.');
  } else page.notice('link', null);
  if (link === 'live' && was === 'lost') {
    say('Connected again.');
    void refresh();
  }
  if (link === 'refused') void readSession();
}

/** After a cut: whatever may have been missed. */
async function refresh() {
  await readSession();
  await view?.reload?.();
  view?.update();
}

async function readSession() {
  try {
    state.session = await get('/api/session');
    const folder = byId('folder');
    setText(folder, /** @type {any} */ (state.session).state ?? '');
    folder.title = /** @type {any} */ (state.session).state ?? '';
    page.notice(
      'token',
      state.session.authorized
        ? null
        : state.session.reading
          ? 'Looking only: ids, prompts, downloads and actions need the token.'
          : 'This page is served to other machines: it needs the token for everything.',
    );
    page.notice(
      'missing',
      state.session.missing === null ? null : `Actions that call the API are off: ${state.session.missing}`,
    );
  } catch (error) {
    page.notice('link', textOf(error));
  }
}

async function begin() {
  await readSession();
  show();
}

takeToken();
startKeys(() => {
  if (wanted() !== null) location.hash = '#/';
});
window.addEventListener('hashchange', () => {
  // A new address was pasted into this tab.
  if (location.hash.startsWith('#token=')) {
    takeToken();
    void begin();
    return;
  }
  show();
  page.main.focus();
  scrollTo(0, 0);
});
fill(page.main, h('p', { class: 'quiet wait', text: 'Looking at the state …' }));
setInterval(() => {
  if (!document.hidden && state.isKnown) view?.update();
}, TICK_MS);
void begin();
