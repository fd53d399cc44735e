/**
 * How many rows of a run take the answers of others, as people and scripts see it: a part of the RunView.
 */
import type { RunRecord } from '../../domain/model.ts';
import type { CopyCount } from '../../domain/store-steps.ts';
import type { Store } from '../../domain/store.ts';

export interface CoalescedView {
  readonly rows: number;
  /** Of these, rows that take the answer of another row of the run, and of an earlier run. */
  readonly deduped_rows: number;
  readonly reused_rows: number;
  /** Rows that wait for the answer of another one, and the chunks that they are in. */
  readonly waiting_rows: number;
  readonly waiting_chunks: number;
  /** What the answers that are there would have cost in a batch. */
  readonly saved_usd: number;
}

/** Reads every chunk of the run: for runs that may have some. */
export async function viewCoalesced(store: Pick<Store, 'copyCounts'>, run: RunRecord): Promise<CoalescedView> {
  const counts = await store.copyCounts(run.id);
  const sum = (of: readonly CopyCount[], what: 'rows' | 'chunks' | 'savedUsd'): number =>
    of.reduce((total, one) => total + one[what], 0);
  // Chunks of retries hold rows of others once more.
  const inputs = counts.filter((one) => one.kind === 'input');
  const waiting = counts.filter((one) => one.state === 'sealed');
  const [deduped, reused] = (['rows', 'runs'] as const).map((answers) =>
    sum(
      inputs.filter((one) => one.answers === answers),
      'rows',
    ),
  );
  return {
    rows: (deduped ?? 0) + (reused ?? 0),
    deduped_rows: deduped ?? 0,
    reused_rows: reused ?? 0,
    waiting_rows: sum(waiting, 'rows'),
    waiting_chunks: sum(waiting, 'chunks'),
    saved_usd: sum(counts, 'savedUsd'),
  };
}
