/** Rows are sorted into chunks by betas, up to so many rows and bytes, each a little smaller than asked for. */
import { describe, expect, test } from 'vitest';
import { laneOfMix } from '../../../../src/domain/lane-mix.ts';
import { LONG_OUTPUT_BETA, OPEN_CHUNKS_MAX, REALTIME_BYTES_MAX } from '../../../../src/domain/limits.ts';
import type { Lane } from '../../../../src/domain/model.ts';
import type { Priority } from '../../../../src/domain/priority.ts';
import { worstCostUsd } from '../../../../src/domain/reserve.ts';
import type { NewChunk } from '../../../../src/domain/store-steps.ts';
import { ChunkSorter } from '../../../../src/engine/ingest/chunk-sorter.ts';
import { decodeRequestIndex } from '../../../../src/domain/packed-index.ts';
import { lab } from '../lab.ts';

const MODEL = 'claude-haiku-5-5';

interface Sorted {
  readonly chunks: readonly NewChunk[];
  readonly seqs: readonly (readonly number[])[];
  /** Those of the pilot, by the rows in them. */
  readonly pilot: readonly (readonly number[])[];
}

async function sort(
  rows: readonly {
    readonly betas?: readonly string[];
    readonly bytes?: number;
    readonly priority?: Priority | null;
    readonly lane?: Lane | null;
    readonly maxTokens?: number;
  }[],
  limits: {
    readonly chunkRows?: number;
    readonly chunkBytes?: number;
    readonly drawn?: number;
    readonly chunkUsdMax?: number;
    readonly pilotRows?: number;
  },
): Promise<Sorted> {
  const { chunkRows = 1_000, chunkBytes = 1_000_000, drawn = 0, chunkUsdMax = null, pilotRows = 0 } = limits;
  const chunks: NewChunk[] = [];
  const { engine } = lab({ rng: { next: () => drawn } });
  const sorter = new ChunkSorter(engine, {
    ...{
      runId: 'run_0123456789abcdef',
      tag: '0123456789abcdef',
      chunkRows,
      chunkBytes,
      wire: 'tag',
      chunkUsdMax,
      pilotRows,
    },
    onSealed: async (chunk) => void chunks.push(chunk),
  });
  for (const [seq, { betas = [], bytes = 10, priority = null, lane = null, maxTokens = 1 }] of rows.entries()) {
    const paramsJson = JSON.stringify('x'.repeat(bytes - 2));
    const [params, line] = [Buffer.from(paramsJson), Buffer.from(`{"id":"${seq}","line":1}\n`)];
    await sorter.add({ seq, params, line, kind: { model: MODEL, maxTokens, betas, priority, lane } });
  }
  await sorter.sealAll();
  const seqsOf = (chunk: NewChunk): number[] => [...decodeRequestIndex(chunk.requestIndex).seqs];
  const own = chunks.filter(({ chunkNo }) => sorter.pilotChunks.includes(chunkNo));
  return { chunks, seqs: chunks.map(seqsOf), pilot: own.map(seqsOf) };
}

const plain = (count: number): object[] => Array.from({ length: count }, () => ({}));

describe('rows of a priority of their own', () => {
  test('are in chunks of their own, which say it', async () => {
    const { chunks, seqs } = await sort([{}, { priority: 'low' }, {}, { priority: 'high' }, { priority: 'low' }], {});
    expect(chunks.map((chunk) => chunk.priority)).toEqual([null, 'low', 'high']);
    expect(seqs).toEqual([[0, 2], [1, 4], [3]]);
  });
});

describe('rows of a lane of their own', () => {
  test('are in chunks of their own, which say it', async () => {
    const rows = [
      {},
      { lane: 'realtime' },
      { lane: 'batch' },
      { lane: 'realtime', priority: 'high' },
      { lane: 'realtime' },
    ] as const;
    const { chunks, seqs } = await sort(rows, {});
    expect(chunks.map(({ mix, priority }) => [laneOfMix(mix), priority])).toEqual([
      [null, null],
      ['realtime', null],
      ['batch', null],
      ['realtime', 'high'],
    ]);
    expect(seqs).toEqual([[0], [1, 4], [2], [3]]);
  });
});

