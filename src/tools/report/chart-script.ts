/**
 * What draws the charts when a report is opened: plain JavaScript for browsers, a text here because it goes into the page
 * as it is. It reads the data that line-chart.ts has put beside each place, and the page's own colours.
 */

export const CHART_SCRIPT = `
/* The library above is uPlot, MIT License, Copyright (c) 2022 Leon Sorokin. */
(() => {
  'use strict';
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (value) => {
    const size = Math.abs(value);
    for (const [unit, word] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
      if (size >= unit) return String(+(value / unit).toPrecision(3)) + ' ' + word;
    }
    return String(+value.toPrecision(3));
  };
  const duration = (ms) => {
    if (ms !== 0 && Math.abs(ms) < 1e3) return +ms.toPrecision(3) + 'ms';
    const steps = [[864e5, 'd', 36e5, 'h'], [36e5, 'h', 6e4, 'm'], [6e4, 'm', 1e3, 's']];
    for (const [big, bigWord, small, smallWord] of steps) {
      if (Math.abs(ms) < big) continue;
      const rest = Math.round((Math.abs(ms) % big) / small);
      return Math.trunc(ms / big) + bigWord + (rest > 0 ? ' ' + rest + smallWord : '');
    }
    return +(ms / 1e3).toPrecision(3) + 's';
  };
  const clock = (ms) => new Date(ms).toLocaleString(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
  const write = {
    count: short,
    usd: (value) => '$' + short(value),
    duration_ms: duration,
    time_ms: clock,
    percent: (value) => +(value * 100).toPrecision(3) + ' %',
    bytes: (value) => short(value) + 'B',
  };
  // Ticks of durations at whole minutes, hours and days; latencies of one server are shorter than a second.
  const durations = [1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 15e3, 3e4, 6e4, 3e5, 9e5, 18e5, 36e5, 72e5, 144e5, 216e5, 432e5, 864e5, 1728e5, 6048e5];
  const axis = (kind, label, side) => ({
    stroke: css('--quiet'),
    grid: { stroke: css('--line'), width: 1 },
    ticks: { stroke: css('--line'), width: 1 },
    label,
    labelSize: 22,
    font: '12px system-ui, sans-serif',
    labelFont: '12px system-ui, sans-serif',
    size: side === 'y' ? 64 : 42,
    space: side === 'x' ? (kind === 'time_ms' ? 110 : 70) : 34,
    ...(kind === 'duration_ms' ? { incrs: durations } : {}),
    values: (_, splits) => splits.map((value) => (value === null ? '' : write[kind](value))),
  });
  const draw = (place, chart) => {
    const tones = [1, 2, 3, 4, 5].map((tone) => css('--tone' + tone));
    const width = Math.max(240, place.clientWidth);
    const series = chart.look.map(({ label, step, area, dashed, tone }, at) => {
      const stroke = tones[(tone === undefined ? at : tone - 1) % tones.length];
      return {
        label,
        stroke,
        width: 2,
        points: { show: chart.columns[0].length < 3 },
        ...(step ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
        ...(area ? { fill: stroke + '33' } : {}),
        ...(dashed ? { dash: [6, 4] } : {}),
        value: (_, value) => (value === null || value === undefined ? '-' : write[chart.yKind](value)),
      };
    });
    const first = { label: chart.xLabel, value: (_, value) => (value === null || value === undefined ? '-' : write[chart.xKind](value)) };
    return new uPlot(
      {
        width,
        height: chart.height,
        ms: 1,
        scales: { x: { time: false }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.05 : 1] } },
        axes: [axis(chart.xKind, chart.xLabel, 'x'), axis(chart.yKind, chart.yLabel, 'y')],
        series: [first, ...series],
      },
      chart.columns,
      place,
    );
  };
  const drawn = [];
  for (const place of document.querySelectorAll('[data-chart]')) {
    const chart = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    const entry = { place, chart, plot: draw(place, chart) };
    drawn.push(entry);
    new ResizeObserver(() => {
      const width = Math.max(240, place.clientWidth);
      if (width !== entry.plot.width) entry.plot.setSize({ width, height: chart.height });
    }).observe(place);
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const entry of drawn) {
      entry.plot.destroy();
      entry.plot = draw(entry.place, entry.chart);
    }
  });
})();
`;
