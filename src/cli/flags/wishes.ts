/**
 * What is wanted of a run beyond its rows: how urgent it is, when it is needed, what it may cost. `submit` keeps it with
 * the run, and later commands change it; what no flag names stays as it is.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount, formatUsd } from '../../base/units.ts';
import {
  wishesOf,
  type LaneMode,
  type ModelMix,
  type RunRecord,
  type Coalescing,
  type RunWishes,
} from '../../domain/model.ts';
import { worstRunCostUsd } from '../../domain/reserve.ts';
import type { Store } from '../../domain/store.ts';
import { refuseLatePilot, refuseUnpriced } from '../../engine/ingest/refuse-wishes.ts';
import type { Context } from '../context.ts';
import type { Flags } from './options.ts';

/** What the flags say. */
export function wishesAsked(flags: Flags): Partial<RunWishes> {
  const { priority, deadline, maxCost, budgetMode, retryTruncated, onSchemaError, pilot } = flags;
  const lane = laneAsked(flags);
  if (lane === 'batch' && pilot !== undefined && pilot > 0) {
    throw new BatchrunError('E_USAGE', '--pilot and --batch-only cannot both be given: a pilot is called', {
      hint: 'Leave one of them out.',
    });
  }
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(lane === undefined ? {} : { lane }),
    ...(deadline === undefined ? {} : { deadlineMs: deadline === 'none' ? null : deadline }),
    ...(maxCost === undefined ? {} : { maxCostUsd: maxCost === 'none' ? null : maxCost }),
    ...(budgetMode === undefined ? {} : { budgetMode }),
    ...(retryTruncated === undefined ? {} : { retryTruncated }),
    ...(onSchemaError === undefined ? {} : { onSchemaError }),
    ...(pilot === undefined ? {} : { pilot }),
  };
}

function laneAsked({ realtime, batchOnly }: Flags): LaneMode | undefined {
  if (realtime === true && batchOnly === true) {
    throw new BatchrunError('E_USAGE', '--realtime and --batch-only cannot both be given');
  }
  if (realtime === true) return 'realtime';
  return batchOnly === true ? 'batch' : undefined;
}

/** Keeps what the flags say with these runs, and says what is different now. */
export async function rememberWishes(context: Context, store: Store, runs: readonly RunRecord[]): Promise<void> {
  const { flags, terminal } = context;
  const asked = wishesAsked(flags);
  const changing = runs.filter((run) => changesOf(wishesOf(run), asked).length > 0);
  if (changing.length > 0 && runs.length > 1) {
    const named = changesOf(wishesOf(changing[0] ?? { settings: {} }), asked).map(({ flag }) => flag);
    throw new BatchrunError('E_USAGE', `${named.join(', ')}: of which of ${runs.length} runs?`, {
      hint: 'Name the run (batchrun collect <run>).',
    });
  }
  for (const run of changing) {
    const before = wishesOf(run);
    refuseLatePilot(run, before, asked);
    refuseUnpriced({ ...before, ...asked }, run.mix);
    await store.changeWishes(run.id, asked);
    if (flags.quiet === true) continue;
    const words = changesOf(before, asked).map(({ flag, from, to }) => `${flag} ${to} (was ${from})`);
    terminal.talk(`${run.id}: ${words.join(', ')}.`);
  }
}

interface Change {
  readonly flag: string;
  readonly from: string;
  readonly to: string;
}

const dateText = (ms: unknown): string => (typeof ms === 'number' ? new Date(ms).toISOString() : 'none');
const usdText = (usd: unknown): string => (typeof usd === 'number' ? formatUsd(usd) : 'none');

