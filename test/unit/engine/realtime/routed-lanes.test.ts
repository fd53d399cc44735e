/**
 * Rows whose route has chosen a lane: called at once or kept in batches, also when they are tried again, when their chunk
 * is cut up or written anew, and when a deadline presses.
 */
import { describe, expect, test } from 'vitest';
import { laneOfMix } from '../../../../src/domain/lane-mix.ts';
import { readRoutes } from '../../../../src/domain/routing/read-rules.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { hurryRound } from '../../../../src/engine/deadline/hurry.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { RealtimeLane } from '../../../../src/engine/realtime/realtime.ts';
import { retryRound } from '../../../../src/engine/retry/retry.ts';
import { drive } from '../../../../src/engine/runner.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import {
  erroredLine,
  HOLDER,
  lab,
  MINUTE_MS,
  refused,
  row,
  rows,
  wire,
  type Json,
  type Lab,
  type SubmitOptions,
} from '../lab.ts';

const ROUTES = readRoutes(
  {
    routes: [
      { name: 'now', when: { column: 'lane', equals: 'realtime' }, use: { lane: 'realtime' } },
      { name: 'cheap', when: { column: 'lane', equals: 'batch' }, use: { lane: 'batch', priority: 'low' } },
    ],
  },
  'r.yaml',
);

const inLane = (lane: string, at: number, more: Json = {}): Json => row(at, { lane, ...more });

async function submitted(it: Lab, records: readonly Json[], more: SubmitOptions = {}) {
  const run = await it.submit(records, { ...more, request: { routes: ROUTES, ...more.request } });
  const the = await it.session();
  const lane = new RealtimeLane(the, [run.id], () => undefined);
  return { run, the, lane, chunks: () => it.store.chunks(run.id) };
}

describe('rows of a route to the realtime lane', () => {
  test('are called, and the others of their run are uploaded', async () => {
    const it = lab();
    const records = [inLane('realtime', 0), row(1), inLane('batch', 2), inLane('realtime', 3), row(4)];
    const { run, the, lane, chunks } = await submitted(it, records);
    await hurryRound(the, lane, [run.id]);
    expect((await it.store.run(run.id))?.rows).toMatchObject({ retry: 2, waiting: 3 });
    expect((await uploadRound(the, [run.id])).uploaded).toBe(2);
    expect((await chunks()).map(({ mix, state, priority }) => [laneOfMix(mix), state, priority])).toEqual([
      ['realtime', 'canceled', null],
      [null, 'submitted', null],
      ['batch', 'submitted', 'low'],
    ]);
    expect(await retryRound(the, lane, [run.id])).toBe(0);
    expect(lane.waiting(run.id)).toBe(2);
  });

  test('are driven to their end without a batch', async () => {
    const it = lab();
    await it.submit(
      Array.from({ length: 12 }, (_, at) => inLane('realtime', at)),
      { request: { routes: ROUTES } },
    );
    const request = { runIds: null, once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null };
    expect(await it.clock.run(drive(it.engine, { ...request, goal: 'upload' }))).toBe('uploaded');
    expect(it.api.calls).not.toContain('message');
    expect(await it.clock.run(drive(it.engine, { ...request, goal: 'finish' }))).toBe('done');
    expect(it.api.calls.filter((call) => call === 'message')).toHaveLength(12);
    expect(it.api.calls).not.toContain('create');
  });

  test('go into batches where the run is forced there, and all are called where it is forced into the lane', async () => {
    for (const [wish, states] of [
      ['batch', ['submitted', 'submitted']],
      ['realtime', ['canceled', 'canceled']],
    ] as const) {
      const it = lab();
      const { run, the, lane, chunks } = await submitted(it, [inLane('realtime', 0), inLane('batch', 1)], {
        settings: { wishes: { lane: wish } },
      });
      await hurryRound(the, lane, [run.id]);
      await uploadRound(the, [run.id]);
      expect((await chunks()).map(({ state }) => state)).toEqual(states);
    }
  });
});