describe('a pilot', () => {
  test.each([
    [0, []],
    [1, [[0]]],
    [3, [[0, 1, 2]]],
    [9, [[0, 1, 2, 3, 4]]],
  ])('of %s rows is in chunks of its own', async (pilotRows, wanted) => {
    const { seqs, pilot } = await sort(plain(5), { pilotRows });
    expect(pilot).toEqual(wanted);
    expect(seqs.flat().sort()).toEqual([0, 1, 2, 3, 4]);
    expect(seqs).toHaveLength(pilotRows > 0 && pilotRows < 5 ? 2 : 1);
  });

  test('keeps to the size of chunks, and apart by betas and priority', async () => {
    const rows = [{}, { betas: ['a'] }, {}, { priority: 'low' as const }, {}, {}];
    const { pilot } = await sort(rows, { pilotRows: 5, chunkRows: 2 });
    expect([...pilot].sort()).toEqual([[0, 2], [1], [3], [4]]);
  });

  test('leaves out what no call can hold', async () => {
    const rows = [{ bytes: REALTIME_BYTES_MAX }, { betas: [LONG_OUTPUT_BETA] }, {}, {}, {}];
    const { pilot } = await sort(rows, { pilotRows: 2, chunkBytes: 200_000_000 });
    expect(pilot).toEqual([[2, 3]]);
  });
});

describe('with a budget', () => {
  test('no chunk may cost much more than its part of it', async () => {
    const rows = plain(400).map(() => ({ maxTokens: 1_000 }));
    const { chunks } = await sort(rows, { chunkUsdMax: 0.02 });
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks.slice(0, -1)) {
      const usd = worstCostUsd(chunk.mix, 'batch') ?? 0;
      expect(usd).toBeGreaterThanOrEqual(0.02);
      // It is looked at every fifty rows.
      expect(usd).toBeLessThan(0.04);
    }
    expect((await sort(rows, {})).chunks).toHaveLength(1);
  });
});

describe('the number of rows', () => {
  test('is kept without jitter', async () => {
    const { chunks } = await sort(plain(25), { chunkRows: 10 });
    expect(chunks.map((chunk) => chunk.rowCount)).toEqual([10, 10, 5]);
    expect(chunks.map((chunk) => chunk.chunkNo)).toEqual([1, 2, 3]);
  });

  test('is lowered by up to a hundredth, never raised, never to nothing', async () => {
    expect((await sort(plain(1_000), { chunkRows: 500, drawn: 0.999 })).chunks.map((chunk) => chunk.rowCount)).toEqual([
      496, 496, 8,
    ]);
    expect((await sort(plain(3), { chunkRows: 1, drawn: 0.999 })).chunks.map((chunk) => chunk.rowCount)).toEqual([
      1, 1, 1,
    ]);
  });
});

describe('the number of bytes', () => {
  test.each([300, 301, 333, 400, 1_000])('stays within %i and is used', async (chunkBytes) => {
    const { chunks } = await sort(
      plain(60).map(() => ({ bytes: 40 })),
      { chunkBytes },
    );
    for (const chunk of chunks) expect(chunk.bytes).toBeLessThanOrEqual(chunkBytes);
    const request = 40 + '{"custom_id":"0123456789abcdef-1-00","params":}'.length + 1;
    for (const chunk of chunks.slice(0, -1)) expect(chunk.bytes + request + 2).toBeGreaterThan(chunkBytes);
  });

  test('of one row may be more than a chunk asks for: it has one of its own', async () => {
    const { seqs } = await sort([{}, { bytes: 5_000 }, {}], { chunkBytes: 500 });
    expect(seqs).toEqual([[0], [1], [2]]);
  });
});

describe('betas', () => {
  test('never share a chunk', async () => {
    const rows = [{ betas: ['a'] }, {}, { betas: ['a'] }, { betas: ['a', 'b'] }, {}];
    const { chunks, seqs } = await sort(rows, {});
    expect(seqs).toEqual([[0, 2], [1, 4], [3]]);
    expect(chunks.map((chunk) => chunk.betas)).toEqual([['a'], [], ['a', 'b']]);
  });

  test('of more kinds than may be open at once: the oldest is sealed', async () => {
    const rows = Array.from({ length: OPEN_CHUNKS_MAX + 2 }, (_unused, at) => ({ betas: [`beta-${at}`] }));
    const { chunks } = await sort([...rows, { betas: ['beta-0'] }], {});
    expect(chunks).toHaveLength(OPEN_CHUNKS_MAX + 3);
    expect(chunks.filter((chunk) => chunk.betas[0] === 'beta-0').map((chunk) => chunk.firstSeq)).toEqual([
      0,
      OPEN_CHUNKS_MAX + 2,
    ]);
  });
});
