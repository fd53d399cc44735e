/** A chunk file is the body of a create, to the byte, and every row is found again in it by the packed index. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { decodeRequestIndex } from '../../../../src/domain/packed-index.ts';
import { paths } from '../../../../src/domain/ids.ts';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import { ChunkWriter, type ChunkRow, type ChunkTarget } from '../../../../src/engine/ingest/chunk-writer.ts';
import { createMemoryFiles, type MemoryDisk } from '../../../support/memory-files.ts';

const RUN = 'run_0123456789abcdef';
const TARGET: ChunkTarget = {
  runId: RUN,
  tag: '0123456789abcdef',
  chunkNo: 3,
  kind: 'input',
  betas: [],
  parentNo: null,
};

function chunkRow({ seq, paramsJson, rowLine }: { seq: number; paramsJson: string; rowLine: string }): ChunkRow {
  const kind = { model: 'm', maxTokens: 10 };
  return { seq, params: Buffer.from(paramsJson), line: Buffer.from(rowLine), kind };
}

function fileOf(disk: MemoryDisk, path: string): Buffer {
  return disk.contents().get(`/state/${path}`) ?? Buffer.alloc(0);
}

/** Rows of any size with texts that need more bytes than characters. */
function drawnRows(seed: number): { paramsJson: string; rowLine: string; seq: number }[] {
  const rng = seededRng(seed);
  let seq = 0;
  return Array.from({ length: integerBetween(rng, 1, 40) }, () => {
    seq += integerBetween(rng, 1, 5);
    const text = ['é', '💶', 'plain', '"\\', '\u2028'][integerBetween(rng, 0, 4)]?.repeat(
      integerBetween(rng, 0, 40_000),
    );
    return { seq, paramsJson: JSON.stringify({ text, seq }), rowLine: `{"id":"${seq}","line":${seq}}\n` };
  });
}

describe.each([1, 2, 3, 4, 5, 6])('drawn rows %i', (seed) => {
  test('are parsed, found again by the index, and counted exactly', async () => {
    const disk = createMemoryFiles();
    const writer = new ChunkWriter(disk.files(), TARGET);
    const rows = drawnRows(seed);
    for (const row of rows) {
      const before = writer.bytes;
      const adds = writer.requestBytes(Buffer.byteLength(row.paramsJson));
      await writer.add(chunkRow(row));
      expect(writer.bytes - before).toBeLessThanOrEqual(adds);
    }
    const expected = writer.bytes;
    const chunk = await writer.seal();
    const body = fileOf(disk, paths.body(RUN, 3));
    const rowFile = fileOf(disk, paths.rows(RUN, 3));
    expect({ bytes: chunk.bytes, sha256: chunk.sha256, rowCount: chunk.rowCount, firstSeq: chunk.firstSeq }).toEqual({
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
      rowCount: rows.length,
      firstSeq: rows[0]?.seq,
    });
    expect(expected).toBe(body.length);
    const { requests } = JSON.parse(body.toString()) as { requests: { custom_id: string; params: unknown }[] };
    expect(requests).toEqual(
      rows.map((row, at) => ({ custom_id: `0123456789abcdef-3-${at}`, params: JSON.parse(row.paramsJson) as unknown })),
    );
    const index = decodeRequestIndex(chunk.requestIndex);
    for (const [at, row] of rows.entries()) {
      const { seq, requestOffset, requestBytes, rowOffset, rowBytes } = index.at(at);
      expect(seq).toBe(row.seq);
      expect(body.subarray(requestOffset, requestOffset + requestBytes).toString()).toBe(
        `{"custom_id":"0123456789abcdef-3-${at}","params":${row.paramsJson}}`,
      );
      expect(rowFile.subarray(rowOffset, rowOffset + rowBytes).toString()).toBe(row.rowLine);
    }
    expect(chunk.mix).toMatchObject({ m: { rows: rows.length, maxTokens: rows.length * 10 } });
  });
});

test('a retry chunk has no row file', async () => {
  const disk = createMemoryFiles();
  const writer = new ChunkWriter(disk.files(), { ...TARGET, kind: 'retry' });
  await writer.add(chunkRow({ seq: 5, paramsJson: '{}', rowLine: '' }));
  const chunk = await writer.seal();
  expect([...disk.contents().keys()]).toEqual([`/state/${paths.body(RUN, 3)}`]);
  expect(decodeRequestIndex(chunk.requestIndex).at(0)).toMatchObject({ seq: 5, rowBytes: 0 });
});

test('a chunk that was given up leaves nothing', async () => {
  const disk = createMemoryFiles();
  const writer = new ChunkWriter(disk.files(), TARGET);
  await writer.add(chunkRow({ seq: 0, paramsJson: JSON.stringify('x'.repeat(600_000)), rowLine: 'a\n' }));
  await writer.abort();
  expect([...disk.contents().keys()]).toEqual([]);
});
