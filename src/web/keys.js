// @ts-check
/**
 * The keyboard: j and k go through lists, Enter opens, Escape goes back, ? tells all of it. Nothing is caught while
 * somebody types.
 */
import { byId, h, openDialog } from './dom.js';

const SHORTCUTS = [
  ['j', 'next in the list'],
  ['k', 'the one before'],
  ['Enter', 'open it'],
  ['Esc', 'close, or back to all runs'],
  ['← →', 'the chunk before and after, on the grid'],
  ['?', 'this list'],
];

/** Whatever can be gone through carries this attribute. */
const STEP = '[data-step]';

/** @param {() => void} back */
export function startKeys(back) {
  byId('help-open').addEventListener('click', showHelp);
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const isOpen = document.querySelector('dialog[open]') !== null;
    if (isOpen) return;
    if (event.key === 'j' || event.key === 'k') step(event.key === 'j' ? 1 : -1);
    else if (event.key === '?') showHelp();
    else if (event.key === 'Escape') back();
    else return;
    event.preventDefault();
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches('input, select, textarea');
}

/** @param {number} by */
function step(by) {
  const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(STEP)]);
  if (all.length === 0) return;
  const now = all.findIndex((element) => element === document.activeElement);
  const next = now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + by));
  all[next]?.focus();
  all[next]?.scrollIntoView({ block: 'nearest' });
}

function showHelp() {
  if (document.querySelector('dialog[open]')) return;
  const close = h('button', { type: 'button', text: 'Close', onclick: () => dialog.close() });
  const dialog = openDialog(
    { class: 'narrow', id: 'help', 'aria-labelledby': 'help-title' },
    h('h2', { id: 'help-title', text: 'Keyboard' }),
    h(
      'dl',
      { class: 'pairs' },
      SHORTCUTS.map(([key, what]) => [h('dt', {}, h('kbd', { text: key })), h('dd', { text: what })]).flat(),
    ),
    h('div', { class: 'buttons' }, close),
  );
}
