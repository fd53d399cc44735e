/**
 * Batches of other programs: they take room in the queue of the organization, whoever made them. The list of a workspace
 * is the truth about them.
 */
import { requestCount, type BatchInfo } from '../domain/model.ts';
import type { KeyLink } from './engine.ts';
import type { OpenLoad, Session } from './session.ts';

/** Batches under way that the list shows and that are not ours. Of several workspaces of an organization the sum. */
export function noteForeign(
  session: Session,
  link: KeyLink,
  { batches, ownIds }: { readonly batches: readonly BatchInfo[]; readonly ownIds: ReadonlySet<string> },
): void {
  const others = batches.filter((batch) => batch.status !== 'ended' && !ownIds.has(batch.id));
  const rows = others.reduce((sum, batch) => sum + requestCount(batch.counts), 0);
  const organization = session.keys.organizationOf(link);
  const byWorkspace = session.foreignAt.get(organization) ?? new Map<string, OpenLoad>();
  session.foreignAt.set(organization, byWorkspace);
  byWorkspace.set(link.api.workspace, { batches: others.length, rows });
  const sums = [...byWorkspace.values()];
  session.foreign.set(organization, {
    batches: sums.reduce((sum, one) => sum + one.batches, 0),
    rows: sums.reduce((sum, one) => sum + one.rows, 0),
  });
}
