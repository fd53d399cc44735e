// @ts-check
/**
 * The buttons of the live page of a load test: how many users or arrivals, and the end of it.
 */
import { post, textOf } from './api.js';
import { h, openDialog, say, setText } from './dom.js';

/** Changes the load, and stops it. */
export function steering() {
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
