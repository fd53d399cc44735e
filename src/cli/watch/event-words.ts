/**
 * The events of the ledger in words, for the screen of `status --watch`. Steps on the way to others are left out, and
 * what happens again and again to single rows is one line.
 */
import { formatCount, plural } from '../../base/units.ts';
import type { EventView } from '../../tools/progress/view.ts';
import type { Span } from './line.ts';

export interface WordedEvent {
  readonly time: string;
  readonly run: string;
  readonly text: string;
  readonly style?: Span['style'];
}

interface Words {
  readonly text: string;
  readonly style?: Span['style'];
}

/** Newest first. */
export function wordEvents(events: readonly EventView[]): WordedEvent[] {
  const worded: WordedEvent[] = [];
  for (const event of merged(events)) {
    const words = wordsOf(event);
    if (words) worded.push({ time: event.time, run: event.run, ...words });
  }
  return worded.reverse();
}

/** Of rows that are answered one by one, and chunks that are sent, there are many: those that follow on each other are one. */
function merged(events: readonly EventView[]): EventView[] {
  const kept: EventView[] = [];
  for (const event of events) {
    if (SILENT.has(event.event)) continue;
    const before = kept.at(-1);
    if (before?.event === event.event && before.run === event.run && MERGED.has(event.event)) {
      const sum = (name: string): number => countOf(before, name) + countOf(event, name);
      const chunks = Math.max(1, countOf(before, 'chunks')) + 1;
      kept[kept.length - 1] = { ...event, data: { rows: sum('rows'), succeeded: sum('succeeded'), chunks } };
    } else kept.push(event);
  }
  return kept;
}

const MERGED = new Set(['rows.settled', 'chunk.submitted']);
/** Steps on the way to others. */
const SILENT = new Set(['chunk.sealed', 'chunk.submitting', 'rows.in_realtime', 'cache.warming', 'batch.proven']);

function wordsOf(event: EventView): Words | null {
  const [family] = event.event.split('.');
  const words = family === 'chunk' ? chunkWords(event) : family === 'run' ? runWords(event) : otherWords(event);
  return words ?? { text: event.event.replaceAll(/[._]/g, ' ') };
}

function chunkWords(event: EventView): Words | null {
  const chunk = `chunk ${event.chunk ?? '?'}`;
  const rows = plural(countOf(event, 'rows'), 'row');
  switch (event.event) {
    case 'chunk.submitted': {
      const count = countOf(event, 'chunks');
      if (count > 1) return { text: `${plural(count, 'chunk')} are under way with ${rows}` };
      return { text: `${chunk} is under way as ${textOf(event, 'batch')} with ${rows}` };
    }
    case 'chunk.ended':
      return { text: `${chunk}: its batch has ended`, style: 'dim' };
    case 'chunk.collected': {
      // Those that get another try are an event of their own, with the causes.
      const rest = countOf(event, 'rows') - countOf(event, 'succeeded') - againOf(event);
      const others = rest > 0 ? `, ${formatCount(rest)} did not` : '';
      const text = `${chunk} is collected: ${plural(countOf(event, 'succeeded'), 'row')} succeeded${others}`;
      return { text, style: rest > 0 ? 'red' : 'green' };
    }
    case 'chunk.uncertain':
      return { text: `${chunk} got no clear answer: whether a batch was made is looked for`, style: 'yellow' };
    case 'chunk.split':
      return { text: `${chunk} was refused and is cut into smaller ones`, style: 'yellow' };
    case 'chunk.refused':
      return { text: `${chunk} was refused: its row has failed`, style: 'red' };
    case 'chunk.lost':
      return { text: `the results of ${chunk} are gone: ${rows} failed`, style: 'red' };
    case 'chunk.canceled':
      return { text: `${chunk} is canceled`, style: 'yellow' };
    case 'chunk.hurried':
      return { text: `${chunk} would be late: its batch is stopped and the rest is called`, style: 'yellow' };
    case 'chunk.resolved':
      return { text: `${chunk} was settled by hand` };
    default:
      return null;
  }
}

