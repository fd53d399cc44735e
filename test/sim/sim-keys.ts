/**
 * The keys of a simulation: one, or two of different workspaces, organizations, or of one workspace. In some lives the
 * pool comes in another order, or a key is missing; in some the API refuses the second key for a while.
 */
import { chance, pick, seededRng, type Rng } from '../../src/base/random.ts';
import { DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE } from '../../src/tools/sim/caller.ts';
import type { SimKey } from '../../src/tools/sim/options.ts';

/** What the second key differs in. */
export type SecondKey = 'workspace' | 'organization' | 'nothing';

export interface KeyPlan {
  readonly second: SecondKey;
  /** Lives in which the API refuses the second key for a while. */
  readonly revokeRate: number;
  /** The API does not tell whose key it is, as behind a proxy. */
  readonly silent: boolean;
}

export const FIRST_KEY = 'sk-ant-sim';
export const SECOND_KEY = 'sk-ant-sim-second';
const OTHER_ORGANIZATION = '00000000-0000-4000-8000-000000000002';

const FIRST: SimKey = { workspace: DEFAULT_WORKSPACE, organization: DEFAULT_ORGANIZATION };

export function keyPlanOf(rng: Rng): KeyPlan {
  const second = pick(rng, ['workspace', 'workspace', 'organization', 'organization', 'nothing'] as const);
  return { second, revokeRate: pick(rng, [0, 0, 0.4]), silent: chance(rng, 0.2) };
}

/** The keys that the API takes. The record may be changed: then it takes others. */
export function takenKeys(plan: KeyPlan | null): Record<string, SimKey> {
  return plan ? { [FIRST_KEY]: FIRST, [SECOND_KEY]: secondKey(plan) } : { [FIRST_KEY]: FIRST };
}

function secondKey({ second }: KeyPlan): SimKey {
  if (second === 'nothing') return FIRST;
  const organization = second === 'organization' ? OTHER_ORGANIZATION : DEFAULT_ORGANIZATION;
  return { workspace: 'wrkspc_second', organization };
}

/** Revokes the second key; gives it back when asked. */
export function revoke(keys: Record<string, SimKey>): void {
  Reflect.deleteProperty(keys, SECOND_KEY);
}

export function giveBack(keys: Record<string, SimKey>, plan: KeyPlan | null): void {
  if (plan) keys[SECOND_KEY] = secondKey(plan);
}

/** The pool of one life: in the healed world all keys are there. */
export function poolOf(
  plan: KeyPlan | null,
  { seed, healed }: { readonly seed: string; readonly healed: boolean },
): string[] {
  if (!plan) return [FIRST_KEY];
  const rng = seededRng(seed);
  const pool = chance(rng, 0.3) ? [SECOND_KEY, FIRST_KEY] : [FIRST_KEY, SECOND_KEY];
  return chance(rng, 0.15) && !healed ? pool.slice(0, 1) : pool;
}

/** What the API says of a key. */
export function identityOf(
  plan: KeyPlan | null,
  key: string,
): { organization: string | null; reported: string | null } {
  if (!plan || plan.silent) return { organization: null, reported: null };
  const { organization, workspace } = key === FIRST_KEY ? FIRST : secondKey(plan);
  return { organization: organization ?? null, reported: workspace };
}
