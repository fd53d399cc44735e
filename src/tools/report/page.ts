/**
 * A report as one HTML file that needs nothing else: styles, scripts and data are in it, and its policy lets it load and
 * send nothing. It follows the reader's light or dark mode and fits a phone.
 *
 *     reportPage({ title, sections: [{ title, body: [figures(…), barTable(…), lineChart(…)] }], assets })
 *
 * Nothing here reads files: whoever writes the report hands in the chart library (cli/files/report-file.ts).
 */
import { createHash } from 'node:crypto';
import { CHART_SCRIPT } from './chart-script.ts';
import { markup, Markup, type Filling } from './markup.ts';
import { PAGE_STYLE } from './style.ts';

/** uPlot as it is shipped: a script that sets `uPlot`, and its style sheet. */
export interface ReportAssets {
  readonly chartScript: string;
  readonly chartStyle: string;
}

export interface ReportSection {
  readonly title: string;
  readonly body: Filling;
}

export interface Report {
  readonly title: string;
  /** A line below the title. */
  readonly subtitle?: string;
  readonly sections: readonly ReportSection[];
  /** A line at the end: of when the data is, how it was made. */
  readonly footer?: string;
  /** What it is about, for programs: a report on the same may replace it. */
  readonly about?: string;
  readonly assets: ReportAssets;
}

/** What marks the place of a chart; a page without one goes without the chart library. */
export const CHART_CLASS = 'chart-place';

/** The line of a page that says what it is about; it stands within the first kilobyte. */
export function aboutLine(about: string): string {
  return markup`<meta name="batchrun" content="${about}" />`.text;
}

export function reportPage({ title, subtitle, sections, footer, about, assets }: Report): string {
  const body = markup`<header>
      <h1>${title}</h1>
      ${subtitle === undefined ? null : markup`<p class="quiet">${subtitle}</p>`}
    </header>
    <main>${sections.map(sectionOf)}</main>
    ${footer === undefined ? null : markup`<footer class="quiet">${footer}</footer>`}`;
  const charts = body.text.includes(`class="${CHART_CLASS}"`);
  const style = charts ? `${assets.chartStyle}\n${PAGE_STYLE}` : PAGE_STYLE;
  const script = charts ? `${assets.chartScript}\n${CHART_SCRIPT}` : null;
  const page = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        ${about === undefined ? null : new Markup(aboutLine(about))}
        <meta http-equiv="Content-Security-Policy" content="${policy(style, script)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        <style>${new Markup(style)}</style>
      </head>
      <body>
        ${body}
        ${script === null ? null : markup`<script>${new Markup(script)}</script>`}
      </body>
    </html>
`;
  return page.text;
}

/** Exactly this style and this script, and no connection to anywhere. */
function policy(style: string, script: string | null): string {
  const scripts = script === null ? '' : ` script-src ${hashOf(script)};`;
  return `default-src 'none'; style-src ${hashOf(style)};${scripts} base-uri 'none'; form-action 'none'`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function sectionOf({ title, body }: ReportSection): Markup {
  return markup`<section>
    <h2>${title}</h2>
    ${body}
  </section>`;
}
