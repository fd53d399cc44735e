/** From rows to a run: ids that occur twice, rows that cannot be sent, the same rows again, and nothing left behind. */
import { describe, expect, test } from 'vitest';
import { paths } from '../../../../src/domain/ids.ts';
import { decodeRequestIndex } from '../../../../src/domain/packed-index.ts';
import { walkRows } from '../../../../src/engine/output/walk.ts';
import { errorOf, lab, row, rows, type Json, type Lab } from '../lab.ts';

const bare = (at: number): Json => ({ params: row(at)['params'] });
const bad = (id: string): Json => ({ custom_id: id, params: { model: 'claude-haiku-5-5' } });
const skip = { request: { onInvalid: 'skip' } } as const;

async function walked(room: Lab, input: readonly Json[], chunkRows = 2): Promise<[string, string, string | null][]> {
  const run = await room.submit(input, { ...skip, settings: { chunkRows } });
  const seen: [string, string, string | null][] = [];
  for await (const it of walkRows(room, run)) seen.push([it.entry.id, it.state, it.errorType]);
  return seen;
}

describe('ids that occur twice', () => {
  test('refuse the whole input, with the place of the other', async () => {
    const room = lab();
    const error = await errorOf(room.ingest([row(1), row(2), row(1)]));
    expect(error).toMatchObject({
      code: 'E_INPUT_INVALID',
      details: { problems: [{ line: 3, code: 'duplicate_id' }] },
    });
    expect((error as { details: { problems: { message: string }[] } }).details.problems[0]?.message).toContain(
      'row on line 1',
    );
  });

  test('with skip keep the first, wherever the chunks end', async () => {
    const input = [row(1), row(2), row(3), row(1), row(4), row(2), row(1)];
    for (const chunkRows of [1, 2, 3, 100]) {
      expect(await walked(lab(), input, chunkRows)).toEqual([
        ['row-1', 'waiting', null],
        ['row-2', 'waiting', null],
        ['row-3', 'waiting', null],
        ['row-1', 'invalid', 'batchrun_duplicate_id'],
        ['row-4', 'waiting', null],
        ['row-2', 'invalid', 'batchrun_duplicate_id'],
        ['row-1', 'invalid', 'batchrun_duplicate_id'],
      ]);
    }
  });

  test('an explicit id wins over a line number, also where it comes later', async () => {
    const input = [bare(1), { ...row(2), custom_id: '1' }, bare(3)];
    expect((await walked(lab(), input)).map(([id, state]) => [id, state])).toEqual([
      ['1', 'invalid'],
      ['1', 'waiting'],
      ['3', 'waiting'],
    ]);
    const error = await errorOf(lab().ingest(input));
    expect(error).toMatchObject({
      details: { problems: [{ line: 1, message: expect.stringContaining('would get its line number') }] },
    });
  });

  test('leave chunks that are whole bodies, and none that is empty', async () => {
    const room = lab();
    const run = await room.submit([row(1), row(2), row(1), row(2), row(3)], { ...skip, settings: { chunkRows: 2 } });
    const chunks = await room.store.chunks(run.id);
    expect(chunks.map((chunk) => [chunk.chunkNo, chunk.rowCount])).toEqual([
      [1, 2],
      [3, 1],
    ]);
    for (const chunk of chunks) {
      const body = room.disk.contents().get(`/state/${paths.body(run.id, chunk.chunkNo)}`) ?? Buffer.alloc(0);
      expect(body.length).toBe(chunk.bytes);
      const { requests } = JSON.parse(body.toString()) as { requests: { custom_id: string }[] };
      const { rowCount } = decodeRequestIndex((await room.store.chunkIndex(run.id, chunk.chunkNo)).requests);
      expect([requests.length, rowCount]).toEqual([chunk.rowCount, chunk.rowCount]);
    }
    expect(run.rows).toMatchObject({ waiting: 3, invalid: 2 });
  });

  test('take nothing away from what the others may cost', async () => {
    const tools = [{ name: 'look', input_schema: { type: 'object' }, cache_control: { type: 'ephemeral' } }];
    const withTools = (at: number): Json => ({ ...row(at), params: { ...(row(at)['params'] as Json), tools } });
    const once = [withTools(1), withTools(2), withTools(3)];
    const mixOf = async (input: readonly Json[]): Promise<unknown> => {
      const room = lab();
      const run = await room.submit(input, skip);
      return (await room.store.chunks(run.id)).map(({ mix }) => mix);
    };
    const mix = await mixOf(once);
    expect(JSON.stringify(mix)).toMatch(/"cachingRows":3,"addedTokens":[1-9]/);
    expect(await mixOf([...once, withTools(2)])).toEqual(mix);
  });
});

