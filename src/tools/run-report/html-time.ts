/**
 * How long it took, and why: rows done over time, the batches as spans, what stood still, what went wrong on the way.
 */
import { formatCount, formatDuration, plural } from '../../base/units.ts';
import { barTable, bullets, dataTable, paragraph } from '../report/blocks.ts';
import { lineChart } from '../report/line-chart.ts';
import { NOTHING, type Filling, type Markup } from '../report/markup.ts';
import type { ReportSection } from '../report/page.ts';
import { spanTable, type Span } from '../report/span-table.ts';
import type { BatchSpan } from './batch-spans.ts';
import type { RunReport } from './gather.ts';
import { reasonText } from './reasons.ts';
import { exactTime, shortTime } from './summary.ts';

export function timeSections(report: RunReport): ReportSection[] {
  return [
    { title: 'Time', body: [bullets(stretches(report)), ...charts(report), ...spans(report), moments(report)] },
    ...troubles(report),
  ];
}

/** Where the time went. */
function stretches({ run, batches, timeline, nowMs }: RunReport): string[] {
  const said: string[] = [];
  const end = run.doneAtMs ?? nowMs;
  said.push(
    run.doneAtMs === null
      ? `Submitted ${exactTime(run.createdAtMs)}, ${formatDuration(end - run.createdAtMs)} ago.`
      : `From ${exactTime(run.createdAtMs)} to ${exactTime(end)}: ${formatDuration(end - run.createdAtMs)}.`,
  );
  if (run.readyAtMs !== null) said.push(`Reading the input took ${formatDuration(run.readyAtMs - run.createdAtMs)}.`);
  const { firstMs, lastEndMs, took, open } = batches;
  if (firstMs !== null && run.readyAtMs !== null && firstMs - run.readyAtMs >= 1_000) {
    said.push(`The first batch was made ${formatDuration(firstMs - run.readyAtMs)} after that.`);
  }
  if (took !== null) {
    const list = `half of them up to ${formatDuration(took.medianMs)}, nine of ten up to ${formatDuration(took.p90Ms)}, the longest ${formatDuration(took.longestMs)}`;
    said.push(
      batches.count - open === 1 ? `Its batch took ${formatDuration(took.longestMs)}.` : `Batches took: ${list}.`,
    );
  }
  if (open > 0) said.push(`${plural(open, 'batch', 'batches')} had not ended.`);
  if (lastEndMs !== null && run.doneAtMs !== null && open === 0 && run.doneAtMs - lastEndMs >= 1_000) {
    said.push(
      `Between the end of the last batch and the end of the run lay ${formatDuration(run.doneAtMs - lastEndMs)}.`,
    );
  }
  if (timeline.blockedMs > 0) {
    said.push(`For ${formatDuration(timeline.blockedMs)} the run was blocked, waiting for a person.`);
  }
  return said;
}

function charts({ timeline, run }: RunReport): Markup[] {
  const { points, startMs } = timeline;
  const x = [0, ...points.map(({ atMs }) => atMs - startMs)];
  const values = (of: 'succeeded' | 'others' | 'inBatches'): number[] => [0, ...points.map((point) => point[of])];
  const common = { x, xLabel: 'since the submit', xKind: 'duration_ms', yLabel: 'rows' } as const;
  const others = points.some((point) => point.others > 0);
  const some = others || points.some(({ succeeded }) => succeeded > 0);
  return [
    some
      ? lineChart({
          ...{ ...common, id: 'done', title: `Rows that had come to their end, of ${formatCount(run.totalRows)}` },
          series: [
            { label: 'succeeded', values: values('succeeded'), area: true },
            ...(others ? [{ label: 'did not succeed', values: values('others') }] : []),
          ],
        })
      : NOTHING,
    points.some(({ inBatches }) => inBatches > 0)
      ? lineChart({
          ...{ ...common, id: 'batches', title: 'Rows in batches that had not ended' },
          series: [{ label: 'in batches', values: values('inBatches'), step: true, area: true }],
        })
      : NOTHING,
  ];
}

