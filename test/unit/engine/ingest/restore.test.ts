/**
 * Chunk files and row files that were lost or altered are made again when the same input is submitted again, and only
 * if they are what was sealed.
 */
import { describe, expect, test } from 'vitest';
import { lab, rows, type Json, type Lab } from '../lab.ts';

const BODY = (runId: string, chunkNo: number): string => `runs/${runId}/chunks/00000${chunkNo}.json`;
const ROWS = (runId: string, chunkNo: number): string => `runs/${runId}/rows/00000${chunkNo}.jsonl`;

async function overwrite({ files }: Lab, path: string, text: string): Promise<void> {
  const writer = await files.create(path);
  await writer.write(Buffer.from(text));
  await writer.commit();
}

async function textOf({ files }: Lab, path: string): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of files.stream(path, 0, (await files.size(path)) ?? 0)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** Three chunks, of which every second row has betas, so that chunks lie between each other. */
function mixed(count: number): Json[] {
  return rows(count).map((row, at) => (at % 3 === 1 ? { ...row, betas: ['beta-a-2026-01-01'] } : row));
}

async function sealed(): Promise<Lab & { readonly runId: string; readonly before: ReadonlyMap<string, string> }> {
  const room = lab();
  const run = await room.submit(mixed(11), { settings: { chunkRows: 4 } });
  const before = new Map<string, string>();
  for (const { chunkNo } of await room.store.chunks(run.id)) {
    for (const path of [BODY(run.id, chunkNo), ROWS(run.id, chunkNo)]) before.set(path, await textOf(room, path));
  }
  return { ...room, runId: run.id, before };
}

/** Another chunk size: the files are not those of the second reading. */
const AGAIN = { settings: { chunkRows: 3 } } as const;

describe('the same input again', () => {
  test('makes every missing file anew, byte for byte', async () => {
    const room = await sealed();
    for (const path of room.before.keys()) await room.files.remove(path);
    const report = await room.ingest(mixed(11), AGAIN);
    expect(report).toMatchObject({ verdict: { kind: 'exists', runId: room.runId }, restored: room.before.size });
    for (const [path, text] of room.before) expect(await textOf(room, path)).toBe(text);
  });

  test('leaves what is whole alone', async () => {
    const room = await sealed();
    expect(await room.ingest(mixed(11), AGAIN)).toMatchObject({ restored: 0 });
    for (const [path, text] of room.before) expect(await textOf(room, path)).toBe(text);
  });

  test('mends a truncated file by its size, and an altered one once its chunk was blocked', async () => {
    const room = await sealed();
    const [short, altered] = [BODY(room.runId, 1), BODY(room.runId, 2)];
    await overwrite(room, short, 'short');
    const text = room.before.get(altered) ?? '';
    await overwrite(room, altered, text.replace('question', 'QUESTION'));
    const block = { reason: 'chunk_damaged', scope: 'chunk:2', message: '', hint: '', sinceMs: 0 };
    await (await room.driver()).setBlocks(room.runId, [block], 0);
    expect(await room.ingest(mixed(11), AGAIN)).toMatchObject({ restored: 2 });
    for (const path of [short, altered]) expect(await textOf(room, path)).toBe(room.before.get(path));
  });

  test('puts nothing in place that is not what was sealed', async () => {
    const room = await sealed();
    const path = BODY(room.runId, 1);
    await room.files.remove(path);
    room.db.run("UPDATE chunks SET sha256 = 'another' WHERE chunk_no = 1 AND run_id = ?", room.runId);
    expect(await room.ingest(mixed(11), AGAIN)).toMatchObject({ restored: 0 });
    expect(await room.files.size(path)).toBeNull();
  });
});
