/**
 * Where a load test writes its report and its seconds: looked at before anything is sent, because a test that was paid
 * for and cannot be written down has to be paid for again, and an input that is written over is gone.
 */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import type { Flags } from '../flags/options.ts';

const OTHER_FILE = { hint: 'Give another file.' };

export function refuseOutputs(flags: Flags, inputs: readonly string[]): void {
  const { html, csv, mix, promptFile, systemFile } = flags;
  const read = [...inputs, mix, promptFile, systemFile].filter((file) => file !== undefined && file !== '-');
  const kept = new Set(read.map((file) => samePath(file ?? '')));
  for (const [flag, file] of [
    ['--html', html],
    ['--csv', csv],
  ] as const) {
    if (file === undefined) continue;
    if (kept.has(samePath(file))) {
      throw new BatchrunError('E_OUTPUT_TAKEN', `${flag} ${file} is what the test reads`, OTHER_FILE);
    }
    refuseUnwritable(flag, file);
  }
  // The report is renamed into its place: /dev/null would be an ordinary file from then on.
  if (html !== undefined && existsSync(html) && !statSync(html).isFile()) {
    throw new BatchrunError('E_USAGE', `--html ${html} is no ordinary file`, OTHER_FILE);
  }
  if (html !== undefined && csv !== undefined && samePath(html) === samePath(csv)) {
    throw new BatchrunError('E_OUTPUT_TAKEN', `--html and --csv are the same file: ${html}`, OTHER_FILE);
  }
}

function refuseUnwritable(flag: string, file: string): void {
  const path = resolve(file);
  const folder = dirname(path);
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new BatchrunError('E_USAGE', `${flag} ${file} is a folder`, OTHER_FILE);
  }
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new BatchrunError('E_USAGE', `nothing can be written to the folder of ${flag}: ${messageOf(error)}`, {
      cause: error,
      hint: 'Make the folder, or give another file. Nothing was sent.',
    });
  }
}

/** The same for two ways to one file. */
function samePath(file: string): string {
  const path = resolve(file);
  try {
    return realpathSync(path);
  } catch {
    // A file that is not there yet lies in a folder that may be.
    const folder = dirname(path);
    return existsSync(folder) ? join(realpathSync(folder), basename(path)) : path;
  }
}
