/** Rows become bytes once: whatever their size and text, each is found again in its block, and the prints are the fingerprint's. */
import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import { printOf, printOfInvalid } from '../../../../src/domain/fingerprint.ts';
import { hashOf } from '../../../../src/domain/id-hash.ts';
import { prepareRows, readBlocks, type PrepareOptions } from '../../../../src/domain/row/prepare-rows.ts';
import { idHashAt, memoryOf, newBlockMemory, rowAt } from '../../../../src/domain/row/row-block.ts';
import { createRowReader } from '../../../../src/domain/row/reader.ts';
import { encodeRowEntry } from '../../../../src/domain/row-file.ts';
import type { RowSource, SourceRecord } from '../../../../src/domain/source.ts';

const reader = createRowReader({ nowMs: 0 });

/** What came out of the blocks, copied before the next one was asked for. */
interface Out {
  readonly prints: string;
  readonly rows: readonly { seq: number; params: string; line: string; model: string; maxTokens: number }[];
  readonly hashes: readonly number[];
  readonly refused: readonly number[];
  readonly notices: Record<string, number>;
  readonly ids: readonly (string | undefined)[];
  readonly blocks: number;
  readonly records: number;
  readonly first: string | null;
}

function sourceOf(records: readonly SourceRecord[]): RowSource {
  return {
    columns: [],
    async *records() {
      for (let at = 0; at < records.length; at += 50) yield records.slice(at, at + 50);
    },
    progress: () => ({ readBytes: 1, totalBytes: 2 }),
  };
}

async function prepared(records: readonly SourceRecord[], more: Partial<PrepareOptions> = {}): Promise<Out> {
  const options = { source: sourceOf(records), read: reader.read, inputCount: 1, limit: null, ...more };
  let prints = '';
  const rows: Out['rows'][number][] = [];
  const [hashes, refused, ids]: [number[], number[], (string | undefined)[]] = [[], [], []];
  const notices: Record<string, number> = {};
  let [blocks, seen, first]: [number, number, string | null] = [0, 0, null];
  for await (const { block, progress } of prepareRows(options).blocks()) {
    expect(progress).toEqual({ readBytes: 1, totalBytes: 2 });
    prints += block.prints.toString();
    for (let at = 0; at < block.rowCount; at++) {
      const { seq, params, line, kind, id } = rowAt(block, at);
      rows.push({
        seq,
        params: params.toString(),
        line: line.toString(),
        model: kind.model,
        maxTokens: kind.maxTokens,
      });
      hashes.push(idHashAt(block, at));
      ids.push(id);
    }
    refused.push(...block.refused.map((entry) => entry.seq));
    for (const { code, rows: count } of block.notices) notices[code] = (notices[code] ?? 0) + count;
    seen = block.records;
    first ??= block.firstParamsJson;
    blocks++;
  }
  return { prints, rows, hashes, refused, notices, ids, blocks, records: seen, first };
}

/** Records as JSON Lines would give them: plain or not, small and larger than a block, some that cannot be sent. */
function drawn(seed: number): SourceRecord[] {
  const rng = seededRng(seed);
  return Array.from({ length: 400 }, (_unused, at): SourceRecord => {
    const text = ['plain', 'é💶', '"\\\n', '\u2028', 'x'][integerBetween(rng, 0, 4)] ?? '';
    const repeat =
      integerBetween(rng, 0, 60) === 0 ? integerBetween(rng, 100_000, 700_000) : integerBetween(rng, 1, 900);
    const max = integerBetween(rng, 0, 20) === 0 ? -1 : integerBetween(rng, 1, 12);
    const content = text.repeat(repeat);
    const value = {
      ...(rng.next() < 0.8 ? { custom_id: `id ${at} ${text.slice(0, 4)}` } : {}),
      params: { model: 'claude-haiku-5-5', max_tokens: max, messages: [{ role: 'user', content }] },
      ...(rng.next() < 0.3 ? { betas: ['b'] } : {}),
      ...(rng.next() < 0.3 ? { topic: text, more: [1, { a: null }] } : {}),
    };
    return { file: 0, line: at + 1, value, plain: /^[\x20-\x5b\x5d-\x7e]*$/.test(JSON.stringify(value)) };
  });
}

