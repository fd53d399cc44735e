/**
 * Whether results may go where they are asked for: refused before anything is sent where they would destroy an input or
 * another run's results, or cannot be written.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BatchrunError, messageOf } from '../base/errors.ts';
import type { OutputFormat, RunRecord } from '../domain/model.ts';
import type { MovedOutput } from '../domain/store-steps.ts';

export interface OutputChoice {
  readonly output: string | null;
  readonly format: OutputFormat;
  readonly errors: string | null;
  readonly overwrite: boolean;
}

/** Fills in `{run}` and `{date}` (the day of the submit, local time). */
export function fillIn(path: string, run: { readonly id: string; readonly createdAtMs: number }): string {
  const day = new Date(run.createdAtMs);
  const date = [day.getFullYear(), day.getMonth() + 1, day.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
  return path.replaceAll('{run}', run.id).replaceAll('{date}', date);
}

export interface OutputCheck {
  readonly choice: OutputChoice;
  readonly inputs: readonly string[];
  /** The run that will write them; its own earlier files may be replaced. */
  readonly runId: string | null;
  readonly runs: readonly RunRecord[];
}

/** Refuses outputs that would destroy an input, each other, or what another run or somebody else has written. */
export function checkOutputs({ choice, inputs, runId, runs }: OutputCheck): void {
  const { output, errors, overwrite } = choice;
  if (output !== null && output === errors) {
    throw new BatchrunError('E_OUTPUT_TAKEN', `--output and --errors are the same file: ${output}`);
  }
  for (const path of [output, errors]) {
    if (path === null || path === '-') continue;
    // Not even with --overwrite: the input would be gone with the first result.
    if (inputs.includes(path))
      throw new BatchrunError('E_OUTPUT_TAKEN', `${path} is an input of this run`, { hint: OTHER_FILE });
    if (!path.includes('{run}')) checkPath({ path, overwrite, runId, runs });
  }
}

const OTHER_FILE = 'Give another file.';

interface PathCheck {
  readonly path: string;
  readonly overwrite: boolean;
  readonly runId: string | null;
  readonly runs: readonly RunRecord[];
}

function checkPath({ path, overwrite, runId, runs }: PathCheck): void {
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new BatchrunError('E_OUTPUT_TAKEN', `the output ${path} is a folder`, { hint: 'Give a file with --output.' });
  }
  const folder = dirname(path);
  if (!existsSync(folder)) {
    throw new BatchrunError('E_USAGE', `the folder of the output does not exist: ${folder}`, {
      hint: 'Make it, or give another file with --output.',
    });
  }
  try {
    accessSync(folder, constants.W_OK);
    if (existsSync(path)) accessSync(path, constants.W_OK);
  } catch (error) {
    throw new BatchrunError('E_USAGE', `the output ${path} cannot be written: ${messageOf(error)}`, {
      hint: 'Check the permissions, or give another file with --output.',
    });
  }
  const other = runs.find((run) => run.id !== runId && (run.output === path || run.errors === path));
  const own = runs.some((run) => run.id === runId && (run.output === path || run.errors === path));
  if (overwrite || own) return;
  if (other && other.state !== 'done') {
    throw new BatchrunError('E_OUTPUT_TAKEN', `${path} is the output of ${other.id}, which is not finished`, {
      hint: `Give another file with --output. Where that run was a mistake: \`batchrun cancel ${other.id}\` stops it, and --overwrite lets this one have its file; what that run has, and it may be paid, is then written beside, under its own name.`,
    });
  }
  if (existsSync(path)) {
    const whose = other ? `was written by ${other.id}` : 'exists already';
    throw new BatchrunError('E_OUTPUT_TAKEN', `the output ${path} ${whose}`, {
      hint: 'Give another file with --output ({date} and {run} are filled in), or allow it with --overwrite.',
    });
  }
}

/** What a person must know where a run writes to another file than was said before. */
export function movedText({ runId, from, to }: MovedOutput, ofRunId: string): string {
  return runId === ofRunId
    ? `${from} has become the output of another run: this one writes ${to}.`
    : `${from} was the output of ${runId}, which is not finished: that run writes ${to} now.`;
}

/** Was the file of this run deleted? A folder that is gone as well was meant to go. */
export function outputIsGone({ output }: RunRecord): boolean {
  return output !== null && output !== '-' && !existsSync(output) && existsSync(dirname(output));
}
