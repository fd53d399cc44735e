// @ts-check
/**
 * Lines over time, drawn with uPlot (MIT, Leon Sorokin), in the colours of the page. What a chart shows last stands above
 * it as text, and is its name for those who cannot see it.
 */
import { fill, h, setText } from './dom.js';
import { clockText } from './format.js';

/** @typedef {{ label: string, tone: number, area?: boolean, step?: boolean, right?: boolean, dash?: boolean }} Line */

/** @param {string} name */
export function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * @param {{
 *   title: string,
 *   lines: Line[],
 *   write: (value: number) => string,
 *   writeRight?: (value: number) => string,
 *   writeX?: (value: number) => string,
 *   now: (columns: (number | null)[][]) => string,
 *   max?: number,
 *   large?: boolean,
 *   sync?: string,
 * }} options
 */
export function chart(options) {
  const { title, lines, write, writeRight = write, writeX = clockText, now, max, large = false, sync } = options;
  const place = h('div', { class: large ? 'plot large' : 'plot' });
  const value = h('b');
  // With several lines each has its colour beside its name; the numbers of one line stand for it.
  const keys = h(
    'ul',
    { class: 'keys', 'aria-hidden': 'true' },
    lines.length < 2
      ? []
      : lines.map(({ label, tone, dash }) =>
          h('li', { class: dash ? `tone${tone} dash` : `tone${tone}`, text: label }),
        ),
  );
  const element = h('figure', { role: 'group' }, h('figcaption', {}, h('span', { text: title }), value), keys, place);
  /** @type {any} */
  let plot = null;
  /** @type {(number | null)[][]} */
  let columns = [];

  const draw = () => {
    plot?.destroy();
    plot = null;
    if ((columns[0]?.length ?? 0) < 2) {
      fill(place, h('p', { class: 'nothing', text: 'Nothing to draw yet' }));
      return;
    }
    fill(place);
    // @ts-ignore The library is a script of its own in the page.
    const library = globalThis.uPlot;
    plot = new library(settings(library), columns, place);
  };

  /** @param {any} library */
  const settings = (library) => ({
    width: Math.max(160, place.clientWidth),
    height: large ? 210 : 150,
    ms: 1,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 }, ...(sync ? { sync: { key: sync } } : {}) },
    scales: {
      x: { time: false },
      y: {
        range: (/** @type {any} */ _u, /** @type {number} */ _low, /** @type {number} */ high) => [
          0,
          max ?? ((high ?? 0) > 0 ? high * 1.08 : 1),
        ],
      },
      right: {
        range: (/** @type {any} */ _u, /** @type {number} */ _low, /** @type {number} */ high) => [
          0,
          (high ?? 0) > 0 ? high * 1.08 : 1,
        ],
      },
    },
    axes: [
      {
        ...axis(),
        space: 90,
        size: 20,
        values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((one) => writeX(one)),
      },
      {
        ...axis(),
        space: 36,
        size: 58,
        values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((one) => write(one)),
      },
      ...(lines.some(({ right }) => right)
        ? [
            {
              ...axis(),
              side: 1,
              scale: 'right',
              grid: { show: false },
              space: 36,
              size: 44,
              values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((one) => writeRight(one)),
            },
          ]
        : []),
    ],
    series: [{}, ...lines.map((line) => series(library, line))],
    hooks: { setCursor: [(/** @type {any} */ u) => point(u.cursor.idx)] },
  });

  /** @param {number | null | undefined} at */
  const point = (at) => {
    if (at === null || at === undefined) return setText(value, now(columns));
    const x = columns[0]?.[at];
    const parts = lines.map((line, nth) => {
      const y = columns[nth + 1]?.[at];
      const text = y === null || y === undefined ? '–' : (line.right ? writeRight : write)(y);
      return lines.length > 1 ? `${line.label} ${text}` : text;
    });
    setText(value, `${parts.join(', ')} · ${x === null || x === undefined ? '' : writeX(x)}`);
  };

  const observer = new ResizeObserver(() => {
    const width = Math.max(160, place.clientWidth);
    if (plot && width !== plot.width) plot.setSize({ width, height: large ? 210 : 150 });
  });
  observer.observe(place);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', draw);

  return {
    element,
    /**
     * Calls a line by another name.
     * @param {number} nth
     * @param {string} label
     */
    rename(nth, label) {
      const [line, key] = [lines[nth], keys.children[nth]];
      if (line) line.label = label;
      if (key) setText(key, label);
    },
    /** @param {(number | null)[][]} next The first column is the time. */
    update(next) {
      const had = (columns[0]?.length ?? 0) >= 2;
      columns = next;
      const text = now(columns);
      element.setAttribute('aria-label', `${title}: ${text}`);
      if (plot && had && (columns[0]?.length ?? 0) >= 2) plot.setData(columns);
      else draw();
      if (plot?.cursor.idx === null || plot?.cursor.idx === undefined) setText(value, text);
    },
    close() {
      observer.disconnect();
      dark.removeEventListener('change', draw);
      plot?.destroy();
    },
  };
}

function axis() {
  return {
    stroke: css('--quiet'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: css('--line'), width: 1 },
    ticks: { show: false },
    gap: 6,
  };
}

/**
 * @param {any} library
 * @param {Line} line
 */
function series(library, { label, tone, area, step, right, dash }) {
  const stroke = css(`--tone${tone}`);
  return {
    label,
    stroke,
    width: 1.75,
    points: { show: false },
    spanGaps: false,
    ...(right ? { scale: 'right' } : {}),
    ...(dash ? { dash: [5, 4] } : {}),
    ...(step ? { paths: library.paths.stepped({ align: 1 }) } : {}),
    ...(area ? { fill: `${stroke}2b` } : {}),
  };
}
