// @ts-check
/**
 * All runs of the state, the newest first; what needs a person stands with the run. Below them the limits of the account
 * and what happened last.
 */
import { rowBar } from './bar.js';
import { fill, h, keyed, patch, setText } from './dom.js';
import {
  count,
  duration,
  finished,
  fromNow,
  money,
  nameOf,
  notSucceeded,
  percent,
  plural,
  runState,
  short,
  time,
} from './format.js';
import { limitsPanel } from './limits.js';
import { logRows } from './log.js';

/** @param {import('./app.js').Page} page */
export function homeView(page) {
  const list = h('ol', { class: 'runs', id: 'runs', 'aria-label': 'Runs' });
  const empty = emptyState();
  const limits = limitsPanel();
  const rows = h('tbody');
  const events = h(
    'section',
    { class: 'card', 'aria-labelledby': 'events-title' },
    h('header', {}, h('h2', { id: 'events-title', text: 'What happened last' })),
    h('div', { class: 'wide' }, h('table', { class: 'log' }, rows)),
  );
  const older = h('p', { class: 'quiet small', id: 'older', hidden: true });
  fill(page.main, h('h1', { class: 'unseen', text: 'Runs' }), empty, list, older, limits.element, events);

  return {
    update() {
      const { runs, hidden, limits: known, pace, events: last } = page.state;
      const shown = [...runs].reverse();
      empty.hidden = shown.length > 0;
      list.hidden = shown.length === 0;
      keyed(list, shown, (run) => run.id, makeRun(pace));
      for (const [at, run] of shown.entries()) {
        const element = /** @type {any} */ (list.children[at]);
        element.show(run, pace[run.id]);
      }
      older.hidden = hidden === 0;
      const many = `and ${plural(hidden, 'older finished run')}`;
      setText(older, `${many}: batchrun list names them, and #/run/<id> in the address of this page opens one.`);
      limits.update(known);
      events.hidden = last.length === 0;
      logRows(rows, last.slice(-12).reverse(), { run: true });
      const open = runs.filter((/** @type {any} */ run) => run.state !== 'done').length;
      page.title(open === 0 ? 'batchrun' : `${plural(open, 'run')} under way · batchrun`);
    },
    /** @param {any[]} _events */
    log(_events) {},
    /** @param {any} _sample */
    sample(_sample) {},
    close() {},
  };
}

/** @param {any} _pace */
function makeRun(_pace) {
  return (/** @type {any} */ run) => {
    const bar = rowBar();
    const link = h('a', { href: `#/run/${encodeURIComponent(run.id)}`, 'data-step': true });
    const id = h('span', { class: 'quiet small mono' });
    const chip = h('span', { class: 'chip' });
    const facts = h('div', { class: 'facts' });
    const blocks = h('div', { class: 'notice', hidden: true });
    const element = h('li', { class: 'run' }, h('div', { class: 'title' }, link, id), chip, bar.element, facts, blocks);
    return Object.assign(element, {
      show(/** @type {any} */ now, /** @type {any} */ pace) {
        setText(link, nameOf(now));
        setText(id, now.name === null ? '' : now.id);
        const { word, tone } = runState(now);
        setText(chip, word);
        chip.dataset['tone'] = tone;
        bar.update(now);
        patch(facts, factsOf(now, pace));
        blocks.hidden = now.blocked.length === 0;
        patch(blocks, now.blocked.map(blockText));
      },
    });
  };
}

/** What is in the way, and what a person must do. @param {any} block */
export function blockText(block) {
  return h(
    'span',
    {},
    h('strong', { text: 'Blocked: ' }),
    `${block.message}. `,
    h('span', { class: 'quiet', text: block.hint }),
  );
}

/**
 * @param {any} run
 * @param {any} pace
 */
function factsOf(run, pace) {
  const done = finished(run);
  const failed = notSucceeded(run);
  const { spent, estimated_total: estimate } = run.cost_usd;
  const isOpen = run.state !== 'done';
  const toCome =
    isOpen && estimate !== null && spent !== null && estimate > spent ? ` of about ${money(estimate)}` : '';
  return [
    h(
      'span',
      {},
      h('b', { text: count(done) }),
      ` of ${plural(run.rows.total, 'row')}`,
      run.rows.total > 0 ? ` (${percent(done / run.rows.total)})` : '',
    ),
    failed > 0 ? h('span', { class: 'bad', text: `${count(failed)} did not succeed` }) : null,
    h('span', {}, h('b', { text: money(spent) }), toCome),
    isOpen && pace?.rows_per_minute > 0 ? h('span', { text: `${short(pace.rows_per_minute)} rows/min` }) : null,
    isOpen && pace?.done_at ? h('span', { text: doneText(pace) }) : null,
    deadlineText(run),
    isOpen
      ? h('span', { text: `begun ${fromNow(Date.parse(run.created_at))}` })
      : h(
          'span',
          {},
          'done ',
          run.done_at ? time(run.done_at) : '',
          ` after ${duration(Date.parse(run.done_at ?? run.created_at) - Date.parse(run.created_at))}`,
        ),
  ];
}

/** @param {any} pace */
function doneText(pace) {
  const when = fromNow(Date.parse(pace.done_at));
  return pace.basis === 'latest' ? `done ${when} at the latest` : `done ${when}`;
}

/** @param {any} run */
export function deadlineText(run) {
  const { deadline } = run;
  if (deadline === null || run.state === 'done') return null;
  const late = deadline.missed || (deadline.late_rows ?? 0) > 0;
  const who = deadline.late_rows > 0 ? `, ${plural(deadline.late_rows, 'row')} late as it looks` : '';
  return h('span', { class: late ? 'bad' : null }, `deadline ${fromNow(Date.parse(deadline.at))}${who}`);
}

function emptyState() {
  return h(
    'section',
    { class: 'card empty', id: 'empty' },
    h('h1', { text: 'No runs yet' }),
    h('p', { class: 'quiet', text: 'What you submit from this state folder shows up here by itself.' }),
    h('pre', {
      text: "batchrun run questions.csv \\\n  --model claude-haiku-5-5 --max-tokens 256 \\\n  --prompt 'Classify: {{text}}'",
    }),
    h('p', { class: 'quiet small', text: 'To see one without a key: batchrun demo' }),
  );
}
