/**
 * A run in text: for `status`, and the summary at the end of a run. The JSON twin is the RunView itself.
 */
import { formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import { nextCommands } from '../../domain/fail-if.ts';
import { RESULTS_WARN_MS } from '../../domain/limits.ts';
import type { RunView } from '../../engine/views/status.ts';
import { createPaint, stateWord, table, type Paint } from '../terminal/ui.ts';
import { cacheText } from './cache-text.ts';

export interface TextOptions {
  readonly color: boolean;
  readonly nowMs: number;
}

/** `status` of one run. */
export function runText(view: RunView, options: TextOptions): string {
  const paint = createPaint(options.color);
  const blocks = [
    `${headText(view, paint)} ${paint.dim(agesText(view, options.nowMs))}${restText(view, paint)}`,
    table(rowLines(view)),
    schemaText(view),
    coalescedText(view),
    batchText(view, options),
    deadlineText(view, options),
    outageLine(view, options, paint),
    costText(view),
    cacheText(view.cache),
    wishText(view),
    fileText(view),
    ...view.blocked.map((block) => paint.yellow(`  blocked: ${block.message}\n    ${block.hint}`)),
    nextText(view),
  ];
  return blocks.filter((block) => block !== '').join('\n');
}

/** What a finished run came to. */
export function summaryText(view: RunView, options: TextOptions): string {
  const paint = createPaint(options.color);
  const end = view.done_at === null ? options.nowMs : Date.parse(view.done_at);
  const took = formatDuration(end - Date.parse(view.created_at));
  const lines = [
    `${headText(view, paint)} after ${took}${restText(view, paint)}`,
    table([...rowLines(view), ...laneLines(view)]),
    schemaText(view),
    stopText(view),
    coalescedText(view),
    costText(view),
    cacheText(view.cache),
    wishText(view),
    fileText(view),
    nextText(view),
  ];
  return lines.filter((line) => line !== '').join('\n');
}

/** Of a finished run: what to do about the rows that did not succeed. */
function nextText({ id, state, rows }: RunView): string {
  if (state !== 'done') return '';
  return nextCommands(id, rows)
    .map((line) => `  ${line}.`)
    .join('\n');
}

/** A run that somebody has to look at, in the few lines of a mail: plain ASCII but for what others have said. */
export function mailText(view: RunView): string {
  const name = view.name === null ? '' : ` "${view.name}"`;
  const lines = [
    `batchrun: ${view.id}${name} is ${view.blocked.length > 0 ? 'blocked' : view.state}.`,
    table(rowLines(view)),
  ];
  for (const block of view.blocked) lines.push(`  blocked: ${block.message}`, `    ${block.hint}`);
  if (view.blocked.length === 0) lines.push(nextText(view));
  return lines.join('\n');
}

/** What is to be done by when, and what will be late. */
function deadlineText({ deadline, state }: RunView, options: TextOptions): string {
  if (deadline === null || state === 'done') return '';
  const leftMs = Date.parse(deadline.at) - options.nowMs;
  const time = leftMs > 0 ? `in ${formatDuration(leftMs)}` : `over for ${formatDuration(-leftMs)}`;
  const late = deadline.late_rows ?? 0;
  const who = leftMs > 0 && late > 0 ? `; ${plural(late, 'row')} will be late as it looks` : '';
  return `  deadline ${deadline.at} (${time})${who}`;
}

/** The batches go on all the same; who looks in the morning sees since when nothing has moved, and whether that is fresh. */
function outageLine({ api_outage: outage }: RunView, { nowMs }: TextOptions, paint: Paint): string {
  if (outage === null) return '';
  const agoMs = nowMs - Date.parse(outage.last);
  return paint.yellow(`  ${outage.message}; last seen ${formatDuration(Math.max(0, agoMs))} ago`);
}

/** Which run, and where it is. */
function headText(view: RunView, paint: Paint): string {
  const state = stateWord(view);
  const word = state === 'done' ? (isWhole(view) ? paint.green(state) : paint.yellow(state)) : state;
  const shown = state === 'blocked' || state === 'canceled' ? paint.yellow(state) : word;
  return `${paint.bold(view.id)}${view.name === null ? '' : ` "${view.name}"`}  ${shown}`;
}

/** Since when it is done and how long it took; of one that is not done, how long ago it was submitted. */
function agesText({ created_at: created, done_at: done }: RunView, nowMs: number): string {
  const sinceMs = (iso: string): number => nowMs - Date.parse(iso);
  if (done === null) return `(submitted ${formatDuration(sinceMs(created))} ago)`;
  return `${formatDuration(sinceMs(done))} ago, after ${formatDuration(sinceMs(created) - sinceMs(done))}`;
}

/** Behind the times, or it would read as if rows had not succeeded for so long. */
function restText(view: RunView, paint: Paint): string {
  return stateWord(view) === 'done' && !isWhole(view) ? paint.yellow('; not every row succeeded') : '';
}

function isWhole({ rows }: RunView): boolean {
  return (rows['succeeded'] ?? 0) === (rows['total'] ?? 0);
}

function rowLines(view: RunView): string[][] {
  const lines = [['rows', formatCount(view.rows['total'] ?? 0)]];
  for (const [state, count] of Object.entries(view.rows)) {
    if (state === 'total' || count === 0) continue;
    lines.push([`  ${state.replaceAll('_', ' ')}`, formatCount(count), reasons(view, state)]);
  }
  return lines;
}

/** Behind the failed rows: why. */
function reasons(view: RunView, state: string): string {
  if (state !== 'failed') return '';
  const list = Object.entries(view.failures).filter(
    ([type]) => type !== 'canceled' && type !== 'expired' && type !== 'batchrun_canceled',
  );
  return list.map(([type, count]) => `${type} ${formatCount(count)}`).join(', ');
}

const KINDS_SHOWN_MAX = 5;

/** What is wrong with answers that do not follow the schema: the places, never what they say. */
function schemaText({ schema_errors: errors }: RunView): string {
  const kinds = Object.entries(errors);
  if (kinds.length === 0) return '';
  const rows = kinds.reduce((sum, [, count]) => sum + count, 0);
  const shown = kinds.slice(0, KINDS_SHOWN_MAX).map(([kind, count]) => `${kind} (${formatCount(count)})`);
  const more = kinds.length > KINDS_SHOWN_MAX ? ', …' : '';
  const verb = rows === 1 ? 'does' : 'do';
  return `  ${plural(rows, 'row')} ${verb} not follow the schema: ${shown.join(', ')}${more}`;
}

function laneLines(view: RunView): string[][] {
  // Warm-ups of the prompt cache are calls of no row.
  const lanes = Object.entries(view.lanes).filter(([, sum]) => sum.rows > 0);
  return lanes.map(([lane, sum]) => [`  answered in the ${lane} lane`, formatCount(sum.rows), formatUsd(sum.cost_usd)]);
}

function coalescedText({ coalesced }: RunView): string {
  if (!coalesced || coalesced.rows === 0) return '';
  const { deduped_rows: deduped, reused_rows: reused, waiting_rows: waiting, saved_usd: saved } = coalesced;
  const parts = [
    deduped > 0 ? `${plural(deduped, 'row')} take the answer of another row` : '',
    reused > 0 ? `${plural(reused, 'row')} that of an earlier run` : '',
  ].filter((part) => part !== '');
  const open = waiting > 0 ? `; ${formatCount(waiting)} wait for it` : '';
  return `  ${parts.join(', ')}${open}${saved > 0 ? `; ${formatUsd(saved)} saved` : ''}`;
}

function stopText(view: RunView): string {
  const list = Object.entries(view.stop_reasons);
  if (list.length === 0) return '';
  return `  of the answers: ${list.map(([reason, count]) => `${formatCount(count)} stopped by ${reason}`).join(', ')}`;
}

function costText(view: RunView): string {
  const { input_tokens: input = 0, output_tokens: output = 0 } = view.usage;
  const written = view.usage['cache_creation_input_tokens'] ?? 0;
  const read = view.usage['cache_read_input_tokens'] ?? 0;
  const cache = written + read > 0 ? `, cache ${formatCount(written)} written ${formatCount(read)} read` : '';
  const tokens = `${formatCount(input)} in, ${formatCount(output)} out${cache}`;
  const { spent, estimated_total: estimate, estimated_max: most } = view.cost_usd;
  const cost = spent === null ? 'unknown (a model without a known price)' : formatUsd(spent);
  if (view.state === 'done') return `  tokens ${tokens}\n  cost   ${cost}`;
  const parts = [
    estimate === null ? '' : `about ${formatUsd(estimate)} in the end`,
    most === null ? '' : `at most about ${formatUsd(most)}`,
  ].filter((part) => part !== '');
  return `  tokens ${tokens}\n  cost   ${cost} so far${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`;
}

/** The budget in a line, and what else is wanted of the run where it is not the usual. */
function wishText({ budget, priority, lane, pilot, state }: RunView): string {
  const lines: string[] = [];
  if (budget !== null) {
    const left = budget.left_usd === null ? 'what is left is not known' : `${formatUsd(budget.left_usd)} left`;
    const mode = budget.mode === 'expected' ? ' (as expected, may overshoot)' : '';
    const reserved = `${formatUsd(budget.reserved_usd)} reserved${mode}`;
    lines.push(`  budget ${formatUsd(budget.max_usd)}: ${formatUsd(budget.spent_usd)} spent, ${reserved}, ${left}`);
  }
  const wishes = [
    priority === 'normal' ? '' : `priority ${priority}`,
    lane === 'auto' ? '' : lane === 'batch' ? 'batches only' : 'realtime only',
    pilot === null ? '' : `pilot of ${plural(pilot.rows, 'row')} ${PILOT_TEXTS[pilot.state] ?? pilot.state}`,
  ].filter((wish) => wish !== '');
  if (wishes.length > 0 && state !== 'done') lines.push(`  ${wishes.join(', ')}`);
  return lines.join('\n');
}

const PILOT_TEXTS: Readonly<Record<string, string>> = {
  open: 'under way: the rest waits for it',
  passed: 'passed',
  refused: 'refused',
};

function fileText(view: RunView): string {
  const files = view.output === null ? [] : [['output', view.output === '-' ? 'stdout' : view.output]];
  if (view.errors !== null) files.push(['errors', view.errors]);
  return table(files);
}

/** What is waited for: the age of the oldest and youngest batch, what earlier ones took, and the latest end. */
export function batchText(view: RunView, options: Pick<TextOptions, 'nowMs'>): string {
  const sealed = (view.chunks['sealed'] ?? 0) - (view.coalesced?.waiting_chunks ?? 0);
  const uncertain = view.chunks['uncertain'] ?? 0;
  const lines: string[] = [];
  const open = view.batches.filter((batch) => batch.status !== 'ended');
  if (open.length > 0) {
    const ages = open.map((batch) => options.nowMs - Date.parse(batch.created_at));
    const oldest = formatDuration(Math.max(...ages));
    const youngest = formatDuration(Math.min(...ages));
    const age = oldest === youngest ? oldest : `${youngest} to ${oldest}`;
    const typical = view.eta.typical_batch_seconds;
    const before = typical === null ? '' : `; earlier ones took about ${formatDuration(typical * 1_000)}`;
    const end = view.eta.latest_end?.replace(/\.\d+Z$/, 'Z') ?? 'unknown';
    const latest = `${open.length === 1 ? 'it ends' : 'they end'} by ${end} at the latest`;
    lines.push(`  ${plural(open.length, 'batch', 'batches')} under way for ${age}${before}; ${latest}`);
  }
  if (sealed > 0) lines.push(`  waiting to be sent: ${plural(sealed, 'chunk')}`);
  if (uncertain > 0)
    lines.push(
      `  in doubt whether a batch was made: ${plural(uncertain, 'chunk')} (${numbersText(view.in_doubt)}); known within --reconcile-grace (10m unless told) or when a batch that may be it has ended`,
    );
  return [...lines, ...vanishingLines(view, options.nowMs)].join('\n');
}

/** Chunks by number, of many the first. */
function numbersText(chunkNos: readonly number[]): string {
  const more = chunkNos.length > NUMBERS_SHOWN_MAX ? ', …' : '';
  return `${chunkNos.slice(0, NUMBERS_SHOWN_MAX).join(', ')}${more}`;
}

const NUMBERS_SHOWN_MAX = 10;

/** Results that are paid and that the API deletes soon, the most urgent first. */
function vanishingLines(view: RunView, nowMs: number): string[] {
  const soon = view.batches
    .map((batch) => ({ batch, leftMs: Date.parse(batch.results_until) - nowMs }))
    .filter(({ leftMs }) => leftMs < RESULTS_WARN_MS)
    .sort((a, b) => a.leftMs - b.leftMs);
  const lines = soon.slice(0, BATCHES_SHOWN_MAX).map(({ batch, leftMs }) => {
    const what = `chunk ${batch.chunk} (${batch.id}, ${plural(batch.rows, 'row')})`;
    return leftMs > 0
      ? `  results of ${what} are deleted by the API in ${formatDuration(leftMs)}, on ${batch.results_until}: \`batchrun collect\` fetches them`
      : `  results of ${what} were to be deleted by the API on ${batch.results_until}: \`batchrun collect\` fetches what is still there`;
  });
  const more = soon.length - lines.length;
  return more > 0 ? [...lines, `  and those of ${plural(more, 'more batch', 'more batches')}`] : lines;
}

/** Batches named one by one up to so many; of more the ages from to are enough. */
const BATCHES_SHOWN_MAX = 10;

/** Each batch that is waited for, with its age. */
export function batchLines(view: RunView, nowMs: number): string[] {
  const open = view.batches.filter((batch) => batch.status !== 'ended');
  if (open.length > BATCHES_SHOWN_MAX) return [];
  return open.map((batch) => {
    const age = formatDuration(nowMs - Date.parse(batch.created_at));
    return `    ${batch.id}  ${plural(batch.rows, 'row')}  ${batch.status.replace('_', ' ')} for ${age}`;
  });
}
