/** Records come out sorted, whatever their number, order and likeness, from memory and from disk. */
import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import {
  FileRecords,
  mergeRecords,
  RecordSorter,
  type RecordStream,
} from '../../../../src/engine/ingest/record-sorter.ts';
import { createMemoryFiles } from '../../../support/memory-files.ts';

const SHAPE = {
  recordBytes: 12,
  keyBytes: 10,
  prefixOf: (records: Buffer, at: number): number => records.readUInt32BE(at),
} as const;

async function all(stream: RecordStream): Promise<string[]> {
  const seen: string[] = [];
  for (let record = stream.current; record; record = stream.current) {
    seen.push(record.toString('hex'));
    await stream.advance();
  }
  await stream.close();
  return seen;
}

/** `likeness`: how many beginnings of keys there are. */
function recordsOf(seed: string, count: number, likeness: number): Buffer[] {
  const rng = seededRng(seed);
  return Array.from({ length: count }, (_unused, at) => {
    const record = Buffer.alloc(12);
    record.writeUInt32BE(integerBetween(rng, 0, likeness - 1) * 1_000, 0);
    record.writeUIntBE(at, 4, 6);
    record.writeUInt16BE(at % 7, 10);
    return record;
  });
}

describe.each([
  ['in memory', 100_000],
  ['with what was spilled', 64],
])('%s', (_name, block) => {
  test.each([
    [0, 10],
    [1, 1],
    [63, 1_000],
    [64, 2],
    [65, 1_000],
    [1_000, 1],
    [1_000, 3],
    [2_000, 1_000_000],
  ])('%i records of %i beginnings', async (count, likeness) => {
    const disk = createMemoryFiles();
    const sorter = new RecordSorter(disk.files(), (part) => `part-${part}.tmp`, SHAPE, block);
    const records = recordsOf(`sort ${count} ${likeness}`, count, likeness);
    for (const record of records) await sorter.add(record);
    expect(sorter.count).toBe(count);
    expect(await all(await sorter.sorted())).toEqual(records.map((record) => record.toString('hex')).sort());
    await sorter.clear();
    expect([...disk.contents().keys()]).toEqual([]);
  });
});

test('streams that are brought together keep their order where keys are the same', async () => {
  const record = (key: number, mark: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32BE(key);
    bytes.writeUInt16BE(mark, 10);
    return bytes;
  };
  const streams = await Promise.all([
    FileRecords.of(Buffer.concat([record(2, 1), record(5, 1)]), 12),
    FileRecords.of(Buffer.alloc(0), 12),
    FileRecords.of(Buffer.concat([record(1, 3), record(2, 3), record(5, 3)]), 12),
  ]);
  const merged = mergeRecords(streams, 10);
  const seen: [number, number, number][] = [];
  for (let one = merged.current; one; one = merged.current) {
    seen.push([one.readUInt32BE(0), one.readUInt16BE(10), merged.nth]);
    await merged.advance();
  }
  expect(seen).toEqual([
    [1, 3, 2],
    [2, 1, 0],
    [2, 3, 2],
    [5, 1, 0],
    [5, 3, 2],
  ]);
});