describe('rows that cannot be sent', () => {
  test('leave no run and no file', async () => {
    const room = lab();
    const error = await errorOf(room.ingest([row(1), bad('b'), bad('c')], { settings: { chunkRows: 1 } }));
    expect(error).toMatchObject({ code: 'E_INPUT_INVALID', exit: 2, message: expect.stringContaining('2 of 3 rows') });
    expect(await room.store.runs({ ingesting: true })).toEqual([]);
    expect([...room.disk.contents().keys()]).toEqual([]);
  });

  test('with skip have their places in the output', async () => {
    const seen = await walked(lab(), [bad('a'), row(1), bad('b'), row(2), bad('c')]);
    expect(seen.map(([id, state]) => `${id} ${state}`)).toEqual([
      'a invalid',
      'row-1 waiting',
      'b invalid',
      'row-2 waiting',
      'c invalid',
    ]);
  });

  test('and nothing else: refused even with skip', async () => {
    expect(await errorOf(lab().ingest([bad('a')], skip))).toMatchObject({ code: 'E_INPUT_INVALID' });
    expect(await errorOf(lab().ingest([]))).toMatchObject({ code: 'E_INPUT_EMPTY' });
  });
});

describe('the same rows again', () => {
  test('are the same run, however they are chunked', async () => {
    const room = lab();
    const first = await room.submit(rows(5));
    const again = await room.ingest(rows(5), { settings: { chunkRows: 2 } });
    expect(again.verdict).toEqual({ kind: 'exists', runId: first.id });
    expect((await room.store.runs({ ingesting: true })).map((run) => run.id)).toEqual([first.id]);
    const files = [...room.disk.contents().keys()];
    expect(files.filter((path) => !path.includes(first.id))).toEqual([]);
  });

  test('are another run when asked for, after a cancel, or when one row differs', async () => {
    const room = lab();
    const first = await room.submit(rows(3));
    expect((await room.ingest(rows(3), { request: { again: true } })).verdict.kind).toBe('ready');
    expect((await room.ingest(rows(4))).verdict.kind).toBe('ready');
    await room.store.requestCancel(first.id, room.clock.now());
    expect((await room.ingest(rows(3).slice(0, 2))).verdict.kind).toBe('ready');
  });

  test('a dry run leaves nothing, and says what would be sent', async () => {
    const room = lab();
    const report = await room.ingest(rows(3), { request: { dryRun: true }, limit: 2 });
    expect(report).toMatchObject({ verdict: { kind: 'dry_run' }, rows: 2, chunks: 1 });
    expect(JSON.parse(report.firstParamsJson ?? '')).toEqual(row(0)['params']);
    expect([await room.store.runs({ ingesting: true }), [...room.disk.contents().keys()]]).toEqual([[], []]);
  });
});

test('a stop while reading leaves nothing', async () => {
  const room = lab();
  room.stop.abort();
  expect(await errorOf(room.ingest(rows(9)))).toMatchObject({ code: 'E_NOT_FINISHED' });
  expect([await room.store.runs({ ingesting: true }), [...room.disk.contents().keys()]]).toEqual([[], []]);
});
