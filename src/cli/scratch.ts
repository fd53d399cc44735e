/**
 * A folder for what does not fit into memory: below the system's folder for temporary files (TMPDIR), for its owner
 * alone. It goes away with the command, also where that ends by a signal; only a kill leaves it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchrunError, messageOf } from '../base/errors.ts';
import type { Files } from '../domain/ports.ts';
import { filesIn } from './context-files.ts';

export async function withScratch<T>(work: (files: Files) => Promise<T>): Promise<T> {
  return withScratchFolder(async (folder) => work(await filesIn(folder)));
}

export async function withScratchFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), 'batchrun-'));
  } catch (error) {
    throw new BatchrunError('E_FILE', `no temporary folder can be made in ${tmpdir()}: ${messageOf(error)}`, {
      hint: 'Set TMPDIR to a folder that can be written.',
      cause: error,
    });
  }
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // The second Ctrl-C ends the process at once.
  process.on('exit', remove);
  try {
    return await work(folder);
  } finally {
    process.off('exit', remove);
    remove();
  }
}
