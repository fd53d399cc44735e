/**
 * Lines and steps over numbers, times or durations. The data stands in the page as JSON; chart-script.ts draws it with
 * uPlot when the page is opened. Without scripts there is a table of what the chart shows.
 */
import { BatchrunError } from '../../base/errors.ts';
import { markup, jsonText, Markup } from './markup.ts';
import { CHART_CLASS } from './page.ts';

/** How the numbers of an axis are written: `time` are milliseconds since 1970 and shown in the reader's zone. */
export type AxisKind = 'count' | 'usd' | 'duration_ms' | 'time_ms' | 'percent' | 'bytes';

export interface ChartSeries {
  readonly label: string;
  /** One for each x; null leaves a gap. */
  readonly values: readonly (number | null)[];
  /** A value holds until the next one: states and queues. */
  readonly step?: boolean;
  /** Fills the space below. */
  readonly area?: boolean;
  readonly dashed?: boolean;
  /** Its colour in style.ts, where it has a meaning: 3 is green and 5 red. Without one they go in their order. */
  readonly tone?: 1 | 2 | 3 | 4 | 5;
}

export interface LineChart {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  /** Ascending. */
  readonly x: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xKind?: AxisKind;
  readonly yKind?: AxisKind;
  /** Pixels. */
  readonly height?: number;
}

/** More points than a screen has columns show nothing more and make the file large. */
export const CHART_POINTS_MAX = 2_000;
const FALLBACK_ROWS = 12;

export function lineChart(chart: LineChart): Markup {
  const { id, title, xLabel, yLabel, xKind = 'count', yKind = 'count', height = 260 } = chart;
  if (chart.series.some(({ values }) => values.length !== chart.x.length)) {
    throw new BatchrunError('E_BUG', `this must not happen: the series of chart ${id} are not as long as its x`);
  }
  const { x, series } = thinned(chart);
  const look = series.map(({ label, step = false, area = false, dashed = false, tone }) => {
    return { label, step, area, dashed, ...(tone === undefined ? {} : { tone }) };
  });
  const data = { xLabel, yLabel, xKind, yKind, height, look, columns: [x, ...series.map(({ values }) => values)] };
  return markup`<figure>
    <figcaption id="${id}-caption">${title}</figcaption>
    <div class="${CHART_CLASS}" id="${id}" data-chart="${id}-data" role="img" aria-labelledby="${id}-caption"></div>
    <script type="application/json" id="${id}-data">
      ${new Markup(jsonText(data))}
    </script>
    <noscript>${fallback({ ...chart, x, series })}</noscript>
  </figure>`;
}

/** Every nth point, the last one always. */
function thinned({ x, series }: LineChart): Pick<LineChart, 'x' | 'series'> {
  if (x.length <= CHART_POINTS_MAX) return { x, series };
  const step = Math.ceil(x.length / CHART_POINTS_MAX);
  const keep = <T>(list: readonly T[]): T[] => list.filter((_, at) => at % step === 0 || at === list.length - 1);
  return { x: keep(x), series: series.map((one) => ({ ...one, values: keep(one.values) })) };
}

function fallback({ x, series, xLabel }: LineChart): Markup {
  const step = Math.max(1, Math.ceil(x.length / FALLBACK_ROWS));
  const rows = x.flatMap((at, index) =>
    index % step === 0 ? [[at, ...series.map((one) => one.values[index] ?? '')]] : [],
  );
  return markup`<table>
    <thead>
      <tr>
        <th>${xLabel}</th>
        ${series.map(({ label }) => markup`<th>${label}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          markup`<tr>
            ${row.map((cell) => markup`<td>${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
