/** Creates: the caps, the waits, refusals that split a chunk down to the row, and where a retry goes. */
import { describe, expect, test } from 'vitest';
import { CREATES_PER_CHUNK_MAX, LONG_OUTPUT_BETA } from '../../../../src/domain/limits.ts';
import type { RetryLaneMode, RunRecord } from '../../../../src/domain/model.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll, pollInterval } from '../../../../src/engine/poll/poll.ts';
import { RealtimeLane } from '../../../../src/engine/realtime/realtime.ts';
import { retryRound } from '../../../../src/engine/retry/retry.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { erroredLine, lab, refused, row, rows, wire, type Lab, type LabOptions, type SubmitOptions } from '../lab.ts';

async function ready(
  count: number,
  options: LabOptions & SubmitOptions = {},
): Promise<Lab & { run: RunRecord; the: Session }> {
  const room = lab(options);
  const run = await room.submit(rows(count), options);
  return { ...room, run, the: await room.session() };
}

async function chunksOf({ store, run }: Lab & { run: RunRecord }): Promise<string[]> {
  return (await store.chunks(run.id)).map((chunk) => `${chunk.state} ${chunk.rowCount}`);
}

const tooLarge = { status: 413, type: 'request_too_large' } as const;

describe('the caps', () => {
  test('hold over all runs of this origin, and doubtful batches count', async () => {
    const it = await ready(3, { settings: { chunkRows: 1 }, pacing: { maxBatches: 3 } });
    const other = await it.submit(
      rows(2).map((one, at) => ({ ...one, custom_id: `other-${at}` })),
      { settings: { chunkRows: 1 } },
    );
    it.api.onCreate = () => {
      throw refused({ status: 500, type: 'api_error' });
    };
    expect(await uploadRound(it.the, [other.id, it.run.id])).toEqual({ uploaded: 0, full: true, waiting: 2 });
    expect(await chunksOf(it)).toEqual(['uncertain 1', 'sealed 1', 'sealed 1']);
  });

  test('429 waits as long as the API asks, and nothing was made', async () => {
    const it = await ready(2, { settings: { chunkRows: 1 } });
    it.api.onCreate = () => {
      throw refused({ status: 429, type: 'rate_limit_error', retryAfterMs: 120_000 });
    };
    expect(await uploadRound(it.the, [it.run.id])).toEqual({ uploaded: 0, full: false, waiting: 2 });
    it.api.onCreate = (body) => it.api.make(body);
    it.clock.advance(119_999);
    expect(await uploadRound(it.the, [it.run.id])).toMatchObject({ uploaded: 0 });
    it.clock.advance(1);
    expect(await uploadRound(it.the, [it.run.id])).toMatchObject({ uploaded: 2 });
  });

  test('a create that was broken off at a stop is not said to have been refused', async () => {
    const it = await ready(1);
    // Before its tail: after it the stop waits for the answer.
    it.api.createBatch = () => Promise.reject(refused({ connection: 'aborted' }));
    await uploadRound(it.the, [it.run.id]);
    expect(await chunksOf(it)).toEqual(['sealed 1']);
    expect(it.events.filter(({ kind }) => kind === 'upload.waits')).toEqual([]);
  });

  test.each([
    [401, 'authentication_error', 'credentials'],
    [403, 'permission_error', 'permission'],
    [402, 'billing_error', 'billing'],
  ])('%i blocks every run, keeps the chunk and sends nothing more', async (status, type, reason) => {
    const it = await ready(2, { settings: { chunkRows: 1 } });
    it.api.onCreate = () => {
      throw refused({ status, type });
    };
    await uploadRound(it.the, [it.run.id]);
    await uploadRound(it.the, [it.run.id]);
    expect(it.api.calls.filter((call) => call === 'create')).toHaveLength(1);
    expect(await chunksOf(it)).toEqual(['sealed 1', 'sealed 1']);
    expect((await it.store.run(it.run.id))?.blocked.map((block) => block.reason)).toEqual([reason]);
  });
});

