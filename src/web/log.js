// @ts-check
/**
 * The log of a run: live, the newest first, older pages on demand. What an event says are types and numbers of batchrun;
 * all the same it is written as text.
 */
import { get, ofRun, textOf } from './api.js';
import { h, keyed } from './dom.js';
import { count, plural, time } from './format.js';

const SHOWN_MAX = 400;

/** @param {string} run */
export function logPanel(run) {
  const rows = h('tbody');
  const more = h('button', {
    type: 'button',
    class: 'more small',
    text: 'Older events',
    hidden: true,
    onclick: () => void older(),
  });
  const element = h(
    'section',
    { class: 'card', 'aria-labelledby': 'log-title', id: 'log' },
    h(
      'header',
      {},
      h('h2', { id: 'log-title', text: 'Log' }),
      h('span', { class: 'quiet small', text: 'newest first, live' }),
    ),
    h(
      'div',
      { class: 'wide' },
      h(
        'table',
        { class: 'log' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['time', 'event', 'what'].map((name) => h('th', { scope: 'col', text: name })),
          ),
        ),
        rows,
      ),
    ),
    more,
  );
  /** @type {any[]} */
  let events = [];
  let limit = SHOWN_MAX;

  const show = () => logRows(rows, events.slice(0, limit), { run: false });

  const older = async () => {
    more.disabled = true;
    try {
      const page = await get(ofRun(run, `/log?before=${events.at(-1)?.id ?? 0}`));
      events.push(...page.events.reverse());
      limit = Math.max(limit, events.length);
      more.hidden = !page.more;
      show();
    } catch (error) {
      more.textContent = textOf(error);
    }
    more.disabled = false;
  };

  return {
    element,
    async load() {
      const page = await get(ofRun(run, '/log?limit=50'));
      const newest = page.events.at(-1)?.id ?? 0;
      events = [...events.filter(({ id }) => id > newest), ...page.events.reverse()];
      more.hidden = !page.more;
      show();
    },
    /** @param {any[]} fresh Oldest first. */
    add(fresh) {
      const newest = events[0]?.id ?? 0;
      const news = fresh.filter(({ id }) => id > newest).reverse();
      if (news.length === 0) return;
      events = [...news, ...events];
      // Kept are as many as somebody has asked for: a run of a night must not fill the page.
      if (events.length > limit) {
        events.length = limit;
        more.hidden = false;
      }
      show();
    },
  };
}

/**
 * @param {HTMLElement} body
 * @param {any[]} events
 * @param {{ run: boolean }} options
 */
export function logRows(body, events, { run }) {
  keyed(
    body,
    events,
    ({ id }) => String(id),
    (event) =>
      h(
        'tr',
        {},
        h('td', { class: 'quiet' }, time(event.time)),
        h('td', {}, h('code', { text: event.event })),
        h(
          'td',
          {},
          run ? h('a', { class: 'mono small', href: `#/run/${encodeURIComponent(event.run)}`, text: event.run }) : null,
          run ? ' ' : null,
          eventText(event),
        ),
      ),
  );
}

/** @param {any} event */
function eventText({ event, chunk, row, data }) {
  const where = chunk !== null ? `chunk ${count(chunk)}` : row !== null ? `row ${count(row)}` : '';
  const rows = typeof data.rows === 'number' ? plural(data.rows, 'row') : '';
  const parts = [where, rows];
  switch (event) {
    case 'chunk.submitted':
      parts.push(data.batch ? `is batch ${data.batch}` : '');
      break;
    case 'chunk.collected':
      parts.push(typeof data.succeeded === 'number' ? `${count(data.succeeded)} succeeded` : '', restText(data.rest));
      break;
    case 'rows.settled':
      parts.push(`${count(data.succeeded ?? 0)} succeeded`);
      break;
    case 'row.retried':
      parts.push(`${data.error ?? 'unknown'}: try ${data.attempt ?? '?'} of ${data.of ?? '?'}`);
      break;
    default:
      parts.push(...otherParts(data));
  }
  return parts.filter((part) => part !== '').join(', ');
}

/** @param {any} rest */
function restText(rest) {
  if (typeof rest !== 'object' || rest === null) return '';
  return Object.entries(rest)
    .map(([state, rows]) => `${count(Number(rows))} ${state}`)
    .join(', ');
}

/** `94 succeeded, 3 errored` of counts; what is nested deeper stays as it came. @param {any} value */
function partsText(value) {
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) return value.join(', ');
  const entries = Object.entries(value);
  if (Array.isArray(value) || entries.some(([, one]) => typeof one !== 'number')) return JSON.stringify(value);
  return entries
    .filter(([, number]) => number !== 0)
    .map(([name, number]) => `${count(Number(number))} ${name.replaceAll('_', ' ')}`)
    .join(', ');
}

/** @param {any} data */
function otherParts(data) {
  return Object.entries(data)
    .filter(([name, value]) => name !== 'rows' && value !== null)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? partsText(value) : String(value)}`.trimEnd());
}
