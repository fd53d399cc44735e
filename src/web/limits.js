// @ts-check
/**
 * The limits of the account: what is known of them and how much is in use.
 */
import { h, patch } from './dom.js';
import { count, fromNow, percent } from './format.js';

/** @type {Record<string, string>} */
const NAMES = {
  requests: 'requests a minute',
  input: 'input tokens a minute',
  output: 'output tokens a minute',
  tokens: 'tokens a minute',
  day: 'requests a day',
  queue: 'requests in batches',
  batches: 'batches open at once',
};

export function limitsPanel() {
  const body = h('div', { class: 'pools' });
  const element = h(
    'section',
    { class: 'card', 'aria-labelledby': 'limits-title', id: 'limits' },
    h('header', {}, h('h2', { id: 'limits-title', text: 'Limits of the account' })),
    body,
  );
  return {
    element,
    /** @param {any[]} limits */
    update(limits) {
      element.hidden = limits.length === 0;
      patch(body, limits.map(pool));
    },
  };
}

/** @param {any} view */
function pool(view) {
  const isBatches = view.rate_class === 'batches';
  const refused = view.use.last_minute.refused;
  return h(
    'section',
    {},
    h('h3', { text: isBatches ? 'Batches' : view.rate_class, title: view.pool }),
    view.limits.map(limit),
    h(
      'p',
      { class: 'quiet small' },
      refused > 0 ? h('span', { class: 'bad', text: `${count(refused)} refused with 429 in the last minute. ` }) : null,
      view.paused_until === null
        ? null
        : h('span', { class: 'warn', text: `Paused, goes on ${fromNow(Date.parse(view.paused_until))}. ` }),
      view.latency_ms === null
        ? null
        : `Calls take ${count(view.latency_ms.p50)} ms, one in twenty more than ${count(view.latency_ms.p95)} ms. `,
      `Seen ${fromNow(Date.parse(view.as_of))}.`,
    ),
  );
}

/** @param {any} one */
function limit(one) {
  const share = one.share ?? 0;
  const used = one.used === null ? '' : `${count(one.used)} of `;
  return h(
    'div',
    { class: one.warning ? 'limit warning' : 'limit', title: `known from: ${one.source}` },
    h('span', { text: NAMES[one.name] ?? one.name }),
    h('span', {
      class: 'quiet',
      text: `${used}${count(one.value)}${one.share === null ? '' : ` (${percent(share)})`}`,
    }),
    h('div', { class: 'bar', 'aria-hidden': 'true' }, h('i', { style: { width: `${Math.min(100, share * 100)}%` } })),
  );
}
