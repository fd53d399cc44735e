/**
 * What happened to a run before anybody looked, from the events of the ledger: so that a page that is opened late shows
 * how it came so far. Rows are what the events say. Tokens and cost the ledger keeps as sums: they are shared out by the
 * rows that were answered, and the samples say that they are rebuilt.
 */
import type { EventRecord } from '../../domain/store-steps.ts';
import type { Store } from '../../domain/store.ts';
import type { RunView } from '../../engine/views/status.ts';
import type { Sample } from './view.ts';

/** Of a run with more events, the newest are looked at. */
const EVENTS_MAX = 40_000;
const PAGE_EVENTS = 2_000;
/** Samples that are given back at most. */
const STEPS_MAX = 300;
/** More events than this in a minute are not looked through for each of them. */
const REFUSALS_LOOKED_AT = 200;

interface Step {
  readonly atMs: number;
  readonly finished: number;
  readonly failed: number;
  readonly answered: number;
  readonly refused: number;
}

/** Samples from the beginning until now, oldest first; none where nothing has come to its end. */
export async function rebuildPast(ledger: Pick<Store, 'events'>, view: RunView): Promise<Sample[]> {
  const [newest] = await ledger.events(view.id, { limit: 1, newest: true });
  if (!newest) return [];
  const steps: Step[] = [];
  let afterId = await firstOf(ledger, view.id);
  for (;;) {
    const events = await ledger.events(view.id, { afterId, limit: PAGE_EVENTS });
    for (const event of events) {
      const step = stepOf(event);
      if (step) steps.push(step);
    }
    const last = events.at(-1);
    if (!last || last.id >= newest.id) break;
    afterId = last.id;
  }
  return toSamples(steps, view);
}

/** The event after which to read: 0 unless there are too many. */
async function firstOf(ledger: Pick<Store, 'events'>, runId: string): Promise<number> {
  // Ids are those of all runs: that so many lie between tells that there may be too many, not that there are.
  const [oldest] = await ledger.events(runId, { limit: 1 });
  const [newest] = await ledger.events(runId, { limit: 1, newest: true });
  if (!oldest || !newest || newest.id - oldest.id < EVENTS_MAX) return 0;
  return newest.id - EVENTS_MAX;
}

const NOTHING = { finished: 0, failed: 0, answered: 0, refused: 0 };

/** What one event says of rows that came to their end. */
function stepOf({ kind, atMs, data }: EventRecord): Step | null {
  const rows = numberOf(data['rows']);
  switch (kind) {
    case 'chunk.collected': {
      const rest = countsOf(data['rest']);
      const again = rest['retry'] ?? 0;
      const failed = (rest['failed'] ?? 0) + (rest['expired'] ?? 0) + (rest['canceled'] ?? 0);
      const finished = rows - again;
      return { atMs, ...NOTHING, finished, failed, answered: finished - failed };
    }
    case 'rows.settled': {
      const succeeded = numberOf(data['succeeded']);
      return { atMs, ...NOTHING, finished: rows, failed: rows - succeeded, answered: succeeded };
    }
    // It stands before the `rows.settled` that counts it among its rows.
    case 'row.retried':
      return { atMs, ...NOTHING, finished: -1, failed: -1, refused: data['error'] === 'rate_limit_error' ? 1 : 0 };
    case 'rows.retried':
      return { atMs, ...NOTHING, refused: countsOf(data['causes'])['rate_limit_error'] ?? 0 };
    case 'chunk.lost':
    case 'chunk.canceled':
    case 'chunk.refused':
    case 'rows.canceled':
    case 'rows.given_up':
      return { atMs, ...NOTHING, finished: rows, failed: rows };
    case 'run.active': {
      const again = numberOf(data['retry']);
      return { atMs, ...NOTHING, finished: -again, failed: -again };
    }
    case 'run.ready':
      return { atMs, ...NOTHING };
    default:
      return null;
  }
}

/** Sums over time, shifted so that they end where the run is now: what was not read is before the first of them. */
function toSamples(steps: readonly Step[], view: RunView): Sample[] {
  const now = totalsOf(view);
  const total = steps.reduce(
    (sum, step) => ({
      finished: sum.finished + step.finished,
      failed: sum.failed + step.failed,
      answered: sum.answered + step.answered,
    }),
    { finished: 0, failed: 0, answered: 0 },
  );
  if (steps.length === 0) return [];
  const sum = { finished: now.finished - total.finished, failed: now.failed - total.failed, answered: 0 };
  const unseen = Math.max(0, now.finished - now.failed - total.answered);
  const share = (): number => (total.answered + unseen === 0 ? 0 : (sum.answered + unseen) / (total.answered + unseen));
  const samples = steps.map((step, at): Sample => {
    sum.finished += step.finished;
    sum.failed += step.failed;
    sum.answered += step.answered;
    return {
      atMs: step.atMs,
      finished: Math.max(0, sum.finished),
      failed: Math.max(0, sum.failed),
      inputTokens: Math.round(now.inputTokens * share()),
      outputTokens: Math.round(now.outputTokens * share()),
      costUsd: now.costUsd * share(),
      refused: refusedBefore(steps, at),
      limitShare: null,
      rebuilt: true,
    };
  });
  return thinned(samples);
}

/** Refusals in the minute until this step. */
function refusedBefore(steps: readonly Step[], at: number): number {
  const sinceMs = (steps[at]?.atMs ?? 0) - 60_000;
  let refused = 0;
  for (let back = at; back >= 0; back--) {
    const step = steps[back];
    if (!step || step.atMs < sinceMs || at - back > REFUSALS_LOOKED_AT) break;
    refused += step.refused;
  }
  return refused;
}

/** Of those that are near each other the last one, with the most refusals of all. */
function thinned(samples: readonly Sample[]): Sample[] {
  const first = samples[0]?.atMs ?? 0;
  const last = samples.at(-1)?.atMs ?? 0;
  const widthMs = Math.max(1, (last - first) / STEPS_MAX);
  const kept: Sample[] = [];
  let slot = -1;
  for (const sample of samples) {
    const own = Math.floor((sample.atMs - first) / widthMs);
    const before = kept.at(-1);
    // Where it began is a point of its own.
    if (before && own <= slot && (kept.length > 1 || before.atMs === sample.atMs))
      kept[kept.length - 1] = { ...sample, refused: Math.max(before.refused, sample.refused) };
    else kept.push(sample);
    slot = Math.max(slot, own);
  }
  return kept;
}

export function totalsOf(
  view: RunView,
): Pick<Sample, 'finished' | 'failed' | 'inputTokens' | 'outputTokens' | 'costUsd'> {
  const rows = (state: string): number => view.rows[state] ?? 0;
  const failed = rows('failed') + rows('expired') + rows('canceled') + rows('invalid');
  const { usage, lanes } = view;
  return {
    finished: rows('succeeded') + failed,
    failed,
    inputTokens:
      (usage['input_tokens'] ?? 0) +
      (usage['cache_creation_input_tokens'] ?? 0) +
      (usage['cache_read_input_tokens'] ?? 0),
    outputTokens: usage['output_tokens'] ?? 0,
    costUsd: Object.values(lanes).reduce((sum, lane) => sum + lane.cost_usd, 0),
  };
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function countsOf(value: unknown): Readonly<Record<string, number>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, number>) : {};
}
