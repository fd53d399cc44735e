// @ts-check
/**
 * What can be done with a run. Before anything is done a dialog says what it does and what it costs; what is started here
 * is a command of the same program, and what it says is shown.
 */
import { get, ofRun, post, textOf } from './api.js';
import { fill, h, keyed, openDialog, say, setText } from './dom.js';
import { count, time } from './format.js';

/** @typedef {{ title: string, button: string, danger?: boolean, says: readonly string[], extra?: Node[] }} Question */

/** @param {import('./app.js').Page} page @param {string} run */
export function actionButtons(page, run) {
  /** A click that comes to nothing says why. @param {() => Promise<void>} act */
  const click = (act) => () => {
    page.notice('action', null);
    act().catch((error) => page.notice('action', `That cannot be done now: ${textOf(error)}`));
  };
  const buttons = {
    collect: h('button', { type: 'button', id: 'do-collect', text: 'Go on', onclick: click(() => collect()) }),
    retry: h('button', { type: 'button', id: 'do-retry', text: 'Retry …', onclick: click(() => retry()) }),
    download: h('button', { type: 'button', id: 'do-download', text: 'Download …', onclick: click(() => download()) }),
    cancel: h('button', { type: 'button', id: 'do-cancel', text: 'Cancel …', onclick: click(() => cancel()) }),
  };
  const element = h('div', { class: 'buttons' }, buttons.collect, buttons.retry, buttons.download, buttons.cancel);

  const cancel = async () => {
    const { possible } = await get(ofRun(run));
    await question(possible.cancel, { title: 'Cancel this run?', button: 'Cancel the run', danger: true }, () =>
      post(ofRun(run, '/cancel')),
    );
  };

  const collect = async () => {
    const { possible } = await get(ofRun(run));
    await question(possible.collect, { title: 'Go on with this run?', button: 'Start batchrun collect' }, () =>
      post(ofRun(run, '/collect')),
    );
  };

  const retry = async () => {
    const { possible } = await get(ofRun(run));
    const states = Object.entries(possible.retry.rows).filter(([, rows]) => Number(rows) > 0);
    const boxes = states.map(([state, rows]) => ({
      state,
      box: h('input', { type: 'checkbox', checked: true, id: `retry-${state}` }),
      rows,
    }));
    const drive = h('input', { type: 'checkbox', checked: true, id: 'retry-drive' });
    const extra = [
      ...boxes.map(({ state, box, rows }) => h('label', {}, box, `${state} (${count(Number(rows))})`)),
      h('label', {}, drive, 'and bring the run to its end here'),
    ];
    await question(possible.retry, { title: 'Send rows again?', button: 'Send them again', extra }, () =>
      post(ofRun(run, '/retry'), {
        states: boxes.filter(({ box }) => box.checked).map(({ state }) => state),
        drive: drive.checked,
      }),
    );
  };

  const download = async () => {
    const { saving, run: view } = await get(ofRun(run));
    const format = h(
      'select',
      { id: 'save-format', 'aria-label': 'Format' },
      ['jsonl', 'flat', 'csv'].map((name) => h('option', { value: name, text: name, selected: name === view.format })),
    );
    const note = h('p', { class: 'bad', role: 'alert' });
    /** @param {string} what @param {string | null} as */
    const save = async (what, as) => {
      try {
        const { path } = await post(ofRun(run, '/downloads'), { what, ...(as === null ? {} : { format: as }) });
        const link = h('a', { href: path, download: '' });
        document.body.append(link);
        link.click();
        link.remove();
        dialog.close();
      } catch (error) {
        setText(note, textOf(error));
      }
    };
    const dialog = openDialog(
      { class: 'narrow', id: 'save', 'aria-labelledby': 'save-title' },
      h('h2', { id: 'save-title', text: 'Save to a file' }),
      h(
        'dl',
        { class: 'pairs' },
        h('dt', { text: 'Output' }),
        h(
          'dd',
          {},
          saving.output === null
            ? h('span', { class: 'quiet', text: 'not written yet' })
            : h('button', {
                type: 'button',
                id: 'save-output',
                text: saving.output,
                onclick: () => void save('output', null),
              }),
        ),
        h('dt', { text: 'Results so far' }),
        h(
          'dd',
          { class: 'row' },
          format,
          h('button', {
            type: 'button',
            id: 'save-results',
            text: 'Save',
            onclick: () => void save('results', format.value),
          }),
        ),
        h('dt', { text: 'Failed rows' }),
        h(
          'dd',
          {},
          h('button', {
            type: 'button',
            id: 'save-errors',
            text: 'Save, to be submitted again',
            onclick: () => void save('errors', null),
          }),
        ),
      ),
      note,
      h('div', { class: 'buttons' }, h('button', { type: 'button', text: 'Close', onclick: () => dialog.close() })),
    );
  };

  /** Where the token is missing nothing can be done, and the page says how to get it. */
  const guarded = () => {
    for (const button of Object.values(buttons)) {
      button.disabled = !page.state.session.authorized;
      button.title = button.disabled ? 'needs the token: open the address that `batchrun serve` printed' : '';
    }
  };

  return {
    element,
    /** @param {any} view */
    update(view) {
      guarded();
      const isDone = view.state === 'done';
      const { failed, expired, canceled } = view.rows;
      buttons.cancel.hidden = isDone || view.state === 'canceling';
      buttons.collect.hidden = isDone || page.state.driver !== null || taskRuns(page, run);
      buttons.retry.hidden = !isDone || failed + expired + canceled === 0;
      buttons.collect.className = buttons.collect.hidden ? '' : 'main';
    },
  };
}

