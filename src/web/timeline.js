// @ts-check
/**
 * How a run went and goes: rows and tokens by the minute, cost, limits in use and refusals. The past comes with the first
 * look, the rest sample by sample.
 */
import { get, ofRun } from './api.js';
import { chart } from './charts.js';
import { h } from './dom.js';
import { clockText, count, money, percent, short } from './format.js';
import { held, rates } from './rates.js';

const SAMPLES_MAX = 900;

const NAMES = /** @type {const} */ ([
  'finished',
  'failed',
  'input_tokens',
  'output_tokens',
  'cost_usd',
  'refused',
  'limit_share',
]);
/** The same in a sample of the stream. */
const KEYS = /** @type {const} */ ([
  'finished',
  'failed',
  'inputTokens',
  'outputTokens',
  'costUsd',
  'refused',
  'limitShare',
]);

/** @param {string} run */
export function timelinePanel(run) {
  const sync = `timeline-${run}`;
  const last = (/** @type {(number | null)[]} */ column) => column.findLast((value) => value !== null) ?? 0;
  const rows = chart({
    title: 'Rows a minute',
    lines: [{ label: 'rows', tone: 1, area: true }],
    write: short,
    now: ([, rate = []]) => `${short(last(rate))} a minute`,
    sync,
  });
  const tokens = chart({
    title: 'Tokens a minute',
    lines: [
      { label: 'in', tone: 3, area: true },
      { label: 'out', tone: 2 },
    ],
    write: short,
    now: ([, input = [], output = []]) => `${short(last(input))} in, ${short(last(output))} out`,
    sync,
  });
  const cost = chart({
    title: 'Cost',
    lines: [{ label: 'cost', tone: 1, area: true, step: true }],
    write: money,
    now: ([, usd = []]) => money(last(usd)),
    sync,
  });
  const limits = chart({
    title: 'Limits in use, and refusals (429) a minute',
    lines: [
      { label: 'in use', tone: 3, area: true },
      { label: 'refused', tone: 4, right: true, step: true },
    ],
    write: percent,
    writeRight: short,
    now: ([, share = [], refused = []]) => `${percent(last(share))} in use, ${count(last(refused))} refused`,
    max: 1,
    sync,
  });
  const note = h('span', { class: 'quiet small' });
  const element = h(
    'section',
    { class: 'card', 'aria-labelledby': 'timeline-title', id: 'timeline' },
    h('header', {}, h('h2', { id: 'timeline-title', text: 'Timeline' }), note),
    h('div', { class: 'charts' }, rows.element, tokens.element, cost.element, limits.element),
  );
  /** @type {Record<string, any[]>} */
  let data = { at: [], ...Object.fromEntries(NAMES.map((name) => [name, []])) };

  const show = () => {
    const { at, hold } = held(data['at'] ?? []);
    const perMinute = rates(at);
    const column = (/** @type {string} */ name) => hold(data[name] ?? []);
    rows.update([at, perMinute(column('finished'))]);
    tokens.update([at, perMinute(column('input_tokens')), perMinute(column('output_tokens'))]);
    cost.update([at, column('cost_usd')]);
    limits.update([at, column('limit_share'), column('refused')]);
  };

  return {
    element,
    async load() {
      const { rebuilt_until: until, ...columns } = await get(ofRun(run, '/timeline'));
      data = columns;
      note.textContent =
        until === null ? '' : `until ${clockText(until)} from the log: tokens and cost shared out by rows`;
      show();
    },
    /** @param {any} sample */
    add(sample) {
      const at = data['at'] ?? [];
      if (at.length > 0 && sample.atMs <= at.at(-1)) return;
      at.push(sample.atMs);
      for (const [nth, name] of NAMES.entries()) data[name]?.push(sample[KEYS[nth] ?? '']);
      if (at.length > SAMPLES_MAX) for (const name of Object.keys(data)) data[name] = halved(data[name] ?? []);
      show();
    },
    close() {
      for (const one of [rows, tokens, cost, limits]) one.close();
    },
  };
}

/** Of the older half every second one goes. @param {any[]} column */
function halved(column) {
  const half = Math.floor(column.length / 2);
  return column.filter((_, at) => at >= half || at % 2 === 0);
}
