/**
 * Helpers for the tests of sources: real files in a temp folder of their own, and everything a source yields at once.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { openSource } from '../../../../src/adapters/sources/open-source.ts';
import type { SourceOptions } from '../../../../src/adapters/sources/open-source.ts';
import type { SourceRecord } from '../../../../src/domain/source.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'batchrun-sources-'));
  folders.push(folder);
  return folder;
}

export async function tempFile(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(await tempFolder(), name);
  await writeFile(path, content);
  return path;
}

export async function readAll(inputs: readonly string[], options?: SourceOptions): Promise<SourceRecord[]> {
  const source = await openSource(inputs, options);
  const records: SourceRecord[] = [];
  for await (const batch of source.records()) records.push(...batch);
  return records;
}

export async function collect(batches: AsyncIterable<Iterable<SourceRecord>>): Promise<SourceRecord[]> {
  const records: SourceRecord[] = [];
  for await (const batch of batches) records.push(...batch);
  return records;
}

/** `line value` or `line !code` for each record: short enough to compare a whole reading at a glance. */
export function outline(records: readonly SourceRecord[]): string[] {
  return records.map(({ line, value, problem }) => `${line} ${problem ? `!${problem.code}` : JSON.stringify(value)}`);
}

/** A stream of these chunks. */
export async function* stream(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk);
}

/** Cuts bytes into pieces of a size: the readers must not care where chunks end. */
export async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
