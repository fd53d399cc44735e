/**
 * Seeds whose rows share a prefix that is kept in the prompt cache: what they are asked as, and the judge of warm-ups. How a
 * row is marked, and what a warm-up is, is said here anew: the engine is not asked.
 */
import { chance, pick, type Rng } from '../../src/base/random.ts';
import { findPrefixes } from '../../src/domain/cache/find-prefixes.ts';
import type { MarkedPrefix } from '../../src/domain/cache/blocks.ts';
import type { CacheTtl } from '../../src/domain/cache/ttl.ts';
import type { CacheSettings } from '../../src/domain/cache/settings.ts';
import type { LedgerMessage } from '../../src/tools/sim/ledger.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import type { Machine } from './machine.ts';
import type { InputRow, Plan } from './plan.ts';

type Params = InputRow['params'];

/** It caches from 512 tokens on: rows can stay small. */
const MODEL = 'claude-opus-5-5';
const TTL_MS = { '5m': 300_000, '1h': 3_600_000 } as const;
/** The last part of a lifetime is not relied on. */
const LIFETIME_SHARE = 0.9;

export function cachePlanOf(rng: Rng): CacheTtl | null {
  return chance(rng, 0.2) ? pick(rng, ['1h', '1h', '5m']) : null;
}

/** The rows of a seed with what they share. */
export function withPrefix(rows: readonly InputRow[], seed: string | number): InputRow[] {
  const system = `what all rows of ${seed} share\n`.repeat(100);
  return rows.map((row) => {
    const { max_tokens: maxTokens, ...params } = row.params;
    const rest = Object.entries(params).filter(([name]) => name !== 'model' && name !== 'system');
    return { ...row, params: { model: MODEL, max_tokens: maxTokens, system, ...Object.fromEntries(rest) } };
  });
}

/** What a row is sent as: where there are two to share it, the system with a mark. */
export function markedAs({ cache, rows }: Pick<Plan, 'cache' | 'rows'>, params: Params): Params {
  if (cache === null || rows.filter(({ valid }) => valid).length < 2) return params;
  const control = { type: 'ephemeral', ttl: cache };
  const system = [{ type: 'text', text: params['system'], cache_control: control }];
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, name === 'system' ? system : value]));
}

function warmUpHashes(plan: Plan): ReadonlySet<string> {
  const [row] = plan.rows;
  if (plan.cache === null || !row) return new Set();
  const { model, system, output_config: config } = markedAs(plan, row.params);
  const format = config === undefined ? {} : { output_config: config };
  const messages = [{ role: 'user', content: [{ type: 'text', text: '.' }] }];
  return new Set(
    [0, 1].map((maxTokens) => paramsHashOf({ model, max_tokens: maxTokens, system, ...format, messages })),
  );
}

/** What the API executed of warm-ups of this machine. */
export function warmUpsOf({ plan, lab }: Machine): readonly LedgerMessage[] {
  const hashes = warmUpHashes(plan);
  return lab.world.ledger.messages.filter(({ paramsHash }) => hashes.has(paramsHash));
}

/** What `submit --cache` comes to. */
export function cachingOf(plan: Plan): {
  readonly prefixes: readonly MarkedPrefix[];
  readonly settings: CacheSettings | null;
} {
  const { cache: ttl, rows } = plan;
  if (ttl === null) return { prefixes: [], settings: null };
  const sample = rows.filter(({ valid }) => valid).map(({ params }) => params);
  const found = findPrefixes(sample, { bytesMin: () => 2_048 });
  const prefixes = found.map(({ rows: _rows, bytes: _bytes, ...prefix }) => ({ ...prefix, ttl }));
  const kept = prefixes.map(({ key, model }) => ({ key, model, ttl, tokens: 700 }));
  return { prefixes, settings: { mode: ttl, prefixes: kept, refused: [], declined: null } };
}

/** At most one warm-up in a lifetime, by workspace; more only where a process died with the answer, or it was lost. */
export async function checkWarmUps(machine: Machine, runId: string): Promise<void> {
  const { plan, counts } = machine;
  const calls = warmUpsOf(machine);
  if (plan.cache === null) return;
  const lastAtMs = new Map<string, number>();
  let early = 0;
  for (const { workspace, atMs } of calls) {
    const before = lastAtMs.get(workspace);
    if (before !== undefined && atMs - before < TTL_MS[plan.cache] * LIFETIME_SHARE) early++;
    lastAtMs.set(workspace, atMs);
  }
  const lost = calls.filter(({ wasAnswered }) => !wasAnswered).length;
  const ends = counts.crashes + counts.diskFullEnds + counts.takeovers;
  const allowed = lost + counts.timeouts + ends + counts.clockSteps;
  if (early > allowed) machine.violation(`${early} warm-ups came too early; at most ${allowed} can be excused`);
  const run = await machine.store.run(runId);
  const told = (run?.settings.cache?.warmUps ?? []).reduce((sum, warm) => sum + warm.calls, 0);
  if (told > calls.length) machine.violation(`the ledger knows ${told} warm-ups; there were ${calls.length}`);
  if (told < calls.length - lost - counts.timeouts - ends - counts.fenced)
    machine.violation(`${calls.length} warm-ups were paid; the ledger knows ${told}`);
}

/** Nothing was called that is neither a row nor a warm-up. */
export function checkStrangers(machines: readonly Machine[]): void {
  const [first] = machines;
  if (!first) return;
  const known = new Set(machines.flatMap((one) => [...one.requestHashes(), ...warmUpHashes(one.plan)]));
  for (const { paramsHash, id } of first.lab.world.ledger.messages) {
    if (!known.has(paramsHash)) first.violation(`${id} was called, and it is no row and no warm-up`);
  }
}
