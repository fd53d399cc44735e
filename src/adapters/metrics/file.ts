/**
 * `--metrics-file`: for the textfile collector of node_exporter, which reads whole files ending in `.prom` at any time.
 * Temporary name and rename, so that it never sees half of one. Not synced: it is written again in seconds.
 */
import { rename, rm, writeFile } from 'node:fs/promises';
import { fileError } from '../file-error.ts';

export async function writeMetrics(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError(error, file);
  }
}
