/**
 * Lanes that routes have chosen (`--routes`), as the ledger keeps them: in the mix of a chunk, whose rows all have the same
 * one. So a run of before needs no change, and what adds mixes up knows of a whole run how much goes where.
 */
import type { Lane, LaneMode, MediaSums, ModelMix, ModelPart, PartSums } from './model.ts';

/** The mix of a chunk whose rows shall keep to this lane. */
export function mixInLane(mix: ModelMix, lane: Lane | null): ModelMix {
  if (lane === null) return mix;
  const parts = Object.entries(mix).map(([model, part]): [string, ModelPart] => [
    model,
    { ...part, lanes: { [lane]: { ...part } } },
  ]);
  return Object.fromEntries(parts);
}

/** The lane of all rows of a chunk; null where no route has chosen one. */
export function laneOfMix(mix: ModelMix): Lane | null {
  for (const model in mix) {
    const { lanes } = mix[model] ?? {};
    if (lanes?.realtime) return 'realtime';
    return lanes?.batch ? 'batch' : null;
  }
  return null;
}

/** Are there rows that a route sends to the realtime lane? */
export function hasRealtime(mix: ModelMix): boolean {
  return Object.values(mix).some(({ lanes }) => lanes?.realtime !== undefined);
}

/** What of a mix is paid at the price of which lane; `mode`: where the whole run is wanted, which goes before its routes. */
export function splitByLane(mix: ModelMix, mode: LaneMode): Readonly<Record<Lane, ModelMix>> {
  if (mode === 'realtime') return { batch: {}, realtime: mix };
  if (mode === 'batch' || !hasRealtime(mix)) return { batch: mix, realtime: {} };
  const batch: Record<string, ModelPart> = {};
  const realtime: Record<string, ModelPart> = {};
  for (const [model, part] of Object.entries(mix)) {
    const called = part.lanes?.realtime;
    const raise = part.raise && { raise: part.raise };
    if (called) realtime[model] = { ...called, ...raise };
    if (!called) batch[model] = part;
    else if (called.rows < part.rows) batch[model] = { ...less(part, called), ...raise };
  }
  return { batch, realtime };
}

function less(part: PartSums, other: PartSums): PartSums {
  return {
    rows: part.rows - other.rows,
    bytes: part.bytes - other.bytes,
    maxTokens: part.maxTokens - other.maxTokens,
    // Which of both has the largest is not known: estimates err upwards.
    ...(part.largestBytes === undefined ? {} : { largestBytes: part.largestBytes }),
    ...(part.cachingRows === undefined ? {} : { cachingRows: part.cachingRows - (other.cachingRows ?? other.rows) }),
    ...(part.addedTokens === undefined ? {} : { addedTokens: part.addedTokens - (other.addedTokens ?? 0) }),
    ...(part.media === undefined ? {} : { media: lessMedia(part.media, other.media) }),
  };
}

function lessMedia(media: MediaSums, other: MediaSums | undefined): MediaSums {
  return { ...media, bytes: media.bytes - (other?.bytes ?? 0), tokens: media.tokens - (other?.tokens ?? 0) };
}
