// @ts-check
/**
 * Rows that did not succeed: by reason, then row by row, then one row with its prompt and answer. Texts of rows are other
 * people's: they are fetched when somebody asks for them, with the token, and written as text.
 */
import { get, ofRun, textOf } from './api.js';
import { fill, h, keyed, openDialog, patch } from './dom.js';
import { count, plural, stateWord } from './format.js';

/** @param {string} run */
export function failurePanel(run) {
  const list = h('ul', { class: 'reasons' });
  const rows = h('div', { id: 'failed-rows' });
  const none = h('p', { class: 'quiet', text: 'No row has failed.' });
  const open = h('input', { type: 'number', min: '0', id: 'row-no', 'aria-label': 'Number of the row' });
  const element = h(
    'section',
    { class: 'card', 'aria-labelledby': 'failures-title', id: 'failures' },
    h('header', {}, h('h2', { id: 'failures-title', text: 'Rows that did not succeed' })),
    none,
    list,
    rows,
    h(
      'form',
      { class: 'pick', onsubmit: submitted },
      h('label', { class: 'small quiet', for: 'row-no', text: 'Look at row' }),
      open,
      h('button', { class: 'small', type: 'submit', text: 'Open' }),
    ),
  );
  /** @type {string | null} */
  let shown = null;

  /** @param {Event} event */
  function submitted(event) {
    event.preventDefault();
    if (open.value !== '') void openRow(run, Number(open.value));
  }

  /** @param {any} reason */
  const toggle = async ({ reason }) => {
    shown = shown === reason ? null : reason;
    for (const button of list.querySelectorAll('button')) {
      button.setAttribute('aria-expanded', String(button.dataset['reason'] === shown));
    }
    fill(rows);
    if (shown !== null) await showRows(run, shown, rows);
  };

  return {
    element,
    /** @param {any[]} reasons */
    update(reasons) {
      none.hidden = reasons.length > 0;
      const most = Math.max(1, ...reasons.map((/** @type {any} */ reason) => reason.rows));
      // A button that somebody is at stays while its number grows.
      const named = (/** @type {any} */ { reason }) => reason;
      keyed(list, reasons, named, (reason) =>
        h(
          'li',
          {},
          reasonButton(reason, () => void toggle(reason)),
        ),
      );
      for (const [at, reason] of reasons.entries()) {
        const button = list.children[at]?.firstElementChild;
        if (button) patch(button, reasonParts(reason, reason.rows / most));
      }
    },
  };
}

/** @param {any} reason @param {() => void} onclick */
function reasonButton({ reason }, onclick) {
  return h('button', {
    type: 'button',
    class: 'reason',
    'data-step': true,
    'data-reason': reason,
    'aria-expanded': 'false',
    'aria-controls': 'failed-rows',
    onclick,
  });
}

/** @param {any} reason @param {number} share */
function reasonParts({ reason, rows, says }, share) {
  const bar = h('i', { 'data-part': reason === 'batchrun_canceled' ? 'canceled' : 'failed' });
  bar.style.width = `${Math.max(1, share * 100)}%`;
  return [
    h('code', { text: reason }),
    h('b', { text: count(rows) }),
    says === null ? null : h('span', { class: 'says quiet small', text: says }),
    h('span', { class: 'bar', 'aria-hidden': 'true' }, bar),
  ];
}

/**
 * @param {string} run
 * @param {string} reason
 * @param {HTMLElement} place
 */
async function showRows(run, reason, place) {
  const body = h('tbody');
  const more = h('button', { type: 'button', class: 'more small', text: 'More rows', hidden: true });
  const table = h(
    'table',
    {},
    h('caption', { class: 'unseen', text: `Rows that did not succeed: ${reason}` }),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ['row', 'id', 'place', 'tries', 'state'].map((name) => h('th', { scope: 'col', text: name })),
      ),
    ),
    body,
  );
  fill(place, h('div', { class: 'wide more' }, table), more);
  /** @type {string | null} */
  let next = null;
  const load = async () => {
    more.disabled = true;
    try {
      const query = new URLSearchParams({ reason, limit: '25', ...(next === null ? {} : { after: next }) });
      const page = await get(ofRun(run, `/failures?${query.toString()}`));
      body.append(...page.rows.map((/** @type {any} */ row) => failedRow(run, row)));
      next = page.next;
      more.hidden = next === null;
    } catch (error) {
      more.hidden = false;
      more.textContent = textOf(error);
    }
    more.disabled = false;
  };
  more.addEventListener('click', () => void load());
  await load();
}

