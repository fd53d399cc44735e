// @ts-check
/**
 * One run: how far it is, what it costs, when it is done, and everything that stands behind these figures.
 */
import { actionButtons, taskPanel } from './actions.js';
import { get, isUnknown, ofRun, textOf } from './api.js';
import { rowBar, rowLegend } from './bar.js';
import { chunkPanel } from './chunks.js';
import { fill, h, patch, say, setText } from './dom.js';
import { failurePanel } from './failures.js';
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
import { blockText, deadlineText } from './home.js';
import { logPanel } from './log.js';
import { timelinePanel } from './timeline.js';

/**
 * @param {import('./app.js').Page} page
 * @param {string} id
 */
export function runView(page, id) {
  const chip = h('span', { class: 'chip' });
  const name = h('h1');
  const about = h('p', { class: 'quiet small row' });
  const buttons = actionButtons(page, id);
  const blocks = h('div', { class: 'notice', hidden: true, role: 'alert' });
  const bar = rowBar({ tall: true });
  const legend = rowLegend();
  const figures = h('dl', { class: 'figures' });
  const parts = { timeline: timelinePanel(id), chunks: chunkPanel(id), failures: failurePanel(id), log: logPanel(id) };
  const tasks = taskPanel();
  const settings = h('dl', { class: 'pairs' });
  fill(
    page.main,
    h('p', {}, h('a', { href: '#/', class: 'quiet small', id: 'back', text: '← All runs' })),
    h(
      'div',
      { class: 'headline' },
      h('div', { class: 'title' }, name, h('div', { class: 'row' }, chip, about)),
      buttons.element,
    ),
    blocks,
    tasks.element,
    h('section', { class: 'card state', 'aria-label': 'Progress' }, bar.element, legend.element, figures),
    parts.timeline.element,
    h('div', { class: 'two' }, parts.chunks.element, parts.failures.element),
    parts.log.element,
    h('details', { class: 'card', id: 'settings' }, h('summary', { text: 'Settings' }), settings),
  );

  let isClosed = false;
  let lastState = '';
  let lastFailures = '';
  /** As it was asked for: of a run that is done and too old for the list nothing else is told. @type {any} */
  let asked = null;
  let wasListed = false;
  let isGone = false;

  const loadAll = async () => {
    try {
      const detail = await get(ofRun(id));
      asked = detail.run;
      isGone = false;
      buttons.element.hidden = false;
      view.update();
      fill(
        settings,
        detail.settings.flatMap((/** @type {any} */ one) => [
          h('dt', { text: one.name }),
          h('dd', { text: one.value }),
        ]),
      );
      parts.failures.update(detail.reasons);
      lastFailures = JSON.stringify([detail.run.failures, notSucceeded(detail.run)]);
      await Promise.all([parts.timeline.load(), parts.chunks.load(), parts.log.load()]);
    } catch (error) {
      if (isClosed) return;
      if (isUnknown(error)) gone();
      else if (page.state.link === 'live') page.notice('run', textOf(error));
    }
  };

  /** Pruned, or never there. */
  const gone = () => {
    isGone = true;
    buttons.element.hidden = true;
    if (name.textContent === '') {
      fill(
        page.main,
        h('p', {}, h('a', { href: '#/', class: 'quiet small', id: 'back', text: '← All runs' })),
        h('h1', { text: 'There is no such run here' }),
        h('p', { class: 'quiet', text: `${id} was pruned, or belongs to another state folder.` }),
      );
      return;
    }
    setText(chip, 'gone');
    chip.dataset['tone'] = 'warn';
    blocks.hidden = true;
    page.title(`gone · ${name.textContent} · batchrun`);
    page.notice('run', 'This run is no longer there: it was pruned. What is shown is what was seen of it last.');
  };

  const loadReasons = async () => {
    try {
      parts.failures.update((await get(ofRun(id, '/reasons'))).reasons);
    } catch {
      // The next change asks again.
    }
  };

  const view = {
    update() {
      tasks.update(page.state.tasks.filter((/** @type {any} */ task) => task.run === id));
      const listed = page.state.runs.find((/** @type {any} */ one) => one.id === id);
      // No longer in the list: pruned, or too old for it.
      if (!listed && wasListed) void loadAll();
      wasListed = listed !== undefined;
      const run = listed ?? asked;
      if (!run || isGone) return;
      const pace = page.state.pace[id];
      setText(name, nameOf(run));
      const { word, tone } = runState(run);
      setText(chip, word);
      chip.dataset['tone'] = tone;
      if (lastState !== '' && lastState !== word) say(`${nameOf(run)} is ${word}`);
      lastState = word;
      patch(
        about,
        run.name === null ? null : h('span', { class: 'mono', text: run.id }),
        h('span', {}, 'begun ', time(run.created_at)),
        run.models.length > 0 ? h('span', { text: run.models.join(', ') }) : null,
        deadlineText(run),
      );
      buttons.update(run);
      blocks.hidden = run.blocked.length === 0;
      patch(blocks, run.blocked.map(blockText));
      bar.update(run);
      legend.update(run);
      patch(
        figures,
        figuresOf(run, pace).map(([title, value, note]) =>
          h(
            'div',
            {},
            h('dt', { text: title }),
            h('dd', { text: value }),
            note === '' ? null : h('dd', { class: 'small', text: note }),
          ),
        ),
      );
      const failures = JSON.stringify([run.failures, notSucceeded(run)]);
      if (lastFailures !== '' && failures !== lastFailures) {
        lastFailures = failures;
        void loadReasons();
      }
      const done = run.rows.total === 0 ? 0 : finished(run) / run.rows.total;
      page.title(`${run.state === 'done' ? word : percent(done)} · ${nameOf(run)} · batchrun`);
    },
    /** @param {any[]} events */
    log(events) {
      parts.log.add(events);
      parts.chunks.follow(events);
    },
    /** @param {any} sample */
    sample(sample) {
      parts.timeline.add(sample);
    },
    reload: loadAll,
    /** In the background it saw one sample in half a minute; the server saw more. */
    rested() {
      // What is there can be looked at; where the server is away, everything is loaded when it is back.
      parts.timeline.load().catch(() => undefined);
    },
    close() {
      isClosed = true;
      parts.timeline.close();
      parts.chunks.close();
    },
  };
  void loadAll();
  return view;
}

