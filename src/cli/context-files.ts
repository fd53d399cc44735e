/**
 * The part of the composition root (context.ts) for commands that look at files and have no state: rows as they stand in
 * an input, and the files of a folder.
 */
import type { Files } from '../domain/ports.ts';
import type { RawRows } from '../domain/source.ts';
import type { Flags } from './flags/options.ts';

/** The rows of one input as they stand there. */
export async function openRaw(input: string, { inputFormat }: Flags): Promise<RawRows> {
  const { openRawRows } = await import('../adapters/sources/raw-rows.ts');
  return openRawRows(input, { stdin: process.stdin, ...(inputFormat === undefined ? {} : { format: inputFormat }) });
}

/** Files of a folder that is no state. */
export async function filesIn(folder: string): Promise<Files> {
  return (await import('../adapters/disk-files.ts')).createDiskFiles(folder);
}
