// @ts-check
/**
 * What a load test comes to, on its live page: where refusals begin, as soon as it is known; at the end its thresholds and
 * what it found.
 */
import { fill, h } from './dom.js';
import { short } from './format.js';

export function kneeNotice() {
  const element = h('p', { class: 'notice', hidden: true });
  return {
    element,
    /** @param {any} found */
    show(found) {
      element.hidden = found === null || found.first_refused_per_second === null;
      if (element.hidden) return;
      const clean = found.last_clean_per_second;
      const before = clean === null ? '' : ` At ${short(clean)} a second less than one in twenty was.`;
      const bound = found.bound_by === null ? '' : ` The limit on ${found.bound_by.replace('_', ' ')} is met first.`;
      fill(
        element,
        h('strong', { text: 'The knee: ' }),
        `refused from ${short(found.first_refused_per_second)} requests a second on.${before}${bound}`,
      );
    },
  };
}

export function outcomeCard() {
  const list = h('ul', { class: 'found' });
  const element = h(
    'section',
    { class: 'card', id: 'outcome', 'aria-labelledby': 'outcome-title', hidden: true },
    h('header', {}, h('h2', { id: 'outcome-title', text: 'What it found' })),
    list,
  );
  return {
    element,
    /** @param {{ findings: string[], thresholds: { failed: boolean, text: string }[] }} outcome */
    show({ findings, thresholds }) {
      const lines = [
        ...thresholds.map(({ failed, text }) => h('li', { class: failed ? 'bad' : '', text })),
        ...findings.map((text) => h('li', { text })),
      ];
      fill(list, lines.length === 0 ? [h('li', { text: 'Nothing that stands out.' })] : lines);
      element.hidden = false;
    },
  };
}