/** How each wish is called in messages, and how its value is. */
const SHOWN: Readonly<Record<keyof RunWishes, { readonly flag: string; readonly text: (value: unknown) => string }>> = {
  priority: { flag: '--priority', text: String },
  lane: { flag: 'lane', text: String },
  deadlineMs: { flag: '--deadline', text: dateText },
  maxCostUsd: { flag: '--max-cost', text: usdText },
  budgetMode: { flag: '--budget-mode', text: String },
  retryTruncated: { flag: '--retry-truncated', text: String },
  onSchemaError: { flag: '--on-schema-error', text: String },
  pilot: { flag: '--pilot', text: String },
};

function changesOf(before: RunWishes, asked: Partial<RunWishes>): Change[] {
  return (Object.keys(SHOWN) as (keyof RunWishes)[]).flatMap((wish) => {
    const value = asked[wish];
    if (value === undefined || value === before[wish]) return [];
    const { flag, text } = SHOWN[wish];
    return [{ flag, from: text(before[wish]), to: text(value) }];
  });
}

/** A row that no call can hold is no pilot: then nothing goes first. */
export function warnOfNoPilot({ flags, terminal }: Context, { settings }: RunRecord): void {
  if (wishesOf({ settings }).pilot === 0 || settings.pilotChunks?.length !== 0 || flags.quiet === true) return;
  terminal.talk('warning: there is no pilot: no row can be called, because of its size or its betas.');
}

/** The flags with which a run may cost more than one answer to each row in the lane that it begins in. */
export function dearerFlags(
  { lane, deadlineMs, retryTruncated, onSchemaError, pilot }: RunWishes,
  flags: Flags,
): string[] {
  const again = flags.retryLane !== 'none';
  return [
    ...(again && retryTruncated > 0 ? ['--retry-truncated'] : []),
    ...(again && onSchemaError === 'retry' ? ['--on-schema-error retry'] : []),
    ...(lane === 'auto' && deadlineMs !== null ? ['--deadline'] : []),
    ...(lane === 'auto' && pilot > 0 ? ['--pilot'] : []),
  ];
}

/** After the most that a run may cost: what is not in that figure. Null where it is all. */
export function dearerText(wishes: RunWishes, flags: Flags): string | null {
  const dearer = dearerFlags(wishes, flags);
  if (dearer.length === 0) return null;
  const cap = wishes.maxCostUsd === null ? '--max-cost sets a limit to all of it' : '--max-cost holds all the same';
  return `That is for one answer to each row, at the price of its lane. With ${dearer.join(' and ')} it may be more: an answer that is asked for again is paid each time, and a row that is called costs twice what it costs in a batch. ${cap}.`;
}

/** What `submit` says of a budget: how far it reaches if every answer is as long as it may be. */
export function budgetText(wishes: RunWishes, mix: ModelMix): string | null {
  const { maxCostUsd: cap, budgetMode: mode } = wishes;
  if (cap === null) return null;
  const worst = worstRunCostUsd(mix, wishes.lane);
  const rows = Object.values(mix).reduce((sum, part) => sum + part.rows, 0);
  const softer =
    mode === 'expected'
      ? ' --budget-mode expected is softer: it sets aside what answers cost so far, and may overshoot where later ones are longer.'
      : '';
  if (worst === null || worst <= cap) return `Budget: ${formatUsd(cap)}; all rows fit.${softer}`;
  const reach = `${formatCount(Math.floor((rows * cap) / worst))} of ${formatCount(rows)}`;
  const stop =
    mode === 'worst'
      ? `the run stops before the cap, which surely reaches for about ${reach} rows, and for more where answers are shorter than max_tokens`
      : `the run stops at the cap, which would reach for about ${reach} rows if all answers were that long`;
  return `Budget: ${formatUsd(cap)}. All rows may cost up to ${formatUsd(worst)}: ${stop}.${softer}`;
}

/** Left out where nothing is asked for: then no later command looks for it. */
export function coalescing({ dedupe = false, reuse = false }: Flags): { readonly coalesce?: Coalescing } {
  return dedupe || reuse ? { coalesce: { dedupe, reuse } } : {};
}
