/**
 * A folder for what does not fit into memory (host/scratch.ts). It goes away with the command, also where that ends by a
 * signal; only a kill leaves it.
 */
import type { Files } from '../../domain/ports.ts';
import { makeScratchFolder } from '../../host/scratch.ts';
import { filesIn } from '../context-files.ts';

export async function withScratch<T>(work: (files: Files) => Promise<T>): Promise<T> {
  return withScratchFolder(async (folder) => work(await filesIn(folder)));
}

export async function withScratchFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const { path, remove } = makeScratchFolder();
  // The second Ctrl-C ends the process at once.
  process.on('exit', remove);
  try {
    return await work(path);
  } finally {
    process.off('exit', remove);
    remove();
  }
}
