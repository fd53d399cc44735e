/**
 * Reports: what comes from users is text and never markup, the policy names exactly the script and style that are there,
 * and the data of charts comes out of the page as it went in.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { barTable, bullets, dataTable, figures, paragraph } from '../../../../src/tools/report/blocks.ts';
import { CHART_POINTS_MAX, lineChart, type LineChart } from '../../../../src/tools/report/line-chart.ts';
import { escapeHtml, jsonText, markup } from '../../../../src/tools/report/markup.ts';
import { reportPage, type Report } from '../../../../src/tools/report/page.ts';

const EVIL = `<img src=x onerror="alert('1')">&</script><!--`;
const ASSETS = { chartScript: 'var uPlot = 1;', chartStyle: '.uplot { color: red }' };

function page(sections: Report['sections'], more: Partial<Report> = {}): string {
  return reportPage({ title: 'Plan', sections, assets: ASSETS, ...more });
}

const chart = (more: Partial<LineChart> = {}): LineChart => ({
  ...{ id: 'queue', title: 'Queue', x: [0, 60_000, 120_000], xLabel: 'time', yLabel: 'requests', xKind: 'duration_ms' },
  ...{ series: [{ label: 'open', values: [0, null, 5], step: true }] },
  ...more,
});

describe('markup', () => {
  it('escapes what is filled in, and leaves markup as it is', () => {
    expect(markup`<b title="${EVIL}">${EVIL}</b>`.text).toBe(`<b title="${escapeHtml(EVIL)}">${escapeHtml(EVIL)}</b>`);
    expect(markup`${markup`<i>${1}</i>`}${[markup`<b></b>`, '<', null, undefined]}`.text).toBe('<i>1</i><b></b>&lt;');
    expect(escapeHtml(EVIL)).not.toMatch(/[<>"']/);
  });

  it('writes JSON that cannot end its element and reads back the same', () => {
    const value = { text: `${EVIL}\u2028`, list: [1, null, '</SCRIPT>'] };
    expect(jsonText(value)).not.toMatch(/[<>&\u2028]/);
    expect(JSON.parse(jsonText(value))).toEqual(value);
  });
});

describe('a page', () => {
  it('lets no text of a user become markup, wherever it stands', () => {
    const body = [
      figures([{ label: EVIL, value: EVIL, note: EVIL }]),
      paragraph(EVIL, 'warn'),
      bullets([EVIL]),
      dataTable({ caption: EVIL, head: [EVIL], rows: [[EVIL, EVIL]] }),
      barTable({ caption: EVIL, bars: [{ label: EVIL, value: 1, text: EVIL }] }),
      lineChart(chart({ title: EVIL, xLabel: EVIL, series: [{ label: EVIL, values: [1, 2, 3] }] })),
    ];
    const text = page([{ title: EVIL, body }], { title: EVIL, subtitle: EVIL, footer: EVIL });
    expect(text).not.toContain('<img');
    expect(text).not.toContain('<!--');
    expect([...text.matchAll(/<\/script>/g)]).toHaveLength(2);
  });

  it('allows exactly its own script and style, and nothing from elsewhere', () => {
    const text = page([{ title: 'a', body: lineChart(chart()) }]);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(text)?.[1]?.replaceAll('&#39;', "'") ?? '';
    const inside = (tag: string): string => new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(text)?.[1] ?? '';
    for (const [rule, tag] of [
      ['script-src', 'script'],
      ['style-src', 'style'],
    ] as const) {
      const sum = createHash('sha256').update(inside(tag)).digest('base64');
      expect(policy).toContain(`${rule} 'sha256-${sum}'`);
    }
    expect(policy).toMatch(/^default-src 'none';/);
    expect(text).not.toMatch(/(?:src|href)=|url\(|@import/);
    // The policy allows no style in a tag, and no handler.
    expect(text.replace(/<script>[\s\S]*?<\/script>/g, '')).not.toMatch(/\s(?:style|on\w+)="/);
  });

  it('goes without the chart library where there is no chart', () => {
    const text = page([{ title: 'a', body: paragraph('b') }]);
    expect(text).not.toContain('uPlot');
    expect(text).not.toMatch(/<script|script-src/);
  });
});

describe('bars', () => {
  it('are as long as their values on one scale, with the band on the same one', () => {
    const text = barTable({
      bars: [
        { label: 'a', value: 5, low: 4, high: 10, text: '$5' },
        { label: 'b', value: 2.5, text: '$2.5', tone: 2, chosen: true },
        { label: 'c', value: null, text: 'unknown' },
      ],
    }).text;
    expect([...text.matchAll(/<rect class="tone(\d)" width="([\d.]+)%"/g)].map((match) => match.slice(1, 3))).toEqual([
      ['1', '50.00'],
      ['2', '25.00'],
    ]);
    expect(text).toContain('x1="40.00%" x2="100.00%"');
    expect(text).toMatch(/<tr class="chosen"><th scope="row">b/);
  });

  it.each([[[]], [[{ label: 'a', value: 0, text: '0' }]]])('divide nothing by zero: %j', (bars) => {
    expect(barTable({ bars }).text).not.toMatch(/NaN|Infinity/);
  });
});

describe('a line chart', () => {
  const dataOf = (text: string): { columns: (number | null)[][]; look: unknown[]; xKind: string } =>
    JSON.parse(/<script type="application\/json"[^>]*>(.*?)<\/script>/s.exec(text)?.[1] ?? '') as never;

  it('carries its data', () => {
    const data = dataOf(lineChart(chart()).text);
    expect(data.columns).toEqual([
      [0, 60_000, 120_000],
      [0, null, 5],
    ]);
    expect(data.look).toEqual([{ label: 'open', step: true, area: false, dashed: false }]);
    expect(data.xKind).toBe('duration_ms');
  });

  it('keeps to so many points that a screen can show, the last one among them', () => {
    const x = Array.from({ length: 50_001 }, (_, at) => at);
    const data = dataOf(lineChart(chart({ x, series: [{ label: 'same', values: x }] })).text);
    expect(data.columns[0]?.length).toBeLessThanOrEqual(CHART_POINTS_MAX + 1);
    expect(data.columns[0]?.at(-1)).toBe(50_000);
    expect(data.columns[1]).toEqual(data.columns[0]);
  });

  it('refuses series that are not as long as its x', () => {
    expect(() => lineChart(chart({ series: [{ label: 'short', values: [1] }] }))).toThrow(/not as long/);
  });
});
