/**
 * Temporary files of processes that died while they wrote: nobody counts them, but each may be as large as a chunk or
 * an output. Only the driver clears them away: whoever else writes does so in a run that is still being read.
 */
import { paths } from '../../domain/ids.ts';
import type { Files } from '../../domain/ports.ts';

/** As `Files.create` names what is not committed yet. */
const TEMPORARY = /\.[0-9a-f]{8}\.tmp$/;

/** Of chunks, row files and results of a run. */
export async function clearRunLeftovers(files: Files, runId: string): Promise<void> {
  for (const folder of ['chunks', 'rows', 'results']) {
    await clear(files, `${paths.run(runId)}/${folder}`, () => true);
  }
}

/** Of an output: in its folder, and only what bears its name. */
export async function clearOutputLeftovers(files: Files, path: string): Promise<void> {
  const slash = path.lastIndexOf('/');
  await clear(files, path.slice(0, slash) || '/', (stem) => stem === path.slice(slash + 1));
}

async function clear(files: Files, folder: string, belongs: (stem: string) => boolean): Promise<void> {
  for (const name of await files.list(folder)) {
    if (TEMPORARY.test(name) && belongs(name.replace(TEMPORARY, ''))) await files.remove(`${folder}/${name}`);
  }
}