function runWords(event: EventView): Words | null {
  const rows = plural(countOf(event, 'rows'), 'row');
  switch (event.event) {
    case 'run.ingesting':
      return { text: 'reading the input', style: 'dim' };
    case 'run.ready': {
      const invalid = countOf(event, 'invalid');
      return { text: `${rows} are checked and sealed${invalid > 0 ? `, ${formatCount(invalid)} are invalid` : ''}` };
    }
    case 'run.active':
      return { text: 'the run has begun' };
    case 'run.canceling':
      return { text: 'the run is being canceled', style: 'yellow' };
    case 'run.done':
      return { text: 'the run is done', style: 'green' };
    case 'run.blocked': {
      const reasons = event.data['reasons'];
      const list = Array.isArray(reasons) ? reasons.map(String).join(', ').replaceAll('_', ' ') : '';
      return { text: `blocked${list === '' ? '' : `: ${list}`}`, style: 'yellow' };
    }
    case 'run.unblocked':
      return { text: 'no longer blocked', style: 'green' };
    case 'run.deadline': {
      const late = countOf(event, 'late_rows');
      if (late === 0) return { text: 'makes its deadline after all as it looks', style: 'green' };
      return { text: `${plural(late, 'row')} will miss the deadline as it looks`, style: 'yellow' };
    }
    default:
      return null;
  }
}

function otherWords(event: EventView): Words | null {
  const rows = plural(countOf(event, 'rows'), 'row');
  switch (event.event) {
    case 'rows.settled': {
      const rest = countOf(event, 'rows') - countOf(event, 'succeeded');
      const failed = rest > 0 ? `, ${formatCount(rest)} did not succeed` : '';
      return { text: `${rows} answered one by one${failed}`, style: rest > 0 ? 'yellow' : 'green' };
    }
    case 'output.moved':
      return { text: `its file is another run's now: ${textOf(event, 'to')} is written`, style: 'yellow' };
    case 'rows.retried':
      return { text: `${rows} get another try (${causesText(event)})`, style: 'yellow' };
    case 'row.retried':
      return { text: `row ${event.row ?? '?'} gets another try (${textOf(event, 'error')})`, style: 'yellow' };
    case 'row.failed':
      return { text: `row ${event.row ?? '?'} has failed (${textOf(event, 'error')})`, style: 'red' };
    case 'rows.canceled':
      return { text: `${rows} canceled before they were sent`, style: 'yellow' };
    case 'rows.given_up':
      return { text: `${rows} given up`, style: 'red' };
    case 'rows.released':
      return { text: `${rows} are called one by one` };
    case 'batch.disproved':
      return { text: `${textOf(event, 'batch')} is not the batch of chunk ${event.chunk ?? '?'}`, style: 'yellow' };
    case 'batch.duplicate':
      return { text: `${textOf(event, 'batch')} has the same rows as another batch`, style: 'yellow' };
    case 'api.errors':
      return { text: `the API answers with errors (${textOf(event, 'cause')})`, style: 'yellow' };
    case 'api.unreachable':
      return { text: `the API does not answer (${textOf(event, 'cause')})`, style: 'yellow' };
    case 'api.answers':
      return { text: 'the API answers again', style: 'green' };
    case 'cache.warm':
      return { text: 'the shared prefix is in the prompt cache', style: 'dim' };
    case 'cache.cold':
    case 'cache.useless':
      return { text: `chunk ${event.chunk ?? '?'} goes without the prompt cache`, style: 'dim' };
    default:
      return null;
  }
}

/** `api_error 2, expired 1`. */
function causesText({ data }: EventView): string {
  const causes = data['causes'];
  if (typeof causes !== 'object' || causes === null) return 'as the API asks';
  return Object.entries(causes)
    .map(([cause, count]) => `${cause} ${formatCount(Number(count))}`)
    .join(', ');
}

/** Of the rows of a chunk, those that get another try. */
function againOf({ data }: EventView): number {
  const rest = data['rest'];
  const again = typeof rest === 'object' && rest !== null && 'retry' in rest ? rest.retry : 0;
  return typeof again === 'number' ? again : 0;
}

function countOf({ data }: EventView, name: string): number {
  const value = data[name];
  return typeof value === 'number' ? value : 0;
}

function textOf({ data }: EventView, name: string): string {
  const value = data[name];
  return typeof value === 'string' ? value : 'unknown';
}
