/**
 * What `--dedupe` and `--reuse` save, or would have saved: for whoever asks before anything is sent.
 */
import type { DuplicateGauge } from '../../domain/duplicate-gauge.ts';
import {
  wishesOf,
  type Coalescing,
  type LaneMode,
  type ModelMix,
  type ModelPart,
  type RunRecord,
} from '../../domain/model.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';
import { addMix, type MixSums } from '../../domain/chunk-text.ts';
import type { Engine } from '../engine.ts';
import { estimateReuse } from './reuse-gauge.ts';

export interface Spared {
  readonly rows: number;
  /** Null where a model has no known price. */
  readonly usd: number | null;
}

/** Rows that a flag would spare that is off. */
export interface Spareable extends Spared {
  /** False: an estimate, from a part of the rows. */
  readonly exact: boolean;
}

export interface IngestSaving {
  /** Rows that take the answer of another row (`--dedupe`), and what sending them would cost at most. */
  readonly deduped: Spared;
  /** Rows that take the answer of an earlier run (`--reuse`), and what these answers cost in a batch. */
  readonly reused: Spared;
  /** What `--dedupe` would spare at most; null where it is on. */
  readonly duplicates: Spareable | null;
  /** What `--reuse` would spare at most; null where it is on, or no earlier run can say. */
  readonly reusable: Spareable | null;
}

/** Of a run that is being read, when its chunks are sealed. */
export async function savingOf(
  engine: Engine,
  run: Pick<RunRecord, 'id' | 'origin' | 'workspace' | 'settings'>,
  { wanted, gauge }: { readonly wanted: Coalescing; readonly gauge: DuplicateGauge },
): Promise<IngestSaving> {
  const { lane } = wishesOf(run);
  const duplicates = wanted.dedupe ? null : gauge.estimate();
  const reusable = wanted.reuse ? null : await estimateReuse(engine, run, gauge);
  return {
    ...(await sparedOf(engine, run.id, { ...wanted, lane })),
    duplicates: duplicates && { ...spareable(duplicates, lane), exact: duplicates.exact },
    reusable: reusable && { ...spareable(reusable, lane), exact: false },
  };
}

async function sparedOf(
  { store }: Engine,
  runId: string,
  wanted: Coalescing & { readonly lane: LaneMode },
): Promise<Pick<IngestSaving, 'deduped' | 'reused'>> {
  const mix: MixSums = {};
  let [dedupedRows, reusedRows] = [0, 0];
  let reusedUsd: number | null = 0;
  for (const chunk of wanted.dedupe || wanted.reuse ? await store.chunks(runId) : []) {
    if (chunk.answers === 'rows') {
      dedupedRows += chunk.rowCount;
      addMix(mix, chunk.mix);
    } else if (chunk.answers === 'runs') {
      reusedRows += chunk.rowCount;
      reusedUsd = reusedUsd === null || chunk.savedUsd === null ? null : reusedUsd + chunk.savedUsd;
    }
  }
  return {
    deduped: { rows: dedupedRows, usd: worstRunCostUsd(mix, wanted.lane) },
    reused: { rows: reusedRows, usd: reusedUsd },
  };
}

function spareable({ rows, mix }: { readonly rows: number; readonly mix: RunRecord['mix'] }, lane: LaneMode): Spared {
  return { rows: Math.round(rows), usd: worstRunCostUsd(plainMix(mix), lane) };
}

/** The gauge knows sums alone: without this they would be priced as one long prompt, all of it written to the cache. */
function plainMix(mix: ModelMix): ModelMix {
  const plain = (part: ModelPart): ModelPart => {
    return { largestBytes: part.bytes / Math.max(1, part.rows), cachingRows: 0, ...part };
  };
  return Object.fromEntries(Object.entries(mix).map(([model, part]) => [model, plain(part)]));
}
