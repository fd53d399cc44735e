/**
 * What a run's failures are, as people and scripts see them: rows whose answer does not follow the schema count as one
 * kind, and apart by what is wrong with them.
 */
import { deviationKind, deviationOf, publicErrorType } from '../../domain/schema-error.ts';

export interface FailureView {
  readonly failures: Readonly<Record<string, number>>;
  /** By kind (`minimum at /price`): how many rows, the most frequent first. */
  readonly schema_errors: Readonly<Record<string, number>>;
}

/** Kinds beyond so many are one. */
const KINDS_MAX = 20;
const OTHERS = 'others';

/** By the error types of the ledger. */
export function viewFailures(counts: Readonly<Record<string, number>>): FailureView {
  const failures = new Map<string, number>();
  const kinds = new Map<string, number>();
  for (const [errorType, count] of Object.entries(counts)) {
    add(failures, publicErrorType(errorType), count);
    const deviation = deviationOf(errorType);
    if (deviation) add(kinds, deviationKind(deviation), count);
  }
  const sorted = [...kinds].sort(([, one], [, other]) => other - one);
  const rest = sorted.slice(KINDS_MAX).reduce((sum, [, count]) => sum + count, 0);
  const shown = rest === 0 ? sorted : [...sorted.slice(0, KINDS_MAX), [OTHERS, rest] as const];
  return { failures: Object.fromEntries(failures), schema_errors: Object.fromEntries(shown) };
}

function add(sums: Map<string, number>, name: string, count: number): void {
  sums.set(name, (sums.get(name) ?? 0) + count);
}
