/**
 * Spans of time below each other on one axis: what was under way when. The picture is for the eyes; what it shows stands
 * beside it in words.
 */
import { markup, NOTHING, type Markup } from './markup.ts';

export interface Span {
  readonly label: string;
  readonly fromMs: number;
  /** Null where it has not ended: it reaches to the end of the axis, and fades. */
  readonly toMs: number | null;
  /** What stands beside it. */
  readonly cells: readonly string[];
  /** Its colour, 1 to 5. */
  readonly tone?: number;
}

export interface SpanTable {
  readonly caption: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** What the ends of the axis are called. */
  readonly ends: readonly [string, string];
  readonly head: readonly [string, ...string[]];
  readonly spans: readonly Span[];
}

/** A short one is still to be seen. */
const WIDTH_MIN = 0.6;

export function spanTable({ caption, fromMs, toMs, ends, head, spans }: SpanTable): Markup {
  const [first, ...others] = head;
  const length = Math.max(1, toMs - fromMs);
  const place = (ms: number): number => Math.min(100, Math.max(0, ((ms - fromMs) / length) * 100));
  const rows = spans.map((span) => {
    const x = Math.min(place(span.fromMs), 100 - WIDTH_MIN);
    const width = Math.max(WIDTH_MIN, place(span.toMs ?? toMs) - x);
    const look = `tone${span.tone ?? 1}${span.toMs === null ? ' open' : ''}`;
    const drawing = markup`<svg aria-hidden="true">
      <rect class="track" width="100%" height="14" rx="2" />
      <rect class="${look}" x="${x.toFixed(2)}%" width="${width.toFixed(2)}%" height="14" rx="2" />
    </svg>`;
    const cells = span.cells.map((cell) => markup`<td class="number">${cell}</td>`);
    return markup`<tr><th scope="row">${span.label}</th><td class="bar">${drawing}</td>${cells}</tr>\n`;
  });
  return markup`<div class="wide">
    <table class="spans">
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">${first}</th>
          <th scope="col" class="axis"><span>${ends[0]}</span><span>${ends[1]}</span></th>
          ${others.map((text) => markup`<th scope="col" class="number">${text}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.length === 0 ? NOTHING : rows}
      </tbody>
    </table>
  </div>`;
}
