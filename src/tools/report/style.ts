/**
 * The one style sheet of all reports. Colours are variables, so that dark mode changes nothing else, and the chart script
 * reads the same ones. Wide tables scroll in their own box: the page itself never does sideways.
 */

export const PAGE_STYLE = `
:root { color-scheme: light dark; --ground: #fff; --card: #f6f7f9; --ink: #1c2128; --quiet: #5d6672; --line: #d9dde3;
  --tone1: #3b6fd4; --tone2: #c8792b; --tone3: #3a8f62; --tone4: #9554b8; --tone5: #b8444f; --warn: #9a5b00; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171c; --card: #1d2229; --ink: #e4e7ec; --quiet: #9aa4b1;
  --line: #343b45; --tone1: #7aa5f5; --tone2: #e2a05c; --tone3: #6fc398; --tone4: #c594e0; --tone5: #e78089;
  --warn: #e8b25a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 3rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 48rem; overflow-wrap: anywhere; }
section { margin-top: 2rem; }
.quiet, footer { color: var(--quiet); }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .75rem; font-size: .85rem; }
.warn { color: var(--warn); } .bad { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; margin: 0 0 1rem; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.figures dd.note { font-size: .8rem; color: var(--quiet); }
.wide { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: 0 0 .4rem; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } thead th { color: var(--quiet); font-weight: 500; font-size: .85rem; }
td.number, th.number { text-align: right; white-space: nowrap; }
tr.chosen td, tr.chosen th { font-weight: 650; }
td.bar { width: 45%; min-width: 8rem; vertical-align: middle; }
td.bar svg { display: block; width: 100%; height: 14px; overflow: visible; }
.track { fill: var(--card); } .whisker { stroke: var(--ink); stroke-width: 1.5; opacity: .65; }
.tone1 { fill: var(--tone1); } .tone2 { fill: var(--tone2); } .tone3 { fill: var(--tone3); }
.tone4 { fill: var(--tone4); } .tone5 { fill: var(--tone5); }
figure { margin: 0 0 1.25rem; } figcaption { color: var(--quiet); font-size: .9rem; margin-bottom: .4rem; }
.chart-place { min-height: 260px; }
.chart-place .u-legend { color: var(--ink); font-size: .85rem; width: auto; }
.chart-place .u-legend th, .chart-place .u-legend td { border: 0; padding: 0 .3rem; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; overflow-x: auto; }
table.bars > tbody > tr > th { width: 32%; overflow-wrap: anywhere; } .bars th, .spans th { font-weight: 500; }
.open { opacity: .55; } .spans .axis { font-weight: 400; white-space: nowrap; } .axis span + span { float: right; }
.lead { font-size: 1.1rem; } .said { white-space: pre-wrap; overflow-wrap: anywhere; } td .said { min-width: 14rem; }
.example { border-left: 3px solid var(--line); margin: 0 0 1rem; padding: 0 0 0 .8rem; } .example pre { white-space: pre-wrap; }
.example h4 { margin: 0; font-size: .9rem; overflow-wrap: anywhere; } .example p { margin: .4rem 0 .2rem; }
ul { margin: .25rem 0 .75rem; padding-left: 1.25rem; }
@media print { :root { --ground: #fff; --card: #f6f7f9; --ink: #000; --quiet: #444; --line: #bbb; } h2, h3, caption { break-after: avoid; }
  body { max-width: none; } tr, figure, .figures div, .example { break-inside: avoid; } .wide { overflow: visible; }
  .uplot, .uplot .u-wrap { max-width: 100%; }
  pre { white-space: pre-wrap; } body { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
@media (max-width: 34rem) { body { padding: 1rem .75rem 2rem; font-size: 14px; } td.bar { width: 30%; min-width: 4.5rem; } .spans .axis span + span { display: none; }
  th, td { padding-right: .6rem; } }
`;