/** @param {import('./app.js').Page} page @param {string} run */
function taskRuns(page, run) {
  return page.state.tasks.some((/** @type {any} */ task) => task.run === run && task.exit === null);
}

/**
 * @param {{ possible: boolean, says: readonly string[] }} action
 * @param {{ title: string, button: string, danger?: boolean, extra?: Node[] }} words
 * @param {() => Promise<any>} act
 */
function question(action, { title, button, danger = false, extra = [] }, act) {
  const note = h('p', { class: 'bad', role: 'alert' });
  const go = h('button', {
    type: 'button',
    class: danger ? 'danger' : 'main',
    text: button,
    id: 'confirm',
    hidden: !action.possible,
  });
  const dialog = openDialog(
    { class: 'narrow', id: 'question', 'aria-labelledby': 'question-title' },
    h('h2', { id: 'question-title', text: title }),
    h(
      'ul',
      {},
      action.says.map((sentence) => h('li', { text: sentence })),
    ),
    action.possible ? extra : null,
    note,
    h(
      'div',
      { class: 'buttons' },
      h('button', { type: 'button', text: danger ? 'Leave it as it is' : 'Close', onclick: () => dialog.close() }),
      go,
    ),
  );
  go.addEventListener('click', () => {
    go.disabled = true;
    act().then(
      () => {
        say(`${button}: begun`);
        dialog.close();
      },
      (error) => {
        setText(note, textOf(error));
        go.disabled = false;
      },
    );
  });
  return Promise.resolve();
}

/** Commands that were started from a page, with what they said last. */
export function taskPanel() {
  const list = h('div');
  const element = h(
    'section',
    { class: 'card', id: 'tasks', 'aria-label': 'Commands started here', hidden: true },
    list,
  );
  return {
    element,
    /** @param {any[]} tasks */
    update(tasks) {
      const shown = [...tasks].reverse().slice(0, 3);
      element.hidden = shown.length === 0;
      keyed(
        list,
        shown,
        (task) => String(task.id),
        (task) =>
          h(
            'div',
            { class: 'task' },
            h('header', { class: 'row' }),
            h('pre', { tabindex: '0', 'aria-label': `What ${task.command} says` }),
          ),
      );
      for (const [at, task] of shown.entries()) {
        const [head, lines] = /** @type {HTMLElement[]} */ ([...(list.children[at]?.children ?? [])]);
        if (!head || !lines) continue;
        const end = task.exit === null ? 'running' : `${task.outcome} (${task.exit})`;
        if (head.dataset['end'] !== end) {
          head.dataset['end'] = end;
          fill(
            head,
            h('code', { text: task.command }),
            h('span', {
              class: 'chip',
              'data-tone': task.exit === null ? 'busy' : task.exit === 0 ? 'good' : 'warn',
              text: end,
            }),
            h('span', { class: 'quiet small' }, time(task.started_at)),
            task.exit === null
              ? h('button', {
                  type: 'button',
                  class: 'small',
                  text: 'Stop',
                  title: 'as Ctrl-C would; the state is kept',
                  onclick: () => void post(`/api/tasks/${task.id}/stop`).catch(() => undefined),
                })
              : null,
          );
        }
        const text = task.lines.join('\n');
        lines.hidden = text === '';
        if (lines.textContent !== text) {
          lines.textContent = text;
          lines.scrollTop = lines.scrollHeight;
        }
      }
    },
  };
}