/**
 * @param {string} run
 * @param {any} row
 */
function failedRow(run, row) {
  const place =
    row.line === null ? '' : `${row.file === null ? '' : `${String(row.file).split(/[\\/]/).at(-1)}:`}${row.line}`;
  // The button is for the keyboard and for screen readers; its click comes to the row as well.
  const open = h('button', {
    type: 'button',
    class: 'plain',
    'data-step': true,
    'aria-label': `Open row ${count(row.row)}`,
    text: count(row.row),
  });
  return h(
    'tr',
    { onclick: () => void openRow(run, row.row) },
    h('td', {}, open),
    h('td', {}, row.id === null ? h('span', { class: 'quiet', text: 'needs the token' }) : h('code', { text: row.id })),
    h('td', { class: 'quiet', text: place }),
    h('td', { text: String(row.attempts) }),
    h(
      'td',
      {},
      stateWord(row.state),
      row.detail === null ? null : h('span', { class: 'quiet', text: `: ${row.detail}` }),
    ),
  );
}

/**
 * @param {string} run
 * @param {number} number
 */
async function openRow(run, number) {
  const facts = h('div', {}, h('p', { class: 'quiet', text: 'Looking …' }));
  const texts = h('div', { id: 'row-texts' });
  const show = h('button', {
    type: 'button',
    class: 'main',
    text: 'Show prompt and answer',
    id: 'row-show',
    hidden: true,
  });
  const close = h('button', { type: 'button', text: 'Close', onclick: () => dialog.close() });
  const dialog = openDialog(
    { id: 'row', 'aria-labelledby': 'row-title' },
    h('h2', { id: 'row-title', text: `Row ${count(number)}` }),
    facts,
    texts,
    h('div', { class: 'buttons' }, show, close),
  );
  try {
    const row = await get(ofRun(run, `/rows/${number}`));
    fill(facts, rowFacts(row));
    show.hidden = false;
    show.addEventListener('click', () => void showTexts(run, number, texts, show));
  } catch (error) {
    fill(facts, h('p', { class: 'bad', text: textOf(error) }));
  }
}

/** @param {any} row */
function rowFacts(row) {
  /** @type {[string, unknown][]} */
  const pairs = [
    ['id', row.id],
    ['place', row.line === null ? null : `${row.file ?? ''} line ${row.line}`],
    ['state', stateWord(row.state)],
    ['reason', row.reason],
    ['', row.says],
    ['tries', plural(row.attempts, 'try', 'tries')],
    ['lane', row.lane],
    ['chunk', row.chunk],
  ];
  return h(
    'dl',
    { class: 'pairs' },
    pairs
      .filter(([, value]) => value !== null && value !== '')
      .flatMap(([name, value]) => [h('dt', { text: name }), h('dd', { text: String(value) })]),
  );
}

/**
 * @param {string} run
 * @param {number} number
 * @param {HTMLElement} place
 * @param {HTMLButtonElement} button
 */
async function showTexts(run, number, place, button) {
  button.disabled = true;
  try {
    const { request, answer, result, message } = await get(ofRun(run, `/rows/${number}/texts`));
    fill(
      place,
      message === null ? null : [h('h3', { text: 'What went wrong' }), h('pre', { text: message })],
      part('Prompt', request),
      part('Answer', answer),
      part('As the API sent it', result),
    );
    button.hidden = true;
  } catch (error) {
    fill(place, h('p', { class: 'bad', text: textOf(error) }));
    button.disabled = false;
  }
}

/**
 * @param {string} title
 * @param {any} text
 */
function part(title, text) {
  if (text === null) return null;
  const cut =
    text.cut_from === null ? '' : ` (the first ${count(text.text.length)} of ${count(text.cut_from)} characters)`;
  return [h('h3', { text: `${title}${cut}` }), h('pre', { tabindex: '0', text: text.text })];
}