describe('a refusal of rows', () => {
  test('413 cuts a chunk in two, and again, until the one row fails alone', async () => {
    const it = await ready(8);
    it.api.onCreate = (body) => {
      if (body.includes('"question 5"')) throw refused(tooLarge);
      return it.api.make(body);
    };
    await uploadRound(it.the, [it.run.id]);
    expect((await chunksOf(it)).filter((text) => !text.startsWith('split'))).toEqual([
      'submitted 4',
      'submitted 2',
      'submitted 1',
      'refused 1',
    ]);
    expect(await it.store.rowRecord(it.run.id, 5)).toMatchObject({
      state: 'failed',
      errorType: 'batchrun_refused_request_too_large',
    });
    expect((await it.store.run(it.run.id))?.rows).toMatchObject({ in_batch: 7, failed: 1, waiting: 0 });
  });

  test('a row that the message names fails at once, and the rest goes on', async () => {
    const it = await ready(8);
    it.api.onCreate = (body) => {
      if (body.includes('"question 3"'))
        throw refused({ status: 400, type: 'invalid_request_error', message: 'requests.3.params.model: bad' });
      return it.api.make(body);
    };
    await uploadRound(it.the, [it.run.id]);
    expect(await chunksOf(it)).toEqual(['split 8', 'submitted 7', 'refused 1']);
    expect(await it.store.rowRecord(it.run.id, 3)).toMatchObject({
      state: 'failed',
      errorType: 'batchrun_refused_invalid_request_error',
    });
    const { requests } = JSON.parse(it.api.bodies.at(-1) ?? '') as { requests: { params: unknown }[] };
    expect(requests.map((request) => request.params)).toEqual([0, 1, 2, 4, 5, 6, 7].map((at) => row(at)['params']));
  });

  test('is tried so many times, then a person is asked; other chunks go on', async () => {
    const it = await ready(60, { settings: { chunkRows: 50 } });
    it.api.onCreate = (body) => {
      if (body.includes('"question 55"')) return it.api.make(body);
      throw refused({ status: 400, type: 'invalid_request_error', message: 'requests.0: bad' });
    };
    await uploadRound(it.the, [it.run.id]);
    expect(it.api.calls.filter((call) => call === 'create')).toHaveLength(CREATES_PER_CHUNK_MAX + 1);
    expect((await it.store.run(it.run.id))?.blocked).toMatchObject([{ reason: 'creates_exhausted' }]);
    expect((await it.store.chunks(it.run.id, { states: ['submitted'] })).map((chunk) => chunk.rowCount)).toEqual([10]);
  });
});

describe('the lane of a retry', () => {
  async function lanes(
    failing: number,
    total: number,
    retryLane: RetryLaneMode,
    betas: readonly string[] = [],
  ): Promise<{ realtime: number; batch: number; states: unknown }> {
    const room = lab();
    const input = Array.from({ length: total }, (_unused, at) => row(at, betas.length > 0 ? { betas } : {}));
    const run = await room.submit(input, { settings: { retryLane, chunkRows: 100_000 } });
    const the = await room.session();
    await uploadRound(the, [run.id]);
    const { rowCount, batchId } = (await room.store.chunk(run.id, 1)) ?? { rowCount: 0, batchId: '' };
    const lines = Array.from({ length: rowCount }, (_unused, at) =>
      at < failing ? erroredLine(wire(run, 1, at)) : `{"custom_id":"${wire(run, 1, at)}","result":{"type":"canceled"}}`,
    );
    room.api.end(batchId ?? '', lines, { errored: failing, canceled: rowCount - failing });
    await poll(the);
    await collectRound(the, [run.id]);
    const lane = new RealtimeLane(the, [run.id], () => undefined);
    await retryRound(the, lane, [run.id]);
    const retries = await room.store.chunks(run.id, { kind: 'retry' });
    let realtime = 0;
    for (let seq = 0; seq < total; seq++) if (lane.has({ runId: run.id, seq })) realtime++;
    return {
      realtime,
      batch: retries.reduce((sum, chunk) => sum + chunk.rowCount, 0),
      states: (await room.store.run(run.id))?.rows,
    };
  }

  test.each<[string, number, RetryLaneMode, readonly string[], { realtime: number; batch: number }]>([
    ['few', 100, 'auto', [], { realtime: 100, batch: 0 }],
    ['many', 101, 'auto', [], { realtime: 0, batch: 101 }],
    ['few, forced', 3, 'batch', [], { realtime: 0, batch: 3 }],
    ['many, forced', 101, 'realtime', [], { realtime: 101, batch: 0 }],
    ['with the long output', 3, 'realtime', [LONG_OUTPUT_BETA], { realtime: 0, batch: 3 }],
    ['none', 3, 'none', [], { realtime: 0, batch: 0 }],
  ])('%s (%i, %s)', async (_what, failing, mode, betas, expected) => {
    expect(await lanes(failing, 150, mode, betas)).toMatchObject(expected);
  });

  test('none: they fail, or are expired', async () => {
    expect((await lanes(3, 10, 'none')).states).toMatchObject({ retry: 0, failed: 3, canceled: 7 });
  });
});

test.each([
  [30_000, 0, null, 30_000],
  [30_000, 600_000, null, 30_000],
  [30_000, 1_200_000, null, 60_000],
  [30_000, 86_400_000, null, 300_000],
  [200, 0, null, 200],
  [200, 86_400_000, null, 2_000],
  [30_000, 0, 45_000, 45_000],
  [200, 0, 10_000, 10_000],
])('the next look: base %i, age %i, asked %s: %i', (base, age, asked, expected) => {
  expect(pollInterval(base, age, asked)).toBe(expected);
});
