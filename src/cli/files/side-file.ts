/**
 * Where a file about a run goes that is none of its results: a report, the ledger as lines.
 */
import { resolve } from 'node:path';
import { BatchrunError } from '../../base/errors.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Ledger } from '../../domain/ledger.ts';
import { checkOutputs, fillIn } from '../../host/output-check.ts';

/** What was typed: an output from the environment or the configuration file is where results go, and nothing else. */
export interface TypedTarget {
  readonly output: string | undefined;
  readonly overwrite: boolean;
}

/** Like any other output, and never in place of what a run reads or writes. `-` stays what it is. */
export async function sideFile(
  ledger: Pick<Ledger, 'runs'>,
  run: RunRecord,
  target: { readonly output: string; readonly overwrite: boolean },
): Promise<string> {
  if (target.output === '-') return '-';
  const path = resolve(fillIn(target.output, run));
  const runs = await ledger.runs();
  const other = runs.find((one) => one.output === path || one.errors === path);
  if (other) {
    const hint = 'Give another file.';
    throw new BatchrunError('E_OUTPUT_TAKEN', `${path} is the output of ${other.id}`, { hint });
  }
  const choice = { output: path, errors: null, format: 'jsonl', overwrite: target.overwrite } as const;
  checkOutputs({ choice, inputs: runs.flatMap((one) => one.inputs), runId: null, runs });
  return path;
}
