/**
 * The report on a run as one page: in short, what to do next, what became of the rows, what it cost, how long it took,
 * how it was set up. The order is that in which people ask.
 */
import { formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import { rowsNotSucceeded } from '../../domain/fail-if.ts';
import { ROW_STATES, type RowState, type RunRecord } from '../../domain/model.ts';
import { barTable, code, figures, paragraph, type Bar, type Figure } from '../report/blocks.ts';
import { markup, type Markup } from '../report/markup.ts';
import type { Report, ReportSection } from '../report/page.ts';
import type { RunReport } from './gather.ts';
import { aboutSection, settingsSection, shortName } from './html-about.ts';
import { failureSections } from './html-failures.ts';
import { costSection } from './html-money.ts';
import { timeSections } from './html-time.ts';
import { nextSteps } from './next.ts';
import { shortTime, summaryOf } from './summary.ts';
import { withCode } from './texts.ts';

/** How a command of batchrun is typed where this state is, with its `--state`. */
export type CommandText = (words: readonly string[]) => string;

export function runReportPage(report: RunReport, command: CommandText): Omit<Report, 'assets'> {
  const { run, view, nowMs, texts } = report;
  const what = run.name ?? run.id;
  return {
    about: aboutRun(run),
    title: `Run ${what}: ${stateText(report)}`,
    subtitle: `${plural(run.totalRows, 'row')} of ${run.inputs.map(shortName).join(', ')}; ${view.models.join(', ')}; submitted ${shortTime(run.createdAtMs)}`,
    sections: [
      { title: 'In short', body: inShort(report) },
      { title: 'What to do next', body: next(report, command) },
      { title: 'What became of the rows', body: outcomes(report) },
      ...failureSections(report),
      costSection(report),
      ...timeSections(report),
      aboutSection(report),
      settingsSection(report),
    ] satisfies ReportSection[],
    footer: `Made by batchrun report run on ${shortTime(nowMs)}, from the ledger of the run. ${
      texts ? 'It holds prompts and answers of some rows: mind who gets it.' : 'Prompts and answers are not in it.'
    }`,
  };
}

/** How a file says that it is a report on this run. */
export function aboutRun({ id }: Pick<RunRecord, 'id'>): string {
  return `report of ${id}`;
}

function stateText({ run, view }: RunReport): string {
  if (view.blocked.length > 0) return 'blocked';
  if (view.canceled) return run.state === 'done' ? 'canceled' : 'being canceled';
  if (run.state !== 'done') return 'under way';
  return rowsNotSucceeded(run.rows) === 0 ? 'done' : 'done, not every row succeeded';
}

function inShort(report: RunReport): Markup[] {
  const [first, ...others] = summaryOf(report);
  const lead = first === undefined ? [] : [markup`<p class="lead ${first.tone ?? ''}">${first.text}</p>`];
  return [...lead, ...others.map(({ text, tone }) => paragraph(text, tone)), figures(figuresOf(report))];
}

function figuresOf({ run, view, money, batches, nowMs }: RunReport): Figure[] {
  const { succeeded } = run.rows;
  const bad = rowsNotSucceeded(run.rows);
  const perRow = money.usdPerRow === null ? '' : `${formatUsd(money.usdPerRow)} a row that succeeded`;
  const saved = money.batchSavedUsd ?? 0;
  const list: Figure[] = [
    {
      label: 'Succeeded',
      value: formatCount(succeeded),
      note: `${percentText(shareOf(succeeded, run))} of ${plural(run.totalRows, 'row')}`,
    },
    { label: 'Did not succeed', value: formatCount(bad), note: `${percentText(shareOf(bad, run))} of them` },
    { label: 'Cost', value: money.spentUsd === null ? 'unknown' : formatUsd(money.spentUsd), note: perRow },
    {
      label: run.doneAtMs === null ? 'Since the submit' : 'Took',
      value: formatDuration((run.doneAtMs ?? nowMs) - run.createdAtMs),
      ...(run.doneAtMs === null ? {} : { note: `done ${shortTime(run.doneAtMs)}` }),
    },
  ];
  if (batches.count > 0) {
    const typical = batches.took === null ? '' : `half of them took up to ${formatDuration(batches.took.medianMs)}`;
    list.push({ label: 'Batches', value: formatCount(batches.count), note: typical });
  }
  if (saved > 0) list.push({ label: 'Saved by batches', value: formatUsd(saved), note: 'against calls at full price' });
  if ((view.coalesced?.rows ?? 0) > 0) {
    const note = `${plural(view.coalesced?.rows ?? 0, 'row')} took the answers of others`;
    list.push({ label: 'Saved by not asking twice', value: formatUsd(money.coalescedUsd ?? 0), note });
  }
  if (run.doneAtMs === null && money.expectedUsd !== null) {
    list.push({ label: 'In the end about', value: formatUsd(money.expectedUsd), note: 'as the answers so far cost' });
  }
  return list;
}

function shareOf(rows: number, { totalRows }: RunRecord): number {
  return totalRows === 0 ? 0 : (rows / totalRows) * 100;
}

/** 99.9951 % is not all of them. */
export function percentText(percent: number): string {
  if (percent === 0 || percent === 100) return `${percent} %`;
  const text = percent.toFixed(percent > 99 || percent < 1 ? 2 : 1);
  if (Number(text) === 100) return '> 99.99 %';
  return Number(text) === 0 ? '< 0.01 %' : `${text} %`;
}

function next(report: RunReport, command: CommandText): Markup[] {
  return nextSteps(report).flatMap(({ text, command: words }) => {
    return words === null ? [paragraph(withCode(text))] : [paragraph(withCode(text)), code(command(words))];
  });
}

const STATES: Readonly<Record<RowState, readonly [string, number]>> = {
  succeeded: ['succeeded', 3],
  failed: ['failed', 5],
  expired: ['expired', 2],
  canceled: ['canceled', 4],
  invalid: ['skipped: could not be sent', 5],
  waiting: ['wait to be sent', 1],
  in_batch: ['in batches', 1],
  retry: ['wait to be tried again', 2],
  in_realtime: ['being called', 1],
};

function outcomes({ run, view }: RunReport): Markup[] {
  const order: RowState[] = ['succeeded', ...ROW_STATES.filter((state) => state !== 'succeeded')];
  const bars = order.flatMap((state): Bar[] => {
    const rows = run.rows[state];
    if (rows === 0) return [];
    const [label, tone] = STATES[state];
    return [{ label, tone, value: rows, text: `${formatCount(rows)} (${percentText(shareOf(rows, run))})` }];
  });
  const lanes = Object.entries(view.lanes).filter(([, { rows }]) => rows > 0);
  const answered = lanes.map(([lane, { rows }]) => ({
    ...{ label: lane === 'batch' ? 'in batches' : 'by calls of their own', value: rows, text: formatCount(rows) },
    tone: lane === 'batch' ? 1 : 2,
  }));
  const { coalesced } = view;
  if (coalesced && coalesced.rows > 0) {
    const text = formatCount(coalesced.rows);
    answered.push({ label: 'by the answers of other rows or runs', value: coalesced.rows, text, tone: 3 });
  }
  return [
    barTable({ caption: `Outcomes of ${plural(run.totalRows, 'row')}`, bars }),
    ...(answered.length > 1 ? [barTable({ caption: 'How answers came', bars: answered })] : []),
  ];
}
