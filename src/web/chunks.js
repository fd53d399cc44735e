// @ts-check
/**
 * The chunks of a run as a grid, each in the colour of its state, on a canvas: ten thousand of them are one element. With
 * the keyboard the arrows go from chunk to chunk, and what is chosen stands below as text; how many are in each state is
 * the legend.
 */
import { get, ofRun, textOf } from './api.js';
import { css } from './charts.js';
import { fill, h, say, setText } from './dom.js';
import { count, fromNow, plural, size, stateWord, time } from './format.js';

/** @type {Record<string, string>} */
const COLOURS = {
  sealed: '--c-waiting',
  submitting: '--c-sending',
  uncertain: '--c-doubt',
  submitted: '--c-batch',
  ended: '--c-fetch',
  collected: '--c-good',
  split: '--c-gone',
  refused: '--c-bad',
  canceled: '--c-canceled',
  lost: '--c-bad',
};

const CELL_MAX = 20;
const CELL_MIN = 4;
const HEIGHT_MAX = 320;

/** @param {string} run */
export function chunkPanel(run) {
  const canvas = h('canvas', { class: 'grid', tabindex: '0', role: 'img', id: 'grid' });
  const legend = h('ul', { class: 'legend' });
  const input = h('input', { type: 'number', min: '1', 'aria-label': 'Number of the chunk', id: 'chunk-no' });
  const detail = h('div', { class: 'detail', 'aria-live': 'polite', hidden: true });
  const total = h('span', { class: 'quiet small' });
  const element = h(
    'section',
    { class: 'card', 'aria-labelledby': 'chunks-title', id: 'chunks' },
    h('header', {}, h('h2', { id: 'chunks-title', text: 'Chunks' }), total),
    canvas,
    h(
      'div',
      { class: 'pick' },
      legend,
      h('span', { class: 'grow' }),
      h('label', { class: 'small quiet', for: 'chunk-no', text: 'Chunk' }),
      input,
    ),
    detail,
  );
  /** By number: state and rows. @type {Map<number, { state: string, rows: number, kind: string }>} */
  const chunks = new Map();
  /** @type {number[]} */
  let order = [];
  let eventId = 0;
  let columns = 1;
  let cell = CELL_MAX;
  /** @type {number | null} */
  let chosen = null;
  let isDue = false;

  const draw = () => {
    isDue = false;
    const width = element.clientWidth - parseFloat(getComputedStyle(element).paddingLeft) * 2;
    if (width <= 0) return;
    cell = cellFor(order.length, width);
    columns = Math.max(1, Math.floor(width / cell));
    const height = Math.max(1, Math.ceil(order.length / columns)) * cell;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext('2d');
    if (!pen) return;
    pen.scale(scale, scale);
    const gap = cell > 8 ? 2 : 1;
    /** @type {Map<string, string>} */
    const colours = new Map(Object.entries(COLOURS).map(([state, name]) => [state, css(name)]));
    for (const [at, no] of order.entries()) {
      pen.fillStyle = colours.get(chunks.get(no)?.state ?? 'sealed') ?? '#888';
      const [x, y] = [(at % columns) * cell, Math.floor(at / columns) * cell];
      pen.fillRect(x, y, cell - gap, cell - gap);
      if (no !== chosen) continue;
      pen.lineWidth = 2;
      pen.strokeStyle = css('--ink');
      pen.strokeRect(x + 1, y + 1, cell - gap - 2, cell - gap - 2);
    }
    tell();
  };

  const due = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(draw);
  };

  const tell = () => {
    /** @type {Map<string, number>} */
    const states = new Map();
    for (const { state } of chunks.values()) states.set(state, (states.get(state) ?? 0) + 1);
    const parts = Object.keys(COLOURS).filter((state) => states.has(state));
    fill(
      legend,
      parts.map((state) =>
        h('li', { style: { '--part': '' } }, h('b', { text: count(states.get(state) ?? 0) }), stateWord(state)),
      ),
    );
    for (const [at, state] of parts.entries()) {
      /** @type {HTMLElement} */ (legend.children[at]).style.setProperty('--part', `var(${COLOURS[state]})`);
    }
    setText(total, plural(order.length, 'chunk'));
    const text = parts.map((state) => `${count(states.get(state) ?? 0)} ${stateWord(state)}`).join(', ');
    canvas.setAttribute('aria-label', `${plural(order.length, 'chunk')}: ${text}. Arrow keys choose one.`);
    input.max = String(order.at(-1) ?? 1);
  };

  /** @param {number} no */
  const choose = async (no) => {
    if (!chunks.has(no)) return;
    chosen = no;
    input.value = String(no);
    due();
    detail.hidden = false;
    try {
      const chunk = await get(ofRun(run, `/chunks/${no}`));
      if (chosen === no) fill(detail, chunkText(chunk));
    } catch (error) {
      fill(detail, textOf(error));
    }
  };

  canvas.addEventListener('click', (event) => {
    const at = Math.floor(event.offsetY / cell) * columns + Math.min(columns - 1, Math.floor(event.offsetX / cell));
    const no = order[at];
    if (no !== undefined) void choose(no);
  });
  canvas.addEventListener('mousemove', (event) => {
    const no = order[Math.floor(event.offsetY / cell) * columns + Math.floor(event.offsetX / cell)];
    const chunk = no === undefined ? undefined : chunks.get(no);
    canvas.title = chunk ? `chunk ${no}: ${stateWord(chunk.state)}, ${plural(chunk.rows, 'row')}` : '';
  });
  canvas.addEventListener('keydown', (event) => {
    const steps = /** @type {Record<string, number>} */ ({
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
    });
    const by = steps[event.key];
    if (by === undefined || order.length === 0) return;
    event.preventDefault();
    const at = chosen === null ? -1 : order.indexOf(chosen);
    const next = at < 0 ? 0 : Math.min(order.length - 1, Math.max(0, at + by));
    void choose(order[next] ?? 1);
  });
  input.addEventListener('input', () => void choose(Number(input.value)));
  const observer = new ResizeObserver(due);
  observer.observe(element);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', due);

  return {
    element,
    async load() {
      const grid = await get(ofRun(run, '/chunks'));
      const retries = new Set(grid.retries);
      chunks.clear();
      eventId = grid.event_id;
      for (const [at, no] of grid.no.entries()) {
        chunks.set(no, {
          state: grid.states[grid.state[at]],
          rows: grid.rows[at],
          kind: retries.has(no) ? 'retry' : 'input',
        });
      }
      order = grid.no;
      due();
    },
    /** Every move of a chunk is an event: the grid follows the log. @param {any[]} events */
    follow(events) {
      let changed = false;
      for (const { id, event, chunk, data } of events) {
        const state = /^chunk\.(\w+)$/.exec(event)?.[1];
        if (id <= eventId || chunk === null || state === undefined || !(state in COLOURS)) continue;
        const known = chunks.get(chunk);
        if (!known) order.push(chunk);
        chunks.set(chunk, { state, rows: data.rows ?? known?.rows ?? 0, kind: known?.kind ?? 'retry' });
        changed = true;
        if (chunk === chosen) void choose(chunk);
      }
      if (changed) due();
    },
    close() {
      observer.disconnect();
      dark.removeEventListener('change', due);
    },
  };
}

