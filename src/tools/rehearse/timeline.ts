/**
 * A night in equal slices of time: what was open, what was done, what went wrong. Batches and the queue come from the
 * simulator's ledger, which knows each to the millisecond; the rest from the diary.
 */
import type { LedgerBatch } from '../sim/ledger.ts';
import type { Diary, Happening } from './diary.ts';

export interface Slice {
  readonly fromMs: number;
  readonly toMs: number;
  /** At most, within the slice. */
  readonly openBatches: number;
  readonly queuedRows: number;
  /** By the end of the slice. */
  readonly doneRows: number;
  /** Within the slice; those that did not happen are left out. */
  readonly happened: Readonly<Partial<Record<Happening, number>>>;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Widths that read well. */
const WIDTHS: readonly number[] = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 4, 6, 12, 24, 48, 168].map((count) => count * HOUR),
];

/** What is told of a slice. */
const TOLD: readonly Happening[] = [
  ...(['retried', 'not_succeeded', 'limited', 'failed_calls', 'uncertain', 'found', 'not_made', 'refetched'] as const),
  ...(['split', 'lost', 'released_rows', 'hurried', 'realtime_calls', 'paused', 'unreachable'] as const),
];

export interface TimelineOf {
  readonly startMs: number;
  readonly tookMs: number;
  readonly batches: readonly Pick<LedgerBatch, 'createdAtMs' | 'endsAtMs' | 'rowCount'>[];
  readonly diary: Pick<Diary, 'of'>;
}

/** At most so many slices, all of the same width. */
export function timelineOf({ startMs, tookMs, batches, diary }: TimelineOf, slicesMax: number): Slice[] {
  const widthMs = WIDTHS.find((width) => Math.ceil(tookMs / width) <= slicesMax) ?? tookMs / slicesMax;
  const count = Math.max(1, Math.ceil(tookMs / widthMs));
  const at = (ms: number): number => Math.min(count - 1, Math.max(0, Math.floor(ms / widthMs)));
  const happened: Partial<Record<Happening, number>>[] = Array.from({ length: count }, () => ({}));
  for (const what of TOLD) {
    for (const { atMs, count: times } of diary.of(what)) {
      const slice = happened[at(atMs)];
      if (slice) slice[what] = (slice[what] ?? 0) + times;
    }
  }
  const done = new Array<number>(count).fill(0);
  for (const what of ['succeeded', 'not_succeeded'] as const) {
    for (const { atMs, count: times } of diary.of(what)) done[at(atMs)] = (done[at(atMs)] ?? 0) + times;
  }
  const peaks = peaksOf({ startMs, widthMs, count, batches });
  let doneRows = 0;
  return happened.map((what, index) => {
    doneRows += done[index] ?? 0;
    const { open = 0, queued = 0 } = peaks[index] ?? {};
    const fromMs = index * widthMs;
    const toMs = Math.min(tookMs, fromMs + widthMs);
    return { fromMs, toMs, openBatches: open, queuedRows: queued, doneRows, happened: what };
  });
}

interface Peak {
  open: number;
  queued: number;
}

interface PeaksOf {
  readonly startMs: number;
  readonly widthMs: number;
  readonly count: number;
  readonly batches: TimelineOf['batches'];
}

/** The most that was open at once in each slice. */
function peaksOf({ startMs, widthMs, count, batches }: PeaksOf): Peak[] {
  const steps = batches
    .flatMap(({ createdAtMs, endsAtMs, rowCount }) => [
      { ms: createdAtMs - startMs, batches: 1, rows: rowCount },
      { ms: endsAtMs - startMs, batches: -1, rows: -rowCount },
    ])
    // What ends at an instant makes room for what begins there.
    .sort((one, other) => one.ms - other.ms || one.batches - other.batches);
  const peaks: Peak[] = [];
  const now = { open: 0, queued: 0 };
  let next = 0;
  for (let index = 0; index < count; index++) {
    const peak = { ...now };
    for (let step = steps[next]; step && step.ms < (index + 1) * widthMs; step = steps[++next]) {
      now.open += step.batches;
      now.queued += step.rows;
      peak.open = Math.max(peak.open, now.open);
      peak.queued = Math.max(peak.queued, now.queued);
    }
    peaks.push(peak);
  }
  return peaks;
}
