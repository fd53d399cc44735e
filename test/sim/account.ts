/**
 * The account of a seed: how little it may do in a minute, whether its machines share one limiter, and what may be spent.
 * And the judges: limits are used and not run against, and nothing beyond the budget is ever billed.
 */
import { chance, integerBetween, type Rng } from '../../src/base/random.ts';
import { costUsd } from '../../src/domain/pricing.ts';
import { worstCostUsd } from '../../src/domain/reserve.ts';
import type { Lane } from '../../src/domain/model.ts';
import type { InputUse } from '../../src/tools/sim/prompt-cache.ts';
import { warmUpsOf } from './caching.ts';
import type { Lab } from './lab.ts';
import type { Machine } from './machine.ts';
import type { InputRow } from './plan.ts';

export interface LimitPlan {
  readonly rpm: number;
  readonly itpm: number;
  readonly otpm: number;
  /** All machines take from the same buckets, as through one Redis. */
  readonly shared: boolean;
}

/** All rows of a seed have one. */
const modelOf = ([row]: readonly InputRow[]): string => String(row?.params['model']);

export function limitPlanOf(rng: Rng): LimitPlan {
  return {
    rpm: integerBetween(rng, 6, 90),
    itpm: integerBetween(rng, 600, 20_000),
    otpm: integerBetween(rng, 600, 20_000),
    shared: chance(rng, 0.6),
  };
}

/** A share of what all rows can cost at most in the batch lane: some get through within it, some have to stop. */
export function budgetOfRows(rows: readonly InputRow[], share: number): number {
  const valid = rows.filter((row) => row.valid);
  const sizes = valid.map((row) => JSON.stringify(row.params).length + 100);
  const maxTokens = valid.reduce((sum, row) => sum + Number(row.params['max_tokens']), 0);
  const part = {
    rows: valid.length,
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
    ...{ maxTokens, largestBytes: Math.max(...sizes), cachingRows: 0 },
  };
  return (worstCostUsd({ [modelOf(rows)]: part }, 'batch') ?? 0) * share;
}

/**
 * A process that begins knows the limits but not what a crash left in the buckets, or knows nothing yet: it may run into
 * them with the calls that it has under way, once. After that, hardly ever.
 */
export function checkLimits(lab: Lab): void {
  const { limits } = lab.plan.troubles;
  if (limits === null) return;
  const starts = lab.machines.reduce((sum, { counts }) => sum + counts.lives + HEALED_STARTS, 0);
  for (const { rateClass, taken, refused } of lab.world.ledger.rates.values()) {
    if (rateClass === 'batches' || rateClass === 'count_tokens') continue;
    const times = [...refused.values()].reduce((sum, count) => sum + count, 0);
    // Two that do not know of each other find out by what the answers say is left.
    const strangers = lab.machines.length > 1 && !limits.shared;
    const share = strangers ? REFUSED_SHARE_STRANGERS_MAX : REFUSED_SHARE_MAX;
    const excused = starts * lab.plan.concurrency + taken * share;
    if (times > excused) lab.violation(`${times} calls ran into the limits beside ${taken} that did not`);
  }
}

const HEALED_STARTS = 2;
const REFUSED_SHARE_MAX = 0.02;
const REFUSED_SHARE_STRANGERS_MAX = 0.25;

/** What the API bills for what was sent before somebody raised the budget. */
export function checkBudget(machine: Machine): void {
  const { budget, lagsBeyondGrace } = machine.plan.troubles;
  // A second batch that the list hid beyond the grace was made without anybody knowing of the first.
  if (budget === null || lagsBeyondGrace) return;
  const before = machine.budgetRaisedAtMs ?? Infinity;
  let billedUsd = 0;
  const bill = (lane: Lane, input: InputUse, outputTokens: number): void => {
    const usage = {
      inputTokens: input.plain,
      outputTokens,
      cacheWrite5mTokens: input.write5m,
      cacheWrite1hTokens: input.write1h,
      cacheReadTokens: input.read,
    };
    billedUsd += costUsd({ model: modelOf(machine.plan.rows), lane, usage }) ?? 0;
  };
  for (const batch of machine.lab.batchesOf(machine)) {
    if (batch.createdAtMs >= before) continue;
    for (const row of batch.rows()) if (row.outcome === 'succeeded') bill('batch', row.input, row.outputTokens);
  }
  for (const message of [...machine.messages(), ...warmUpsOf(machine)]) {
    if (message.atMs < before) bill('realtime', message.input, message.outputTokens);
  }
  const cap = budgetOfRows(machine.plan.rows, budget);
  if (billedUsd > cap * (1 + 1e-9)) machine.violation(`${billedUsd} USD are billed; the budget was ${cap}`);
}
