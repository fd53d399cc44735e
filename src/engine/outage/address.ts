/**
 * Whether the address of the API is a mistake. One list that is not found says little: a gateway that starts anew answers
 * so for a moment. An address that has never shown a list, again and again, and where nothing was ever made, is none.
 */
import type { BlockedVerdict } from '../../domain/failure-router.ts';
import { attemptsInDoubt } from '../doubt/reconcile.ts';
import type { Session } from '../session.ts';

/** Both, so that neither a quick burst of tries nor a slow second one decides it. */
const TRIES_MIN = 4;
const ABSENT_MS_MIN = 3_000;

/** What stops the runs where the address is a mistake; null where the list may be found at the next look. */
export async function addressRefusal(session: Session, refused: BlockedVerdict): Promise<BlockedVerdict | null> {
  const absence = session.reach.neverListed;
  if (absence === null || absence.tries < TRIES_MIN || absence.forMs < ABSENT_MS_MIN) return null;
  if (await wasUsed(session)) return null;
  const giveUp = '`batchrun cancel` gives the run up before you set another: a run keeps its address.';
  return { ...refused, hint: `${refused.hint} Where the address is a mistake, ${giveUp}` };
}

/** Was a batch ever made there, or may one have been? */
async function wasUsed(session: Session): Promise<boolean> {
  const { store, api } = session.engine;
  for (const { id, origin } of await store.runs()) {
    if (origin === api.origin && (await store.batches(id)).length > 0) return true;
  }
  return (await attemptsInDoubt(session)).length > 0;
}
