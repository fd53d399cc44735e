/**
 * Batches of other programs: they take room in the queue of the organization, whoever made them. The list of a workspace
 * is the truth about them.
 */
import { requestCount, type BatchInfo } from '../../domain/model.ts';
import type { KeyLink } from '../engine.ts';
import type { Place } from '../keys/key-book.ts';
import type { Session } from '../session.ts';

/** Batches under way that the list shows and that are not ours. Of several workspaces of an organization the sum. */
export function noteForeign(
  session: Session,
  link: KeyLink,
  { batches, ownIds }: { readonly batches: readonly BatchInfo[]; readonly ownIds: ReadonlySet<string> },
): void {
  const others = batches.filter((batch) => batch.status !== 'ended' && !ownIds.has(batch.id));
  const place = placeOf(session, link);
  session.foreignAt.set(place, new Map(others.map((batch) => [batch.id, requestCount(batch.counts)])));
  addUp(session, link);
}

/** One that the list showed before our own create was answered: it is ours. */
export function noteOwn(session: Session, link: KeyLink, batchId: string): void {
  if (session.foreignAt.get(placeOf(session, link))?.delete(batchId) === true) addUp(session, link);
}

/** Do batches of others take room there, as far as is known? Only another look tells when they have ended. */
export function hasForeign(session: Session, place: Place): boolean {
  return (session.foreignAt.get(place)?.size ?? 0) > 0;
}

function addUp(session: Session, link: KeyLink): void {
  const { keys } = session;
  const organization = keys.organizationOf(link);
  const rows: number[] = [];
  for (const [place, open] of session.foreignAt) {
    if (keys.organizationOf(place.links[0]) === organization) rows.push(...open.values());
  }
  session.foreign.set(organization, { batches: rows.length, rows: rows.reduce((sum, one) => sum + one, 0) });
}

function placeOf({ keys }: Session, link: KeyLink): Place {
  return keys.places.find(({ links }) => links.includes(link)) ?? keys.places[0];
}