/**
 * @param {any} run
 * @param {any} pace
 * @returns {[string, string, string][]}
 */
function figuresOf(run, pace) {
  const done = finished(run);
  const failed = notSucceeded(run);
  const isDone = run.state === 'done';
  const share = run.rows.total === 0 ? 0 : done / run.rows.total;
  const tookMs = Date.parse(run.done_at ?? run.created_at) - Date.parse(run.created_at);
  const { input_tokens: input, output_tokens: output, cache_read_input_tokens: cached } = run.usage;
  return [
    ['Rows done', percent(share), `${count(done)} of ${count(run.rows.total)}`],
    ['Spent', money(run.cost_usd.spent), costNote(run)],
    isDone
      ? [
          'Took',
          duration(tookMs),
          run.rows.total > 0 && tookMs > 0 ? `${short(run.rows.total / (tookMs / 60_000))} rows a minute` : '',
        ]
      : [
          'Pace',
          pace?.rows_per_minute === null || pace === undefined ? '–' : short(pace.rows_per_minute),
          'rows a minute',
        ],
    isDone
      ? ['Done', fromNow(Date.parse(run.done_at)), '']
      : [
          'Done in',
          pace?.done_at ? fromNow(Date.parse(pace.done_at)).replace(/^in /, '') : '–',
          pace?.done_at ? basisText(pace) : waitText(run),
        ],
    ['Did not succeed', count(failed), failed > 0 ? percent(failed / Math.max(1, run.rows.total)) : 'so far none'],
    [
      'Tokens',
      short(input + output),
      `${short(input)} in, ${short(output)} out${cached > 0 ? `, ${short(cached)} from the cache` : ''}`,
    ],
  ];
}

/** @param {any} run */
function costNote(run) {
  const { spent, estimated_total: estimate, estimated_max: most } = run.cost_usd;
  if (run.budget !== null) {
    return `of a budget of ${money(run.budget.max_usd)}${run.budget.reserved_usd > 0 ? `, ${money(run.budget.reserved_usd)} reserved` : ''}`;
  }
  if (run.state === 'done') return run.coalesced?.saved_usd > 0 ? `${money(run.coalesced.saved_usd)} saved` : '';
  if (estimate !== null && spent !== null && estimate > spent) return `about ${money(estimate)} in the end`;
  return most === null ? '' : `at most about ${money(most)}`;
}

/** @param {any} pace */
function basisText(pace) {
  if (pace.basis === 'latest') return 'at the latest, when the batches expire';
  return pace.basis === 'batches' ? 'if batches take as long as before' : 'at this pace';
}

/** @param {any} run */
function waitText(run) {
  // What was asked for has all its batches, not their sum.
  const open = run.open_batches ?? null;
  if (run.blocked.length > 0) return 'blocked';
  return open === null ? '' : `${plural(open.count, 'batch', 'batches')} under way`;
}
