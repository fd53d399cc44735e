/**
 * What stands in the sections of a report: figures, tables, bars and paragraphs. Bars are drawn with attributes of SVG,
 * because the page's policy allows no style in a tag.
 */
import { markup, NOTHING, type Filling, type Markup } from './markup.ts';

export interface Figure {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
}

/** A few large numbers side by side. */
export function figures(list: readonly Figure[]): Markup {
  const cards = list.map(({ label, value, note }) => {
    const small = note === undefined ? NOTHING : markup`<dd class="note">${note}</dd>`;
    return markup`<div>
      <dt>${label}</dt>
      <dd>${value}</dd>
      ${small}
    </div>`;
  });
  return markup`<dl class="figures">${cards}</dl>`;
}

export function paragraph(text: Filling, tone?: 'quiet' | 'warn' | 'bad'): Markup {
  return tone === undefined ? markup`<p>${text}</p>` : markup`<p class="${tone}">${text}</p>`;
}

export function bullets(items: readonly Filling[]): Markup {
  return items.length === 0
    ? NOTHING
    : markup`<ul>
        ${items.map((item) => markup`<li>${item}</li>`)}
      </ul>`;
}

export function code(text: string): Markup {
  return markup`<pre><code>${text}</code></pre>`;
}

export interface TableOf {
  readonly caption?: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly Filling[])[];
  /** Columns whose cells are numbers, counted from 0. */
  readonly numbers?: readonly number[];
  /** The row that was chosen, counted from 0. */
  readonly chosen?: number;
}

export function dataTable({ caption, head, rows, numbers = [], chosen }: TableOf): Markup {
  const kind = (at: number): Markup => (numbers.includes(at) ? markup` class="number"` : NOTHING);
  const cells = (row: readonly Filling[]): Markup[] =>
    row.map((cell, at) => (at === 0 ? markup`<th scope="row">${cell}</th>` : markup`<td${kind(at)}>${cell}</td>`));
  return markup`<div class="wide">
    <table>
      ${captionOf(caption)}
      <thead>
        <tr>
          ${head.map((text, at) => markup`<th scope="col"${kind(at)}>${text}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map((row, at) => markup`<tr${at === chosen ? markup` class="chosen"` : NOTHING}>${cells(row)}</tr>\n`)}
      </tbody>
    </table>
  </div>`;
}

export interface Bar {
  readonly label: string;
  /** Null: not known; no bar is drawn. */
  readonly value: number | null;
  /** How the value is written. */
  readonly text: string;
  /** Ends of its error band. */
  readonly low?: number;
  readonly high?: number;
  /** Its colour, 1 to 5. */
  readonly tone?: number;
  readonly chosen?: boolean;
}

/** Bars against one another on one scale from zero; with a band a whisker from its low to its high end. */
export function barTable({ caption, bars }: { readonly caption?: string; readonly bars: readonly Bar[] }): Markup {
  const most = Math.max(...bars.map(({ value, high }) => Math.max(value ?? 0, high ?? 0)), Number.MIN_VALUE);
  const share = (value: number): string => `${((Math.max(0, value) / most) * 100).toFixed(2)}%`;
  const rows = bars.map(({ label, value, text, low, high, tone = 1, chosen }) => {
    const whisker =
      low === undefined || high === undefined
        ? NOTHING
        : markup`<line class="whisker" x1="${share(low)}" x2="${share(high)}" y1="7" y2="7" />`;
    const filled =
      value === null ? NOTHING : markup`<rect class="tone${tone}" width="${share(value)}" height="14" rx="2" />`;
    const drawing = markup`<svg aria-hidden="true">
      <rect class="track" width="100%" height="14" rx="2" />
      ${filled}${whisker}
    </svg>`;
    const mark = chosen === true ? markup` class="chosen"` : NOTHING;
    return markup`<tr${mark}><th scope="row">${label}</th><td class="bar">${drawing}</td><td class="number">${text}</td></tr>\n`;
  });
  return markup`<div class="wide">
    <table class="bars">
      ${captionOf(caption)}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function captionOf(caption: string | undefined): Markup {
  return caption === undefined
    ? NOTHING
    : markup`<caption>
        ${caption}
      </caption>`;
}
