/**
 * What a command's end means: exit codes from what became of the runs. Of several the gravest counts, in the order
 * 1, 5, 4, 3, 0 (README, "Exit codes").
 */
import type { RunRecord } from '../../domain/model.ts';
import { countsAsFailed } from '../../domain/fail-if.ts';

export const EXIT = { ok: 0, unexpected: 1, usage: 2, rowsFailed: 3, notFinished: 4, blocked: 5, locked: 6 } as const;

const GRAVITY: readonly number[] = [EXIT.unexpected, EXIT.blocked, EXIT.notFinished, EXIT.rowsFailed, EXIT.ok];

/** The exit code of one run as it stands. `failIf` given now wins over the one of the submit. */
export function exitOfRun(run: RunRecord, failIf: string | undefined): number {
  if (run.state !== 'done') return run.blocked.length > 0 ? EXIT.blocked : EXIT.notFinished;
  return countsAsFailed(run.rows, run.totalRows, failIf ?? run.settings.failIf) ? EXIT.rowsFailed : EXIT.ok;
}

export function gravest(codes: readonly number[]): number {
  return GRAVITY.find((code) => codes.includes(code)) ?? EXIT.ok;
}