function spans({ batches, timeline, nowMs }: RunReport): Markup[] {
  if (batches.spans.length === 0) return [];
  const fromMs = Math.min(timeline.startMs, batches.firstMs ?? timeline.startMs);
  const toMs = batches.open > 0 ? Math.max(nowMs, timeline.endMs) : Math.max(timeline.endMs, batches.lastEndMs ?? 0);
  const grouped = batches.spans.some(({ batches: count }) => count > 1);
  const caption = grouped
    ? `${plural(batches.count, 'batch', 'batches')}, from when they were made to when they ended; those made one after the other together`
    : 'Batches, from when they were made to when they ended';
  const table = spanTable({
    ...{ caption, fromMs, toMs, ends: [exactTime(fromMs), exactTime(toMs)] },
    head: [grouped ? 'batches' : 'batch', 'rows', 'not succeeded', 'took'],
    spans: batches.spans.map((span) => toSpan(span)),
  });
  if (!grouped) return [table];
  const rows = batches.slowest.map(({ id, rows: count, tookMs }) => [id, formatCount(count), formatDuration(tookMs)]);
  return [table, dataTable({ caption: 'The slowest', head: ['batch', 'rows', 'took'], rows, numbers: [1, 2] })];
}

function toSpan({ first, batches, id, rows, fromMs, toMs, failed }: BatchSpan): Span {
  const took = toMs === null ? 'not ended' : formatDuration(toMs - fromMs);
  return {
    label: batches === 1 ? `${first}  ${id ?? ''}` : `${first} to ${first + batches - 1}`,
    ...{ fromMs, toMs, tone: failed > 0 ? 2 : 1 },
    cells: [formatCount(rows), failed === 0 ? '' : formatCount(failed), took],
  };
}

function moments({ timeline, run }: RunReport): Markup {
  const { moments: list, momentsLeftOut } = timeline;
  if (list.length === 0) return NOTHING;
  const rows = list.map(({ atMs, text }): Filling[] => [
    exactTime(atMs),
    formatDuration(Math.max(0, atMs - run.createdAtMs)),
    text,
  ]);
  const caption = momentsLeftOut > 0 ? `What happened when, the first ${list.length}` : 'What happened when';
  return dataTable({ caption, head: ['time', 'since the submit', 'what'], rows });
}

function troubles({ timeline }: RunReport): ReportSection[] {
  const { retries, refetches, doubts, splits, secondBatches, hurried, cold } = timeline.troubles;
  const causes = Object.entries(retries).sort(([, one], [, other]) => other - one);
  const said = [
    doubts > 0
      ? `${times(doubts)} the API gave no clear answer whether a batch was made; nothing was sent again before that was known.`
      : '',
    refetches > 0 ? `${times(refetches)} results did not come whole and were fetched again, at no cost.` : '',
    splits > 0
      ? `${plural(splits, 'chunk')} ${splits === 1 ? 'was' : 'were'} cut in two, because the API refused ${splits === 1 ? 'it' : 'them'} whole.`
      : '',
    secondBatches > 0 ? `${plural(secondBatches, 'batch', 'batches')} turned up beside the one that was used.` : '',
    hurried > 0
      ? `${plural(hurried, 'batch', 'batches')} ${hurried === 1 ? 'was' : 'were'} stopped, so that the rows made the deadline as calls.`
      : '',
    cold > 0 ? `${times(cold)} the prompt cache could not be warmed before a batch.` : '',
    ...timeline.blocked.slice(0, 10).map(({ fromMs, toMs, reasons }) => {
      const howLong = toMs === null ? 'and still is' : `for ${formatDuration(toMs - fromMs)}`;
      return `Blocked from ${shortTime(fromMs)}, ${howLong}: ${reasons.join(', ')}.`;
    }),
  ].filter((text) => text !== '');
  if (causes.length === 0 && said.length === 0) return [];
  const bars = causes.map(([cause, rows]) => ({
    label: causeText(cause),
    value: rows,
    text: formatCount(rows),
    tone: 2,
  }));
  return [
    {
      title: 'What went wrong on the way',
      body: [
        bars.length === 0 ? NOTHING : barTable({ caption: 'Rows that were tried again, by what came before', bars }),
        bars.length === 0 ? NOTHING : paragraph('A try that failed costs nothing; only answers are paid.', 'quiet'),
        bullets(said),
      ],
    },
  ];
}

function causeText(cause: string): string {
  return cause === 'batchrun_truncated' || cause === 'batchrun_schema'
    ? `${cause} (${reasonText(cause)}: paid)`
    : cause;
}

function times(count: number): string {
  return count === 1 ? 'Once' : `${formatCount(count)} times`;
}
