// @ts-check
/**
 * Where the rows of a run are, as a bar with a legend: the legend is its text, the bar itself is decoration.
 */
import { fill, h, keyed, setText } from './dom.js';
import { count, stateWord } from './format.js';

const PARTS = ['succeeded', 'failed', 'expired', 'canceled', 'invalid', 'in_realtime', 'in_batch', 'retry', 'waiting'];

/** @param {{ tall?: boolean }} [options] */
export function rowBar({ tall = false } = {}) {
  const element = h('div', { class: tall ? 'bar tall' : 'bar', 'aria-hidden': 'true' });
  return {
    element,
    /** @param {any} run */
    update({ rows }) {
      const parts = PARTS.filter((part) => rows[part] > 0);
      keyed(
        element,
        parts,
        (part) => part,
        (part) => h('i', { 'data-part': part }),
      );
      for (const [at, part] of parts.entries()) {
        const segment = /** @type {HTMLElement} */ (element.children[at]);
        segment.style.width = `${(rows[part] / Math.max(1, rows.total)) * 100}%`;
      }
    },
  };
}

export function rowLegend() {
  const element = h('ul', { class: 'legend' });
  return {
    element,
    /** @param {any} run */
    update({ rows }) {
      const parts = PARTS.filter((part) => rows[part] > 0);
      keyed(
        element,
        parts,
        (part) => part,
        (part) => h('li', { 'data-part': part }, h('b'), h('span', { text: stateWord(part) })),
      );
      for (const [at, part] of parts.entries()) {
        const number = element.children[at]?.firstElementChild;
        if (number) setText(number, count(rows[part]));
      }
      if (parts.length === 0) fill(element);
    },
  };
}
