/**
 * What is known of the account for a plan: from the ledger of this state, and from the Admin API where there is an admin
 * key. Only limits are read.
 */
import { messageOf } from '../../base/errors.ts';
import { HISTORY_BATCHES } from '../../domain/deadline.ts';
import { isAdminKeyRefused, type AdminLimits } from '../../domain/pacing/admin-limits.ts';
import { TIERS } from '../../domain/pacing/tiers.ts';
import type { Store } from '../../domain/store.ts';
import { planAccount, type PlanAccount } from '../../tools/plan/account.ts';
import { ADMIN_VARIABLE } from '../drive/account.ts';
import type { ApiLink } from '../drive/api-link.ts';
import { readLimits, type Context } from '../context.ts';

/** Tiers 1 to 4 were replaced in 2026; some accounts may still be named so. */
export function warnOfTier({ flags, terminal }: Context): void {
  const { tier } = flags;
  if (tier === undefined || TIERS[tier].year !== 2025) return;
  terminal.talk(
    `${tier} is a tier of 2025 (limits as of ${TIERS[tier].date}): since June 2026 tiers are start, build and scale, with higher limits.`,
  );
}

/** `store` is null where there is no state: then nothing was learnt yet. */
export async function accountFor(
  context: Context,
  store: Pick<Store, 'pools' | 'batchHistory' | 'runs'> | null,
  link: ApiLink | null,
): Promise<PlanAccount> {
  const { tier } = context.flags;
  const origin = link?.api.origin ?? (await lastOrigin(store));
  const [pools, history] =
    store === null || origin === null
      ? [[], []]
      : await Promise.all([store.pools(origin), store.batchHistory(origin, HISTORY_BATCHES)]);
  const admin = tier === undefined && link !== null ? await adminLimits(context, link) : null;
  return planAccount({ tier, admin, pools, history });
}

/** Without credentials the account of the newest run is meant. */
async function lastOrigin(store: Pick<Store, 'runs'> | null): Promise<string | null> {
  const runs = store === null ? [] : await store.runs();
  return runs.at(-1)?.origin ?? null;
}

async function adminLimits(context: Context, link: ApiLink): Promise<AdminLimits | null> {
  const adminKey = process.env[ADMIN_VARIABLE] ?? '';
  if (adminKey === '') return null;
  try {
    return await readLimits(adminKey, link, context.signal);
  } catch (error) {
    const why = isAdminKeyRefused(error) ? `the admin key in ${ADMIN_VARIABLE} was refused` : messageOf(error);
    context.terminal.talk(`The Admin API does not tell the limits (${why}): the plan goes by what else is known.`);
    return null;
  }
}
