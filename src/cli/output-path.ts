/**
 * Where results go: the path is settled at submit, absolute, so that a cron job in another folder writes the same file;
 * and it is refused before anything is sent where it would destroy another run's results.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BatchrunError, messageOf } from '../base/errors.ts';
import type { OutputFormat, RunRecord } from '../domain/model.ts';
import type { Store } from '../domain/store.ts';
import type { Flags } from './options.ts';

export interface OutputChoice {
  readonly output: string | null;
  readonly format: OutputFormat;
  readonly errors: string | null;
  readonly overwrite: boolean;
}

/** The choice at submit. `{run}` stays until the run has an id. */
export function chooseOutput(flags: Flags, inputs: readonly string[]): OutputChoice {
  const format = flags.format ?? formatOf(flags.output) ?? 'jsonl';
  const output = flags.output ?? (flags.asCompleted === true ? null : defaultOutput(inputs, format));
  return {
    output: output === null ? null : absolute(output),
    format,
    errors: flags.errors === undefined ? null : absolute(flags.errors),
    overwrite: flags.overwrite === true,
  };
}

/** `-o results.csv` says what is wanted. */
function formatOf(output: string | undefined): OutputFormat | undefined {
  return output?.toLowerCase().endsWith('.csv') === true ? 'csv' : undefined;
}

function defaultOutput(inputs: readonly string[], format: OutputFormat): string {
  const extension = format === 'csv' ? 'csv' : 'jsonl';
  const first = inputs.find((input) => input !== '-');
  if (first === undefined) return `{run}.results.${extension}`;
  const stem = basename(first)
    .replace(/\.gz$/i, '')
    .replace(/\.(jsonl|ndjson|json|csv|tsv|txt)$/i, '');
  return join(dirname(first), `${stem}.results.${extension}`);
}

function absolute(path: string): string {
  return path === '-' ? path : resolve(path);
}

/** Fills in `{run}` and `{date}` (the day of the submit, local time). */
export function fillIn(path: string, run: { readonly id: string; readonly createdAtMs: number }): string {
  const day = new Date(run.createdAtMs);
  const date = [day.getFullYear(), day.getMonth() + 1, day.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
  return path.replaceAll('{run}', run.id).replaceAll('{date}', date);
}

/** What -o, --errors and --format given now make of a run's outputs; what is not given stays as it is. */
export function changedOutputs(flags: Flags, run: RunRecord): OutputChoice {
  const choice = chooseOutput(flags, run.inputs);
  return {
    output: flags.output === undefined || choice.output === null ? run.output : fillIn(choice.output, run),
    errors: choice.errors === null ? run.errors : fillIn(choice.errors, run),
    format: flags.format ?? (flags.output === undefined ? run.format : choice.format),
    overwrite: choice.overwrite,
  };
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

/** What was typed: an output from the environment or the configuration file is where results go, and nothing else. */
export interface TypedTarget {
  readonly output: string | undefined;
  readonly overwrite: boolean;
}

/** Where a file about a run goes: like any other output, and never in place of what a run reads or writes. */
export async function sideFile(
  store: Pick<Store, 'runs'>,
  run: RunRecord,
  target: { readonly output: string; readonly overwrite: boolean },
): Promise<string> {
  if (target.output === '-') return '-';
  const path = resolve(fillIn(target.output, run));
  const runs = await store.runs();
  const other = runs.find((one) => one.output === path || one.errors === path);
  if (other) throw new BatchrunError('E_OUTPUT_TAKEN', `${path} is the output of ${other.id}`, { hint: OTHER_FILE });
  const choice = { output: path, errors: null, format: 'jsonl', overwrite: target.overwrite } as const;
  checkOutputs({ choice, inputs: runs.flatMap((one) => one.inputs), runId: null, runs });
  return path;
}

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
    throw new BatchrunError('E_OUTPUT_TAKEN', `${path} is the output of ${other.id}, which is not finished`);
  }
  if (existsSync(path)) {
    const whose = other ? `was written by ${other.id}` : 'exists already';
    throw new BatchrunError('E_OUTPUT_TAKEN', `the output ${path} ${whose}`, {
      hint: 'Give another file with --output ({date} and {run} are filled in), or allow it with --overwrite.',
    });
  }
}
