/** Which rows are looked at in place of all: even over every chunk, the longest beside them, the same each time. */
import { describe, expect, test } from 'vitest';
import { sampleRows } from '../../../../src/engine/preflight/row-sample.ts';
import { lab, row, rows, type Json } from '../lab.ts';

const long = (at: number, chars: number): Json => ({
  ...row(at),
  params: { model: 'claude-haiku-5-5', max_tokens: 50, messages: [{ role: 'user', content: 'y'.repeat(chars) }] },
});

async function seqs(input: readonly Json[], chunkRows: number, count: number, longest: number): Promise<number[]> {
  const room = lab();
  const run = await room.submit(input, { settings: { chunkRows } });
  return (await sampleRows(room, run.id, { count, longest })).map(({ seq }) => seq);
}

describe('a sample of a run', () => {
  test.each([1, 3, 10, 100])(
    'is spread evenly over the input, however it is cut (%i rows a chunk)',
    async (chunkRows) => {
      expect(await seqs(rows(20), chunkRows, 4, 0)).toEqual([2, 7, 12, 17]);
      expect(await seqs(rows(3), chunkRows, 10, 0)).toEqual([0, 1, 2]);
      expect(await seqs(rows(7), chunkRows, 7, 0)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    },
  );

  test('has the longest rows beside the others, and says which they are', async () => {
    const room = lab();
    const input = [...rows(10), long(10, 500), ...rows(5).map((_, at) => row(20 + at)), long(16, 900)];
    const run = await room.submit(input, { settings: { chunkRows: 4 } });
    const sample = await sampleRows(room, run.id, { count: 2, longest: 2 });
    expect(sample.map(({ seq, isLongest, maxTokens }) => [seq, isLongest, maxTokens])).toEqual([
      [4, false, 100],
      [10, true, 50],
      [12, false, 100],
      [16, true, 50],
    ]);
    expect(sample[3]?.bytes).toBe(Buffer.byteLength(sample[3]?.paramsJson ?? ''));
    expect(JSON.parse(sample[1]?.paramsJson ?? '')).toMatchObject({ max_tokens: 50 });
  });

  test('leaves out what is larger than can be looked at', async () => {
    const room = lab();
    const run = await room.submit([...rows(4), long(4, 900), long(5, 3_000)]);
    const sample = await sampleRows(room, run.id, { count: 6, longest: 1, bytesMax: 2_000 });
    expect(sample.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4]);
    const tallest = await sampleRows(room, run.id, { count: 1, longest: 1, bytesMax: 2_000 });
    expect(tallest.map(({ seq }) => seq)).toEqual([3, 4]);
  });

  test('is there before the run counts', async () => {
    const room = lab();
    let seen: readonly number[] = [];
    await room.ingest(rows(9), {
      request: {
        dryRun: true,
        confirm: async ({ runId, mix }) => {
          seen = (await sampleRows(room, runId, { count: 3, longest: 0 })).map(({ seq }) => seq);
          return mix;
        },
      },
    });
    expect(seen).toEqual([1, 4, 7]);
  });
});
