/**
 * What becomes of the rows of a collected chunk that did not succeed: the failure router is asked row by row, and
 * whether money was the reason is remembered for the run.
 */
import { routeResult } from '../../domain/failure-router.ts';
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import type { CollectedRow } from '../../domain/store-steps.ts';
import { refuseKey } from '../keys/key-follow.ts';
import { blockRun, toBlock, waitBefore, type Session } from '../session.ts';

export class RowVerdicts {
  readonly #session: Session;
  readonly #run: RunRecord;
  readonly #before: ReadonlyMap<number, RowRecord>;
  readonly #hurried: boolean;
  #held = 0;
  #heldType = '';

  /** `hurried`: its batch was stopped for a deadline (hurry.ts). */
  constructor(session: Session, run: RunRecord, before: ReadonlyMap<number, RowRecord>, hurried = false) {
    this.#session = session;
    this.#run = run;
    this.#before = before;
    this.#hurried = hurried;
  }

  of(
    row: Pick<CollectedRow, 'seq' | 'index' | 'result'> & { readonly line: Parameters<typeof routeResult>[0] },
  ): CollectedRow {
    const { line, ...place } = row;
    const earlier = this.#before.get(row.seq)?.attempts ?? 0;
    const attempts = earlier + 1;
    const verdict = routeResult(line, attempts, this.#run.settings.maxAttempts);
    const base = { ...place, attempts, errorType: line.errorType ?? line.type, notBeforeMs: 0 };
    switch (verdict.kind) {
      case 'retry':
        return { ...base, to: 'retry', errorType: verdict.errorType, notBeforeMs: this.#retryAt(attempts) };
      case 'held':
        this.#held++;
        // The type alone: a message may quote the prompt.
        this.#heldType ||= line.errorCode ?? verdict.errorType;
        return { ...base, to: 'retry', attempts: earlier, errorType: verdict.errorType };
      case 'failed':
        return { ...base, to: 'failed', errorType: verdict.errorType };
      case 'expired':
        return { ...base, to: 'expired', errorType: 'expired' };
      default:
        // By us, and for the row's own good: it goes on, and this was no try.
        if (this.#hurried) return { ...base, to: 'retry', attempts: earlier, errorType: 'canceled' };
        return { ...base, to: 'canceled', errorType: 'canceled' };
    }
  }

  /** `workspace`: where the batch was made, whose keys have no money now; null where that may be long ago. */
  async tellHeld(workspace: string | null): Promise<void> {
    if (this.#held === 0) return;
    const verdict = {
      ...({ kind: 'blocked', reason: 'billing', scope: 'workspace' } as const),
      message: `${this.#held} rows were refused for money reasons: ${this.#heldType}`,
      hint: 'Add credit or raise the spend limit in the Console, then run `batchrun collect` again: these rows wait, no attempt of theirs was used.',
    };
    const { keys, engine } = this.#session;
    const asides = keys.several && workspace !== null;
    const payers = asides ? keys.links.filter(({ api }) => keys.placeOf(workspace)?.hasName(api.workspace)) : [];
    // Of a pool another key may have the money: the rows go out with that one.
    for (const link of payers) await refuseKey(this.#session, link, verdict, [this.#run.id]);
    if (payers.length === 0) await blockRun(this.#session, this.#run.id, toBlock(verdict, engine.clock.now()));
  }

  #retryAt(attempt: number): number {
    return this.#session.engine.clock.now() + waitBefore(this.#session, attempt, null);
  }
}
