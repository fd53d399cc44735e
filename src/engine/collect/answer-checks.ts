/**
 * The checks of runs whose answers must follow a schema: each compiled once for a driver, and only when it is needed.
 */
import type { AnswerCheck } from '../../domain/answer-check.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Engine } from '../engine.ts';

/** Runs of one driver with different schemas are few; a compiled one takes some hundred kilobytes. */
const CHECKS_MAX = 8;

export class AnswerChecks {
  readonly #engine: Pick<Engine, 'schemas'>;
  readonly #checks = new Map<string, Promise<AnswerCheck>>();

  constructor(engine: Pick<Engine, 'schemas'>) {
    this.#engine = engine;
  }

  /** Null where any answer will do. */
  of({ id, settings: { schema } }: Pick<RunRecord, 'id' | 'settings'>): Promise<AnswerCheck> | null {
    if (!schema) return null;
    const known = this.#checks.get(id);
    if (known) return known;
    const [oldest] = this.#checks.keys();
    if (oldest !== undefined && this.#checks.size >= CHECKS_MAX) this.#checks.delete(oldest);
    const check = this.#engine.schemas.compile(schema);
    this.#checks.set(id, check);
    return check;
  }
}
