/**
 * `--max-cost`: what a run may still spend. Reserved is what may become due: batches that are or may be under way, by
 * their size and max_tokens, and realtime calls whose answer is not known. All of it is in the ledger, so a crash frees
 * nothing that may be spent.
 */
import { formatUsd, plural } from '../../base/units.ts';
import { cacheOf } from '../../domain/cache/settings.ts';
import { addMix, type MixSums } from '../../domain/chunk-text.ts';
import { expectedCostUsd } from '../../domain/expected-cost.ts';
import { raisedByAnswers, raisedLike } from '../../domain/input-raise.ts';
import type { Block, ChunkState, Lane, ModelMix, RunRecord, UsageEntry } from '../../domain/model.ts';
import { requestCount, wishesOf } from '../../domain/model.ts';
import { worstCostUsd } from '../../domain/reserve.ts';
import type { Store } from '../../domain/store.ts';
import { OPEN_ROW_STATES } from '../../domain/transitions.ts';
import type { Session } from '../session.ts';

/** Batches of chunks in these states may be billed, and what for is not known yet; of lost ones it never will be. */
const RESERVING: readonly ChunkState[] = ['submitting', 'uncertain', 'submitted', 'ended', 'lost'];

export interface BudgetView {
  readonly capUsd: number;
  readonly spentUsd: number;
  readonly reservedUsd: number;
  readonly leftUsd: number;
  /** Answers came from a model without a known price: nobody can tell what is left. */
  readonly unknown: boolean;
  /** Of the run, raised where its answers had more input than was reckoned with. */
  readonly mix: ModelMix;
}

/** What of the ledger a budget is made from. */
export type BudgetLedger = Pick<Store, 'usage' | 'chunks' | 'chunk' | 'secondBatches'>;

/** Null where the run has no cap. Of a session only the ledger is looked at: `status` has no other. */
export async function budgetOf(
  { engine: { store } }: { readonly engine: { readonly store: BudgetLedger } },
  run: RunRecord,
): Promise<BudgetView | null> {
  const { maxCostUsd: capUsd } = wishesOf(run);
  if (capUsd === null) return null;
  const usage = await store.usage(run.id);
  const spentUsd = usage.reduce((sum, entry) => sum + entry.costUsd, 0);
  let unknown = usage.some((entry) => entry.unpricedRows > 0);
  let reservedUsd = run.realtimeReservedUsd;
  const mix = await raisedMix(store, run, usage);
  const reserve = (part: ModelMix, share = 1): void => {
    const usd = usdOf(run, { mix: part, lane: 'batch', usage, whole: mix });
    if (usd === null) unknown = true;
    else reservedUsd += usd * share;
  };
  for (const chunk of await store.chunks(run.id, { states: RESERVING })) reserve(chunk.mix);
  // A batch that turned up beside the one of its chunk is billed as well.
  for (const { chunkNo } of await store.secondBatches(run.id)) {
    const chunk = chunkNo === null ? null : await store.chunk(run.id, chunkNo);
    if (chunk) reserve(chunk.mix);
  }
  // Nor does its end make it free: what it answered is billed, though nobody reads its results and knows how much.
  for (const { chunkNo, counts } of await store.secondBatches(run.id, 'ended')) {
    const chunk = chunkNo === null || counts.succeeded === 0 ? null : await store.chunk(run.id, chunkNo);
    // Of a lost chunk all is reserved already.
    if (chunk && chunk.state !== 'lost') reserve(chunk.mix, counts.succeeded / Math.max(1, requestCount(counts)));
  }
  return { capUsd, spentUsd, reservedUsd, leftUsd: capUsd - spentUsd - reservedUsd, unknown, mix };
}

/** The same, where no pledge was kept since the look at the ledger began: what is left less what is promised is true. */
export async function surely<T>({ pledges }: Pick<Session, 'pledges'>, look: () => Promise<T>): Promise<T> {
  for (;;) {
    const { kept } = pledges;
    const seen = await look();
    if (pledges.kept === kept) return seen;
  }
}

/** What is sent from now on is reckoned with as the answers so far were. */
async function raisedMix(store: BudgetLedger, run: RunRecord, usage: readonly UsageEntry[]): Promise<ModelMix> {
  const answered = usage.filter((entry) => entry.rows > 0);
  if (answered.length === 0 || wishesOf(run).budgetMode === 'expected') return run.mix;
  const batches: MixSums = {};
  if (answered.some(({ lane }) => lane === 'batch')) {
    const collected = await store.chunks(run.id, { states: ['collected'] });
    for (const { answers, mix } of collected) if (answers === 'api') addMix(batches, mix);
  }
  return raisedByAnswers(run.mix, { usage, batches, warmUps: cacheOf(run)?.warmUps ?? [] });
}

/** What is to be reserved for these rows before they are sent; null where a model has no known price. */
export async function reservationOf(
  session: Pick<Session, 'engine'>,
  run: RunRecord,
  { mix, lane, view }: { readonly mix: ModelMix; readonly lane: Lane; readonly view: Pick<BudgetView, 'mix'> },
): Promise<number | null> {
  const usage = wishesOf(run).budgetMode === 'expected' ? await session.engine.store.usage(run.id) : [];
  return usdOf(run, { mix, lane, usage, whole: view.mix });
}

interface Reserved {
  readonly mix: ModelMix;
  readonly lane: Lane;
  readonly usage: readonly UsageEntry[];
  /** Of the run. */
  readonly whole: ModelMix;
}

function usdOf(run: RunRecord, { mix, lane, usage, whole }: Reserved): number | null {
  return wishesOf(run).budgetMode === 'expected'
    ? expectedCostUsd(mix, lane, { usage, whole })
    : worstCostUsd(raisedLike(mix, whole), lane);
}

/** Nothing more fits: said when nothing of the run is under way whose settling could make room. */
export function budgetBlock(run: RunRecord, view: BudgetView, nextUsd: number | null, sinceMs: number): Block {
  const left = OPEN_ROW_STATES.reduce((sum, state) => sum + run.rows[state], 0);
  const undone = `${plural(left, 'row')} of ${run.id} ${left === 1 ? 'is' : 'are'} left undone`;
  const collect = `\`batchrun collect ${run.id} --max-cost ${raised(view, nextUsd)}\``;
  if (nextUsd === null || view.unknown) {
    return {
      reason: 'budget',
      scope: 'budget',
      message: `a model of the run has no known price, so --max-cost ${view.capUsd} cannot be kept: ${undone}`,
      hint: 'Give its price with --prices FILE, then run `batchrun collect` again.',
      sinceMs,
    };
  }
  const reserved = view.reservedUsd > 0 ? `, ${formatUsd(view.reservedUsd)} reserved for calls without an answer` : '';
  return {
    reason: 'budget',
    scope: 'budget',
    message: `the budget of ${formatUsd(view.capUsd)} is used: ${formatUsd(view.spentUsd)} spent${reserved}, and the next step may cost ${formatUsd(nextUsd)}; ${undone}`,
    hint: `Raise it: ${collect}. --budget-mode expected reserves what answers cost so far instead of the most that they can cost.`,
    sinceMs,
  };
}

/** In whole dollars, so that at least the next step fits. */
function raised(view: BudgetView, nextUsd: number | null): number {
  return Math.ceil(view.spentUsd + view.reservedUsd + (nextUsd ?? 0));
}
