/**
 * What to raise so that the rows are done sooner, and by how much it helps: the limit that binds goes up to where the next
 * one binds, and no higher than somebody may ask for.
 */
import { batchTime, realtimeTime, type RealtimeBinding } from '../../domain/estimate/lane-time.ts';
import { CUSTOM_TIER, limitsOfTier, TIERS, TODAY_TIERS, type TierName } from '../../domain/pacing/tiers.ts';
import type { LaneTimes } from './lane-view.ts';
import type { RaiseView } from './view.ts';

/** A step that saves less than a tenth of the time is not worth a word. */
const GAIN_MIN = 0.1;
/** Nor is one that saves less than a second. */
const GAIN_MIN_MS = 1_000;
/** Where nothing else binds behind it, twice as much is looked at. */
const STEP_MAX = 2;

export function raisesOf(times: LaneTimes, tier: TierName | null): RaiseView[] {
  return [raiseRealtime(times, tier), raiseBatch(times, tier)].filter((raise) => raise !== null);
}

function raiseRealtime({ realtime, realtimeLane }: LaneTimes, tier: TierName | null): RaiseView | null {
  const [first, next] = realtime.bounds;
  const rate = Math.min(next?.rowsPerMinute ?? Infinity, first.rowsPerMinute * STEP_MAX);
  const then = realtimeTime({
    ...realtimeLane,
    ...(first.share === null
      ? { concurrency: Math.ceil(realtimeLane.concurrency * (rate / first.rowsPerMinute)) }
      : {
          shares: realtimeLane.shares.map((share) =>
            share === first.share ? { ...share, perMinute: rate * share.eachRow } : share,
          ),
        }),
  });
  if (!isWorthIt(realtime.ms, then.ms)) return null;
  const from = first.share?.perMinute ?? realtimeLane.concurrency;
  const to =
    first.share === null ? realtimeLane.concurrency * (rate / first.rowsPerMinute) : rate * first.share.eachRow;
  return {
    ...{ limit: first.binding, lane: 'realtime', from, to: Math.ceil(to) },
    ...{ seconds_now: realtime.ms / 1_000, seconds_then: then.ms / 1_000 },
    how: howToRaise(first.binding, { to, tier, rateClass: first.share?.rateClass ?? '' }),
  };
}

function howToRaise(
  binding: RealtimeBinding,
  { to, tier, rateClass }: { readonly to: number; readonly tier: TierName | null; readonly rateClass: string },
): string {
  if (binding === 'concurrency') return `batchrun submit --realtime --concurrency ${Math.min(1_000, Math.ceil(to))}`;
  const field = { rpm: 'requests', itpm: 'input', otpm: 'output' } as const;
  if (binding === 'tpm') return CUSTOM_TIER.qualifies;
  const better = TODAY_TIERS.find((name) => name !== tier && limitsOfTier(name, rateClass)[field[binding]] >= to);
  if (better === undefined) return `above the ${TODAY_TIERS.at(-1) ?? ''} tier: ${CUSTOM_TIER.qualifies}`;
  return `the ${better} tier has it: ${TIERS[better].qualifies}`;
}

function raiseBatch({ batch, batchLane }: LaneTimes, tier: TierName | null): RaiseView | null {
  const chunkRows = Math.max(1, Math.ceil(batchLane.rows / Math.max(1, batchLane.chunks)));
  const [limit, from] =
    batch.binding === 'queue'
      ? (['queue', batchLane.queue] as const)
      : batch.binding === 'max_batches'
        ? (['max_batches', batchLane.batchesMax] as const)
        : [null, 0];
  if (limit === null) return null;
  const to = limit === 'queue' ? chunkRows * Math.min(batchLane.chunks, batchLane.batchesMax) : batchLane.chunks;
  const then = batchTime({ ...batchLane, ...(limit === 'queue' ? { queue: to } : { batchesMax: to }) });
  if (!isWorthIt(batch.ms.expected, then.ms.expected)) return null;
  const better = TODAY_TIERS.find((name) => name !== tier && TIERS[name].queue >= to);
  const queueHow =
    better === undefined ? CUSTOM_TIER.qualifies : `the ${better} tier has it: ${TIERS[better].qualifies}`;
  return {
    ...{ limit, lane: 'batch', from, to },
    ...{ seconds_now: batch.ms.expected / 1_000, seconds_then: then.ms.expected / 1_000 },
    how: limit === 'queue' ? queueHow : `batchrun submit --max-batches ${to}`,
  };
}

function isWorthIt(nowMs: number, thenMs: number): boolean {
  return nowMs - thenMs >= GAIN_MIN_MS && 1 - thenMs / nowMs >= GAIN_MIN;
}
