/**
 * What an audit has to say: checks, each with what was found, and findings, each with what it costs and what to type
 * next. The shape is that of `--json`: fields may be added, never removed; what is not known is null.
 */
import type { UsageEntry } from '../../domain/model.ts';

/** Each kind belongs to one check. */
const FINDING_CHECKS = {
  /** A batch bears the tag of the run, and the ledger does not know it: paid for nothing. */
  orphan: 'batches',
  /** A second batch of a chunk. */
  duplicate: 'batches',
  /** A batch bears the tag of the run, and its chunk still waits for it. */
  unclaimed: 'batches',
  /** It may bear the tag of the run: nobody can tell before it has ended, or ever. */
  undecided: 'batches',
  /** The batch of a chunk that has no results yet is not at the API. */
  batch_missing: 'chunks',
  /** The answer to a create got lost, and nobody has found out yet what came of it. */
  in_doubt: 'chunks',
  /** The key sees other batches than those of the run. */
  other_workspace: 'chunks',
  /** Paid, and gone before it was collected. */
  results_lost: 'chunks',
  row_unaccounted: 'rows',
  row_twice: 'rows',
  counters_off: 'rows',
  ledger_damaged: 'rows',
  file_missing: 'files',
  file_damaged: 'files',
} as const;

export type FindingKind = keyof typeof FINDING_CHECKS;
export type CheckName = (typeof FINDING_CHECKS)[FindingKind] | 'costs';

export interface Finding {
  readonly kind: FindingKind;
  readonly chunk: number | null;
  readonly batch: string | null;
  readonly rows: number | null;
  /** What was paid for nothing; null where nothing was, or where nobody knows. */
  readonly cost_usd: number | null;
  readonly since: string | null;
  readonly message: string;
  readonly hint: string;
}

/** True: in order. False: off. Null: it could not be checked. */
export interface Check {
  readonly name: CheckName;
  readonly ok: boolean | null;
  readonly found: string;
}

export interface RunAudit {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly findings: readonly Finding[];
  /** Worth knowing, and nothing is off because of it. */
  readonly notes: readonly Finding[];
  readonly cost_usd: RunCost;
}

export interface RunCost {
  /** What the ledger says; null where an answer came from a model without a known price. */
  readonly spent: number | null;
  /** Paid, and nothing uses it: orphans and duplicates. Null where a part of it is not known. */
  readonly unused: number | null;
  /** The part of it that is known. */
  readonly unused_known: number;
}

export interface ApiReached {
  readonly base_url: string;
  readonly reached: boolean;
  /** Batches that were looked at in the list. */
  readonly listed: number | null;
  readonly error: { readonly message: string; readonly hint: string; readonly blocked: boolean } | null;
}

export interface AuditReport {
  /** Nothing is off, and everything could be checked. */
  readonly ok: boolean;
  /** Everything could be checked. */
  readonly complete: boolean;
  readonly api: ApiReached;
  readonly runs: readonly RunAudit[];
  /** What is off and belongs to no run. */
  readonly findings: readonly Finding[];
  readonly cost_usd: RunCost;
}

type FindingParts = Pick<Finding, 'message' | 'hint'> & Partial<Omit<Finding, 'kind' | 'message' | 'hint'>>;

export function finding(kind: FindingKind, parts: FindingParts): Finding {
  return { kind, chunk: null, batch: null, rows: null, cost_usd: null, since: null, ...parts };
}

/** Findings and notes as they come together. */
export class FindingList {
  readonly findings: Finding[] = [];
  readonly notes: Finding[] = [];

  add(...found: readonly Finding[]): void {
    this.findings.push(...found);
  }

  note(...found: readonly Finding[]): void {
    this.notes.push(...found);
  }

  count(check: CheckName): number {
    return this.findings.filter(({ kind }) => FINDING_CHECKS[kind] === check).length;
  }
}

/** A sum of costs, some of which may not be known. */
export function sumCosts(costs: readonly (number | null)[]): { readonly all: number | null; readonly known: number } {
  const known = costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0);
  return { all: costs.includes(null) ? null : known, known };
}

/** Null where an answer came from a model without a known price. */
export function spentUsd(usage: readonly UsageEntry[]): number | null {
  return sumCosts(usage.map((entry) => (entry.unpricedRows === 0 ? entry.costUsd : null))).all;
}

/** What was paid and is not used, of these findings. Notes are about batches that cost nothing, or nobody knows what. */
export function unusedUsd(findings: readonly Finding[]): Pick<RunCost, 'unused' | 'unused_known'> {
  const paid = findings.filter(({ kind }) => kind === 'orphan' || kind === 'duplicate');
  const { all, known } = sumCosts(paid.map((one) => one.cost_usd));
  return { unused: all, unused_known: known };
}

export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
