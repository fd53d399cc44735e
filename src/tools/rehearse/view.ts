/**
 * A rehearsal as people and scripts see it: the shape of `--json`. Times are from the start of the night, so that the same
 * input and seed give the same bytes whenever it is rehearsed. Fields may be added, never removed; what is not known is
 * null.
 */
import type { RunView } from '../../engine/views/status.ts';
import type { Ground } from './account.ts';
import type { Night } from './night.ts';
import { timelineOf, type Slice } from './timeline.ts';

export interface NightView {
  readonly seed: string;
  /** The run comes to its end; else it stops there, and `blocked` says why. */
  readonly finishes: boolean;
  readonly ends_after_seconds: number;
  readonly blocked: readonly { readonly reason: string; readonly message: string }[];
  readonly rows: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly batches: {
    readonly made: number;
    readonly peak_open: number;
    /** Creates whose answer was lost: with a batch, and without. */
    readonly answers_lost: number;
    readonly expired: number;
  };
  readonly queue: { readonly peak: number; readonly limit: number };
  readonly retries: { readonly rows: number; readonly by_reason: Readonly<Record<string, number>> };
  readonly refused_429: number;
  /** Other calls that did not go through, by endpoint and status. */
  readonly failed_calls: Readonly<Record<string, number>>;
  readonly downloads_repeated: number;
  readonly realtime: { readonly calls: number; readonly rows: number };
  readonly cost_usd: { readonly total: number | null; readonly batch: number; readonly realtime: number };
  readonly tokens: Readonly<Record<string, number>>;
  readonly deadline: {
    readonly met: boolean;
    readonly after_seconds: number;
    /** Rows that were not done by then, as the engine last said. */
    readonly late_rows: number | null;
  } | null;
  readonly budget: RunView['budget'];
  readonly timeline: readonly SliceView[];
  readonly remarks: readonly { readonly after_seconds: number; readonly text: string }[];
}

export interface SliceView {
  readonly from_seconds: number;
  readonly to_seconds: number;
  readonly open_batches: number;
  readonly queued_rows: number;
  readonly done_rows: number;
  readonly events: Readonly<Record<string, number>>;
}

export interface RehearsalView {
  readonly rows: number;
  readonly invalid: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly input_tokens: number;
  readonly models: readonly string[];
  readonly faults: string;
  /** What the night was made of, and where each is known from. */
  readonly grounds: readonly Ground[];
  readonly notes: readonly string[];
  /** Over all seeds. */
  readonly range: {
    readonly seeds: number;
    readonly ends_after_seconds: Range;
    readonly cost_usd: Range;
    /** In how many of them the run comes to its end, and makes its deadline (null without one). */
    readonly finishes: number;
    readonly deadline_met: number | null;
  };
  /** The night in the middle of the range. */
  readonly night: NightView;
}

export interface Range {
  readonly best: number | null;
  readonly median: number | null;
  readonly worst: number | null;
}

/** Lines of the timeline in text; a chart has more. */
const TEXT_SLICES_MAX = 24;
const CHART_SLICES_MAX = 400;

export function viewNight(
  night: Night,
  parts: { readonly queueMax: number; readonly deadlineAfterMs: number | null },
): NightView {
  const { diary, ledger, run, tookMs, end } = night;
  const { deadlineAfterMs } = parts;
  const own = ledger.batches.filter((batch) => !batch.isForeign);
  const finishes = end === 'done';
  const { batch, realtime } = run.lanes;
  return {
    seed: night.seed,
    finishes,
    ends_after_seconds: seconds(tookMs),
    blocked: run.blocked.map(({ reason, message }) => ({ reason, message })),
    rows: run.rows,
    failures: run.failures,
    batches: {
      made: own.length,
      peak_open: ledger.peakBatches,
      answers_lost: diary.total('uncertain'),
      expired: own.filter((one) => one.endsAtMs - one.createdAtMs >= EXPIRES_MS).length,
    },
    queue: { peak: ledger.peakQueued, limit: parts.queueMax },
    retries: { rows: diary.total('retried'), by_reason: sorted(diary.retries) },
    refused_429: diary.total('limited'),
    failed_calls: sorted(diary.failures),
    downloads_repeated: diary.total('refetched'),
    realtime: { calls: ledger.calls.get('messages.create') ?? 0, rows: realtime?.rows ?? 0 },
    cost_usd: { total: run.cost_usd.spent, batch: batch?.cost_usd ?? 0, realtime: realtime?.cost_usd ?? 0 },
    tokens: run.usage,
    deadline:
      deadlineAfterMs === null
        ? null
        : {
            met: finishes && tookMs <= deadlineAfterMs,
            after_seconds: seconds(deadlineAfterMs),
            late_rows: diary.lateRows,
          },
    budget: run.budget,
    timeline: slicesOf(night, TEXT_SLICES_MAX).map(viewSlice),
    remarks: diary.remarks.map(({ atMs, text }) => ({ after_seconds: seconds(atMs), text })),
  };
}

/** The same night for a chart. */
export function chartSlices(night: Night): Slice[] {
  return slicesOf(night, CHART_SLICES_MAX);
}

function slicesOf({ diary, ledger, tookMs }: Night, slicesMax: number): Slice[] {
  const batches = ledger.batches.filter((batch) => !batch.isForeign);
  return timelineOf({ startMs: diary.startMs, tookMs, batches, diary }, slicesMax);
}

const EXPIRES_MS = 24 * 3_600_000;

function viewSlice({ fromMs, toMs, openBatches, queuedRows, doneRows, happened }: Slice): SliceView {
  return {
    from_seconds: seconds(fromMs),
    to_seconds: seconds(toMs),
    open_batches: openBatches,
    queued_rows: queuedRows,
    done_rows: doneRows,
    events: happened,
  };
}

/** Best, middle and worst; of an even number the better one of the two in the middle. */
export function rangeOf(values: readonly (number | null)[]): Range {
  const known = values.filter((value) => value !== null).sort((one, other) => one - other);
  const whole = known.length === values.length && known.length > 0;
  const at = (index: number): number | null => (whole ? (known[index] ?? null) : null);
  return { best: at(0), median: at(Math.floor((known.length - 1) / 2)), worst: at(known.length - 1) };
}

/** The most frequent first. */
function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1)));
}

/** To a tenth. */
function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
