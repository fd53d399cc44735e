/**
 * Where a reading may put rows aside that do not fit into memory: the state folder, or one for temporary files.
 */
import type { SpoolParts } from '../engine/ingest/spools.ts';
import { preparedFolder } from './state-folder.ts';

/** Makes the folder where there is none. Loaded only where something is shuffled. */
export async function openSpools(folder: string): Promise<SpoolParts> {
  preparedFolder(folder);
  const { createLocks } = await import('../adapters/sqlite/locks.ts');
  const { systemRng } = await import('../base/random.ts');
  const { createDiskFiles } = await import('../adapters/disk-files.ts');
  return { files: createDiskFiles(folder), locks: createLocks(folder), rng: systemRng };
}
