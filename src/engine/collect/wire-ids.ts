/**
 * From the custom_id of a result line to the row of its chunk, and back. Our own wire ids say it themselves; in an
 * adopted batch they are the user's ids, which the row file has.
 */
import { paths, tagOf } from '../../domain/ids.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import type { Files } from '../../domain/ports.ts';
import { wireId } from '../../domain/result-line.ts';
import { decodeRowEntry, rowFileLines } from '../../domain/row-file.ts';

/** The place of a row in its chunk; null for an id that none of its rows has. */
export type IndexOf = (customId: string) => number | null;

export async function wireIdReader(files: Files, chunk: ChunkRecord): Promise<IndexOf> {
  return chunk.wire === 'own' ? ownIds(files, chunk) : taggedIds(chunk);
}

export function taggedIds(chunk: Pick<ChunkRecord, 'runId' | 'chunkNo' | 'rowCount'>): IndexOf {
  const prefix = wireId(tagOf(chunk.runId), chunk.chunkNo, 0).slice(0, -1);
  return (customId) => {
    if (!customId.startsWith(prefix)) return null;
    const digits = customId.slice(prefix.length);
    const index = Number(digits);
    // Only as we write it: no other text stands for a row.
    return index >= 0 && index < chunk.rowCount && String(index) === digits ? index : null;
  };
}

/** At most 100,000 ids of 64 characters: a batch holds no more. */
async function ownIds(files: Files, chunk: ChunkRecord): Promise<IndexOf> {
  const places = new Map<string, number>();
  for await (const { bytes } of rowFileLines(files.stream(paths.rows(chunk.runId, chunk.chunkNo)))) {
    places.set(decodeRowEntry(bytes.toString()).id, places.size);
  }
  return (customId) => places.get(customId) ?? null;
}
