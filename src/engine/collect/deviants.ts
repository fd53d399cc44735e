/**
 * Answers that do not follow the run's schema (`--schema`): they are paid and stay with their row, which fails, or is
 * asked again while `--on-schema-error retry` and its attempts allow it. What the failure router says counts.
 */
import { settingHash } from '../../domain/fingerprint.ts';
import { routeResult } from '../../domain/failure-router.ts';
import { wishesOf, type ChunkRecord, type RowRecord, type RunRecord } from '../../domain/model.ts';
import type { ResultLine } from '../../domain/result-line.ts';
import { isObject } from '../../domain/row/shape.ts';
import { hasDeviant } from '../../domain/schema-error.ts';
import type { CollectedRow } from '../../domain/store-steps.ts';
import { isBatchrunError } from '../../base/errors.ts';
import { RequestReader } from '../retry/requests.ts';
import type { Session } from '../session.ts';

interface Parts {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
  /** The records that its rows have already. */
  readonly before: ReadonlyMap<number, RowRecord>;
}

/** Of one chunk that is collected. Its files must be closed. */
export class Deviants {
  readonly #parts: Parts;
  readonly #requests: RequestReader;
  /** Rows that did not succeed with the answer that they got. */
  count = 0;

  constructor({ engine }: Session, parts: Parts) {
    this.#parts = parts;
    this.#requests = new RequestReader(engine.store, engine.files);
  }

  /** Null where the answer is in order: its row asked for a format of its own. */
  async judge(
    row: Pick<CollectedRow, 'seq' | 'index' | 'result'> & { readonly line: ResultLine },
  ): Promise<CollectedRow | null> {
    const { line, ...place } = row;
    const { run, chunk } = this.#parts;
    const before = this.#parts.before.get(row.seq);
    const home = before ?? { homeChunkNo: chunk.chunkNo, homeIndex: row.index };
    if (!(await this.#isAskedFor(home))) return null;
    const attempts = (before?.attempts ?? 0) + 1;
    const verdict = routeResult(line, attempts, run.settings.maxAttempts, asksAgain(run));
    if (verdict.kind !== 'failed' && verdict.kind !== 'retry') return null;
    this.count++;
    return { ...place, to: verdict.kind, attempts, errorType: verdict.errorType, notBeforeMs: 0 };
  }

  close(): Promise<void> {
    return this.#requests.close();
  }

  async #isAskedFor(home: { readonly homeChunkNo: number; readonly homeIndex: number }): Promise<boolean> {
    const { run } = this.#parts;
    try {
      return asksForSchema(run, (await this.#requests.params(run.id, home)).paramsJson);
    } catch (error) {
      // Without its request nobody knows; nearly all rows of such a run ask for its schema.
      if (isBatchrunError(error, 'E_STATE_CORRUPT') || isBatchrunError(error, 'E_FILE')) return true;
      throw error;
    }
  }
}

/** May an answer that does not follow the schema be asked for again? Of a run that is canceled nothing is. */
export function asksAgain(run: Pick<RunRecord, 'settings' | 'state'>): boolean {
  return run.state === 'active' && run.settings.retryLane !== 'none' && wishesOf(run).onSchemaError === 'retry';
}

/** Does a request ask for the format of the run's schema, and not for one of its own? */
export function asksForSchema({ settings: { schema } }: Pick<RunRecord, 'settings'>, paramsJson: string): boolean {
  const { output_config: config } = JSON.parse(paramsJson) as { readonly output_config?: unknown };
  return isObject(config) && settingHash(config['format']) === schema?.formatHash;
}

/** A try that brought no answer, of a row that has one: paid, though it does not follow the schema, and so kept. */
export function keepDeviant(row: CollectedRow, before: RowRecord | undefined): CollectedRow {
  if (!before || !hasDeviant(before)) return row;
  const { errorType, result } = before;
  return { ...row, to: row.to === 'retry' ? 'retry' : 'failed', errorType, result };
}
