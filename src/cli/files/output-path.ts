/**
 * Where results go: the path is settled at submit, absolute, so that a cron job in another folder writes the same file.
 */
import { basename, dirname, join, resolve } from 'node:path';
import type { OutputFormat, RunRecord } from '../../domain/model.ts';
import { fillIn, type OutputChoice } from '../../host/output-check.ts';
import type { Flags } from '../flags/options.ts';

export { checkOutputs, fillIn, movedText, type OutputChoice } from '../../host/output-check.ts';

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