describe.each([1, 2, 3, 4])('drawn records %i', (seed) => {
  test('come out as they went in, one after the other', async () => {
    const records = drawn(seed);
    const out = await prepared(records, { keepIds: true });
    let prints = '';
    const [rows, hashes, refused]: [Out['rows'][number][], number[], number[]] = [[], [], []];
    for (const [seq, record] of records.entries()) {
      const reading = reader.read(record);
      if (!reading.ok) {
        prints += printOfInvalid(record.line, 0);
        refused.push(seq);
        continue;
      }
      const { customId = String(record.line), paramsJson, model, maxTokens, betas, columns } = reading.row;
      const columnsJson = columns === undefined ? '' : JSON.stringify(columns);
      prints += printOf({ customId, paramsJson, betas, columnsJson });
      const entry = { id: customId, line: record.line, ...(columns === undefined ? {} : { columns }) };
      rows.push({ seq, params: paramsJson, line: encodeRowEntry(entry), model, maxTokens });
      hashes.push(hashOf(customId));
      expect(out.ids[rows.length - 1]).toBe(customId);
    }
    expect(out.prints === prints).toBe(true);
    expect(out.rows).toEqual(rows);
    expect(out).toMatchObject({ hashes, refused, records: records.length, first: rows[0]?.params });
    expect(out.blocks).toBeGreaterThan(1);
  });
});

const good = (at: number): SourceRecord => {
  const params = { model: 'claude-haiku-5-5', max_tokens: 8, messages: [{ role: 'user', content: 'hi' }] };
  return { file: 0, line: at + 1, value: { custom_id: `row-${at}`, params }, plain: true };
};

test('many small rows, and rows of many kinds, fill block after block', async () => {
  const records = Array.from({ length: 20_000 }, (_unused, at) => {
    const one = good(at);
    const { params } = one.value as { params: object };
    return { ...one, value: { custom_id: `row-${at}`, params: { ...params, max_tokens: (at % 37) + 1 } } };
  });
  const out = await prepared(records);
  expect(out.rows.map((row) => row.maxTokens)).toEqual(records.map((_record, at) => (at % 37) + 1));
  expect(out.rows.every((row, at) => row.seq === at)).toBe(true);
});

test('a limit ends the reading, and takes what came before it', async () => {
  const records = Array.from({ length: 130 }, (_unused, at) => good(at));
  expect(await prepared(records, { limit: 70 })).toMatchObject({ records: 70, blocks: 1 });
  expect((await prepared(records, { limit: 70 })).rows).toHaveLength(70);
});

test('whoever wants to stop gets what there is after each batch of records', async () => {
  const records = Array.from({ length: 200 }, (_unused, at) => good(at));
  expect(await prepared(records, { stopping: () => true })).toMatchObject({ records: 200, blocks: 4 });
});

test('refused records do not gather without end: what they were made of is held', async () => {
  const records = Array.from({ length: 3_000 }, (_unused, at): SourceRecord => ({ file: 0, line: at + 1, value: 7 }));
  const out = await prepared(records);
  expect(out.refused).toHaveLength(3_000);
  expect(out.blocks).toBeGreaterThan(10);
});

test('a notice is counted for all rows that it touches', async () => {
  const records = Array.from({ length: 5 }, (_unused, at): SourceRecord => {
    const params = { model: 'claude-haiku-5-5', max_tokens: 8, messages: [{ role: 'user', content: 'hi' }] };
    return { file: 0, line: at + 1, value: { custom_id: `row-${at}`, params: { ...params, stream: false } } };
  });
  expect((await prepared(records)).notices).toEqual({ stream_dropped: 5 });
});

test('memory that comes back from another thread is used again; a block of its own size is not kept', async () => {
  const large = good(0);
  const params = {
    model: 'claude-haiku-5-5',
    max_tokens: 8,
    messages: [{ role: 'user', content: 'é'.repeat(900_000) }],
  };
  const records = [good(0), { ...large, value: { custom_id: 'large', params }, plain: false }, good(2)];
  let memory = newBlockMemory();
  const sizes: number[] = [];
  const options = { source: sourceOf(records), read: reader.read, inputCount: 1, limit: null };
  for await (const { block } of readBlocks(options, { first: memory, next: () => (memory = newBlockMemory()) })) {
    const { prints, lines, places } = block;
    sizes.push(prints.buffer.byteLength);
    const again = memoryOf([prints.buffer, lines.buffer, places.buffer] as ArrayBuffer[]);
    expect([again.prints.length, again.lines.length]).toEqual([1_048_576, 1_048_576]);
  }
  expect(sizes.map((bytes) => bytes > 1_048_576)).toEqual([false, true, false]);
});

test('a refused element of an array is told by its line, and called by its number', async () => {
  const source = sourceOf([{ file: 0, line: 25, element: 85, value: 7 }]);
  for await (const { block } of prepareRows({ source, read: reader.read, inputCount: 1, limit: null }).blocks()) {
    expect(block.refused).toMatchObject([{ seq: 0, line: 25, id: '85' }]);
    expect(JSON.parse(block.refused[0]?.text ?? '')).toMatchObject({ seq: 0, line: 25, id: '85' });
  }
});
