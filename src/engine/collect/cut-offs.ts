/**
 * `--retry-truncated` in the batch lane: which answers that max_tokens cut are asked for again, and that a row which was
 * given such an answer keeps it where no better one comes. The answer is paid, and better than none.
 */
import { isBatchrunError } from '../../base/errors.ts';
import type { ChunkRecord, RowRecord, RunRecord } from '../../domain/model.ts';
import type { ResultLine } from '../../domain/result-line.ts';
import { hasDeviant } from '../../domain/schema-error.ts';
import type { CollectedRow } from '../../domain/store-steps.ts';
import { longerMaxTokens, truncationsMax } from '../../domain/truncated.ts';
import { asksForSchema, keepDeviant } from './deviants.ts';
import { RequestReader } from '../retry/requests.ts';
import type { Session } from '../session.ts';

interface Parts {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
  /** The records that its rows have already. */
  readonly before: ReadonlyMap<number, RowRecord>;
}

/** Of one chunk that is collected. Its files must be closed. */
export class CutOffs {
  readonly #session: Session;
  readonly #parts: Parts;
  readonly #requests: RequestReader;
  /** Rows that are asked for again. */
  again = 0;
  /** Rows that keep an earlier answer, because this try brought none. */
  kept = 0;
  /** Rows whose answer of this try was cut and stays. */
  #final = 0;

  constructor(session: Session, parts: Parts) {
    this.#session = session;
    this.#parts = parts;
    this.#requests = new RequestReader(session.engine.store, session.engine.files);
  }

  /** Was it cut, and are such answers asked for again in this run? */
  looksAt({ type, stopReason }: ResultLine): boolean {
    const { run } = this.#parts;
    return type === 'succeeded' && stopReason === 'max_tokens' && run.state === 'active' && truncationsMax(run, 0) > 0;
  }

  /** Null where the answer stays as it is. */
  async askAgain(
    row: Pick<CollectedRow, 'seq' | 'index' | 'result'> & { readonly line: ResultLine },
  ): Promise<CollectedRow | null> {
    const { line, ...place } = row;
    const before = this.#parts.before.get(row.seq);
    const attempts = (before?.attempts ?? 0) + 1;
    const truncations = before?.truncations ?? 0;
    const next = await this.#next({ line, index: row.index, attempts, truncations, before });
    if (next === null) {
      this.#final++;
      return null;
    }
    this.again++;
    const { errorType, maxTokens } = next;
    const truncated = { truncations: truncations + 1, maxTokens };
    return { ...place, to: 'retry', attempts, errorType, notBeforeMs: 0, truncated };
  }

  /** The verdict on a try that brought no answer, for a row that may have had one that was cut off. */
  keep(row: CollectedRow): CollectedRow {
    const kept = keepCutOff(row, this.#parts.before.get(row.seq));
    if (kept.to === 'succeeded') this.kept++;
    return kept;
  }

  /** With those that were cut and are how their row ended. */
  withFinal(stopReasons: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
    const more = this.#final + this.kept;
    return more === 0 ? stopReasons : { ...stopReasons, max_tokens: (stopReasons['max_tokens'] ?? 0) + more };
  }

  close(): Promise<void> {
    return this.#requests.close();
  }

  async #next(cut: {
    readonly line: ResultLine;
    readonly index: number;
    readonly attempts: number;
    readonly truncations: number;
    readonly before: RowRecord | undefined;
  }): Promise<{ readonly maxTokens: number; readonly errorType: string } | null> {
    const { run, chunk } = this.#parts;
    const most = truncationsMax(run, cut.attempts);
    if (cut.truncations >= most) return null;
    const home = cut.before ?? { homeChunkNo: chunk.chunkNo, homeIndex: cut.index };
    try {
      const { model, maxTokens, paramsJson } = await this.#requests.sized(run.id, home);
      const longer = longerMaxTokens({
        ...{ stopReason: cut.line.stopReason, model, maxTokens, truncations: cut.truncations, truncationsMax: most },
        nowMs: this.#session.engine.clock.now(),
      });
      const { deviation } = cut.line;
      // Where it should follow a schema, half of it is no success to fall back on.
      const isDeviant = deviation !== undefined && asksForSchema(run, paramsJson);
      return longer === null ? null : { maxTokens: longer, errorType: isDeviant ? deviation : 'batchrun_truncated' };
    } catch (error) {
      // Without its request a row cannot be asked for again: what there is stays. Others say that the file is damaged.
      if (isBatchrunError(error, 'E_STATE_CORRUPT') || isBatchrunError(error, 'E_FILE')) return null;
      throw error;
    }
  }
}

/** Never worse than before: instead of no answer the one that was cut off, and while it is tried again its place. */
export function keepCutOff(row: CollectedRow, before: RowRecord | undefined): CollectedRow {
  if (hasDeviant(before)) return keepDeviant(row, before);
  if (!before || before.truncations === 0) return row;
  const { result } = before;
  return row.to === 'retry' ? { ...row, result } : { ...row, to: 'succeeded', errorType: null, result };
}