/**
 * @param {number} chunks
 * @param {number} width
 */
function cellFor(chunks, width) {
  for (let size = CELL_MAX; size > CELL_MIN; size--) {
    const rows = Math.ceil(chunks / Math.max(1, Math.floor(width / size)));
    if (rows * size <= HEIGHT_MAX) return size;
  }
  return CELL_MIN;
}

/** @param {any} chunk */
function chunkText(chunk) {
  const { batch } = chunk;
  say(`chunk ${chunk.chunk}: ${stateWord(chunk.state)}`);
  const kind =
    chunk.kind === 'retry'
      ? 'rows that are tried again'
      : chunk.answers === 'api'
        ? null
        : 'takes the answers of others';
  /** @type {[string, any][]} */
  const pairs = [
    ['chunk', `${count(chunk.chunk)}: ${stateWord(chunk.state)}${kind === null ? '' : ` (${kind})`}`],
    ['rows', `${count(chunk.rows)} from row ${count(chunk.first_row)}, ${size(chunk.bytes)}`],
    ['models', chunk.models.join(', ')],
    ['sealed', time(chunk.sealed_at)],
    ['batch', batch === null ? null : h('code', { text: batch.id })],
    [
      'begun',
      batch === null ? null : h('span', {}, time(batch.created_at), ` (${fromNow(Date.parse(batch.created_at))})`),
    ],
    ['ended', batch === null || batch.ended_at === null ? null : time(batch.ended_at)],
    ['expires', batch === null || batch.ended_at !== null ? null : time(batch.expires_at)],
  ];
  return h(
    'dl',
    { class: 'pairs' },
    pairs
      .filter(([, value]) => value !== null && value !== '')
      .flatMap(([name, value]) => [h('dt', { text: name }), h('dd', {}, value)]),
  );
}
