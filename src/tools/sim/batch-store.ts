/**
 * All batches that the simulated API has made, of every workspace.
 *
 * Batches are never dropped: a deleted one stays for the ledger and as a cursor of the list.
 */
import { queuedRows, statusOf, type BatchView, type SimBatch } from './batch.ts';

export interface BatchStore {
  add(batch: SimBatch): void;
  /** A batch that this workspace can see now. */
  find(id: string, organization: string, workspace: string): SimBatch | undefined;
  /** Newest first, hidden and deleted ones included. */
  inWorkspace(organization: string, workspace: string): readonly SimBatch[];
  isVisible(batch: SimBatch): boolean;
  load(organization: string): { readonly batches: number; readonly queued: number };
  readonly all: readonly SimBatch[];
}

export function createBatchStore(view: BatchView): BatchStore {
  const all: SimBatch[] = [];
  const byId = new Map<string, SimBatch>();
  let running: SimBatch[] = [];

  const isVisible = (batch: SimBatch): boolean => !batch.isDeleted && view.clock.now() >= batch.visibleAtMs;
  const isOf = (batch: SimBatch, organization: string, workspace: string): boolean =>
    batch.organization === organization && batch.workspace === workspace;

  return {
    all,
    isVisible,
    add(batch) {
      all.push(batch);
      byId.set(batch.id, batch);
      running.push(batch);
    },
    find(id, organization, workspace) {
      const batch = byId.get(id);
      return batch !== undefined && isOf(batch, organization, workspace) && isVisible(batch) ? batch : undefined;
    },
    inWorkspace: (organization, workspace) =>
      all
        .filter((batch) => isOf(batch, organization, workspace))
        .sort((one, other) => other.createdAtMs - one.createdAtMs || other.ordinal - one.ordinal),
    load(organization) {
      running = running.filter((batch) => statusOf(view, batch) !== 'ended');
      const mine = running.filter((batch) => batch.organization === organization);
      return { batches: mine.length, queued: mine.reduce((sum, batch) => sum + queuedRows(view, batch), 0) };
    },
  };
}