describe('rows of a route to the batch lane', () => {
  test('that are tried again go into another batch, which says why', async () => {
    const it = lab();
    const { run, the, lane, chunks } = await submitted(it, [inLane('batch', 0), inLane('batch', 1), row(2)]);
    await uploadRound(the, [run.id]);
    for (const { batchId, chunkNo, rowCount } of await chunks()) {
      const lines = Array.from({ length: rowCount }, (_, at) => erroredLine(wire(run, chunkNo, at)));
      it.api.end(batchId ?? '', lines, { errored: rowCount });
    }
    await poll(the);
    await collectRound(the, [run.id]);
    it.clock.advance(60 * MINUTE_MS);
    // The one without a route is called: few wait.
    expect(await retryRound(the, lane, [run.id])).toBe(1);
    expect(lane.waiting(run.id)).toBe(1);
    const retry = (await chunks()).find(({ kind }) => kind === 'retry');
    expect(retry).toMatchObject({ rowCount: 2, priority: 'low' });
    expect(retry && laneOfMix(retry.mix)).toBe('batch');
  });

  test('stay where they are when a deadline presses', async () => {
    const it = lab();
    const deadlineMs = it.clock.now() + 6 * MINUTE_MS;
    const { run, the, lane, chunks } = await submitted(it, [inLane('batch', 0), row(1)], {
      settings: { wishes: { deadlineMs } },
    });
    await uploadRound(the, [run.id]);
    await hurryRound(the, lane, [run.id]);
    const hurried = (await chunks()).map(({ mix, hurriedAtMs }) => [laneOfMix(mix), hurriedAtMs !== null]);
    expect(hurried).toEqual([
      ['batch', false],
      [null, true],
    ]);
  });
});

describe('the lane of a chunk', () => {
  test('goes over to the parts of one that is split', async () => {
    const it = lab();
    it.api.onCreate = (body) => {
      if ((JSON.parse(body) as { requests: unknown[] }).requests.length > 2)
        throw refused({ status: 413, type: 'request_too_large' });
      return it.api.make(body);
    };
    const { run, the, chunks } = await submitted(
      it,
      rows(4).map((one) => ({ ...one, lane: 'batch' })),
    );
    await uploadRound(the, [run.id]);
    await uploadRound(the, [run.id]);
    expect((await chunks()).map(({ mix, rowCount, priority }) => [laneOfMix(mix), rowCount, priority])).toEqual([
      ['batch', 4, 'low'],
      ['batch', 2, 'low'],
      ['batch', 2, 'low'],
    ]);
  });

  test('and its priority stay where rows are taken out because of their ids', async () => {
    const it = lab();
    const { chunks } = await submitted(it, [inLane('batch', 0), inLane('batch', 0), inLane('batch', 1)], {
      request: { onInvalid: 'skip' },
    });
    const [chunk] = await chunks();
    expect(chunk).toMatchObject({ rowCount: 2, priority: 'low' });
    expect(chunk && laneOfMix(chunk.mix)).toBe('batch');
  });
});

test('an ingest sums up what each route took, in the order of the rules', async () => {
  const it = lab();
  const records = [
    inLane('batch', 0),
    row(1),
    inLane('batch', 2, { params: { ...(row(2)['params'] as Json), max_tokens: 7 } }),
  ];
  const report = await it.ingest(records, { request: { routes: ROUTES } });
  expect(report.routes.map(({ name, rows: count, maxTokens, lane }) => [name, count, maxTokens, lane])).toEqual([
    ['now', 0, 0, 'realtime'],
    ['cheap', 2, 107, 'batch'],
    [null, 1, 100, null],
  ]);
  // Of whole requests, as the mix of the run has them; the length of a wire id is not known to the last digit.
  const bytes = Object.values(report.mix).reduce((sum, part) => sum + part.bytes, 0);
  const told = report.routes.reduce((sum, route) => sum + route.bytes, 0);
  expect(Math.abs(told - bytes)).toBeLessThanOrEqual(3 * records.length);
  expect(report.routes[1]?.mix['claude-haiku-5-5']).toMatchObject({ rows: 2, lanes: { batch: { rows: 2 } } });
  expect((await it.ingest([row(5)])).routes).toEqual([]);
});
