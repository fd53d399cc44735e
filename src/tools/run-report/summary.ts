/**
 * The report in some plain sentences, and what is to be done next: for whoever reads nothing else.
 */
import { formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import { rowsNotSucceeded } from '../../domain/fail-if.ts';
import { reasonText } from './reasons.ts';
import type { RunReport } from './gather.ts';

export type Tone = 'quiet' | 'warn' | 'bad';

export interface Sentence {
  readonly text: string;
  readonly tone?: Tone;
}

export function summaryOf(report: RunReport): Sentence[] {
  return [outcome(report), failed(report), left(report), blocked(report), deadline(report), spare(report)].filter(
    (sentence) => sentence !== null,
  );
}

function outcome({ run, view, money, nowMs }: RunReport): Sentence {
  const { succeeded } = run.rows;
  const done = run.state === 'done';
  const took = formatDuration((run.doneAtMs ?? nowMs) - run.createdAtMs);
  const cost = money.spentUsd === null ? 'a cost that is not known' : formatUsd(money.spentUsd);
  const rows =
    succeeded === run.totalRows && run.totalRows > 0
      ? `All ${plural(run.totalRows, 'row')} succeeded`
      : `${formatCount(succeeded)} of ${plural(run.totalRows, 'row')} ${done ? '' : 'have '}succeeded`;
  const text = done ? `${rows} for ${cost} in ${took}.` : `${rows} so far, for ${cost}, ${took} after the submit.`;
  return view.canceled ? { text: `The run was canceled. ${text}`, tone: 'warn' } : { text };
}

function failed({ run, view }: RunReport): Sentence | null {
  const count = rowsNotSucceeded(run.rows);
  if (count === 0) return null;
  const kinds = Object.entries(view.failures).map(([kind, rows]) => [reasonText(kind), rows] as const);
  if (run.rows.invalid > 0) kinds.push(['it could not be sent', run.rows.invalid]);
  const [top] = [...kinds].sort(([, one], [, other]) => other - one);
  const why =
    top === undefined || top[1] === 0
      ? ''
      : top[1] >= count
        ? `, ${count === 1 ? 'because' : 'each because'} ${top[0]}`
        : `, most (${formatCount(top[1])}) because ${top[0]}`;
  const states = (['failed', 'expired', 'canceled', 'invalid'] as const).filter((state) => run.rows[state] > 0);
  const how = states.map((state) => `${formatCount(run.rows[state])} ${VERBS[state][run.rows[state] === 1 ? 0 : 1]}`);
  return { text: `${how.join(', ')}${why}.`, tone: 'warn' };
}

const VERBS = {
  failed: ['failed', 'failed'],
  expired: ['expired', 'expired'],
  canceled: ['was canceled', 'were canceled'],
  invalid: ['was skipped', 'were skipped'],
} as const;

function left({ run, view }: RunReport): Sentence | null {
  const { waiting, in_batch: inBatch, retry, in_realtime: inRealtime } = run.rows;
  if (run.state === 'done') return { text: 'Nothing is waiting.' };
  const parts = [
    inBatch > 0 ? `${formatCount(inBatch)} in batches` : '',
    waiting > 0 ? `${formatCount(waiting)} waiting to be sent` : '',
    retry > 0 ? `${formatCount(retry)} waiting to be tried again` : '',
    inRealtime > 0 ? `${formatCount(inRealtime)} being called` : '',
  ].filter((part) => part !== '');
  const end = view.eta.latest_end === null ? '' : `; the batches under way end by ${shortTime(view.eta.latest_end)}`;
  return { text: parts.length === 0 ? 'Every row has come to its end.' : `Rows under way: ${parts.join(', ')}${end}.` };
}

function blocked({ view }: RunReport): Sentence | null {
  const [first] = view.blocked;
  if (!first) return null;
  const more = view.blocked.length > 1 ? ` (and ${plural(view.blocked.length - 1, 'more reason')} below)` : '';
  return { text: `The run is blocked, and a person has to act: ${first.message}${more}.`, tone: 'bad' };
}

function deadline({ run, view, nowMs }: RunReport): Sentence | null {
  // Of a canceled run nobody waits for anything.
  if (view.deadline === null || view.canceled) return null;
  const { at, missed, late_rows: late } = view.deadline;
  const atMs = Date.parse(at);
  const apart = formatDuration(Math.abs((run.doneAtMs ?? nowMs) - atMs));
  if (run.doneAtMs !== null) {
    return missed
      ? { text: `The deadline (${shortTime(at)}) was missed by ${apart}.`, tone: 'bad' }
      : { text: `The deadline (${shortTime(at)}) was kept, with ${apart} to spare.` };
  }
  if (nowMs > atMs) return { text: `The deadline (${shortTime(at)}) passed ${apart} ago.`, tone: 'bad' };
  const risk = late !== null && late > 0 ? `; ${plural(late, 'row')} will be late as it looks` : '';
  const text = `The deadline (${shortTime(at)}) is in ${apart}${risk}.`;
  return risk === '' ? { text } : { text, tone: 'warn' };
}

function spare({ money }: RunReport): Sentence | null {
  const { batches, usd, rows } = money.spare;
  if (batches.length === 0 || rows === 0) return null;
  const cost = usd === null ? 'what it costs is not known' : `about ${formatUsd(usd)}`;
  const what = `${plural(batches.length, 'second batch', 'second batches')} of chunks that had one`;
  return { text: `${what}: ${plural(rows, 'answer')} paid that nothing uses (${cost}).`, tone: 'warn' };
}

/** `2026-11-29 10:03 UTC`. */
export function shortTime(at: string | number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** To the second: `2026-11-29 10:03:07 UTC`. */
export function exactTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
