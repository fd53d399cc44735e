/**
 * Warming the prompt cache before batches: when it is called, when not, what of it the ledger keeps, and what a failure
 * comes to.
 */
import { describe, expect, test } from 'vitest';
import { armFailpoints } from '../../../../src/base/failpoint.ts';
import { findPrefixes } from '../../../../src/domain/cache/find-prefixes.ts';
import type { CacheSettings } from '../../../../src/domain/cache/settings.ts';
import type { CacheTtl } from '../../../../src/domain/cache/ttl.ts';
import type { RunRecord } from '../../../../src/domain/model.ts';
import type { MessageCall } from '../../../../src/domain/ports.ts';
import { createRowReader } from '../../../../src/domain/row/reader.ts';
import { prepareRows } from '../../../../src/domain/row/prepare-rows.ts';
import { drive } from '../../../../src/engine/runner.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import {
  HOLDER,
  HOUR_MS,
  lab,
  MESSAGE,
  MINUTE_MS,
  refused,
  sourceOf,
  type Json,
  type Lab,
  type SubmitOptions,
} from '../lab.ts';

const SYSTEM = 'what all rows share\n'.repeat(1_500);
const TOKENS = 7_500;

function rowsOf(count: number, system = SYSTEM, model = 'claude-haiku-5-5'): Json[] {
  return Array.from({ length: count }, (_unused, at) => ({
    custom_id: `row-${system.slice(0, 4)}-${at}`,
    params: { model, max_tokens: 10, system, messages: [{ role: 'user', content: `question ${at}` }] },
  }));
}

interface Marked {
  readonly ttl?: CacheTtl;
  readonly settings?: SubmitOptions['settings'];
}

/** Rows with marks, as the command line submits them. */
async function submit(
  made: Lab,
  rows: readonly Json[],
  { ttl = '1h', settings = {} }: Marked = {},
): Promise<RunRecord> {
  const found = findPrefixes(
    rows.map((row) => row['params'] as Json),
    { bytesMin: () => 1_000 },
  );
  const prefixes = found.map(({ rows: _rows, bytes: _bytes, ...prefix }) => ({ ...prefix, ttl }));
  const reader = createRowReader({ nowMs: made.clock.now(), cache: prefixes });
  const cache: CacheSettings = {
    ...{ mode: ttl, refused: [], declined: null },
    prefixes: prefixes.map(({ key, model }) => ({ key, model, ttl, tokens: TOKENS })),
  };
  const source = sourceOf(rows);
  return made.submit(rows, {
    settings: { chunkRows: 10, cache, ...settings },
    request: { rows: prepareRows({ source, read: (record) => reader.read(record), inputCount: 1, limit: null }) },
  });
}

function answer(usage: Json): string {
  return JSON.stringify({
    ...(JSON.parse(MESSAGE) as Json),
    content: [],
    usage: { input_tokens: 1, output_tokens: 0, ...usage },
  });
}

const written = (call: MessageCall): string =>
  answer({
    cache_creation_input_tokens: TOKENS,
    cache_creation: { ephemeral_1h_input_tokens: call.paramsJson.includes('1h') ? TOKENS : 0 },
  });

function warmLab(options: Parameters<typeof lab>[0] = {}): Lab & { readonly asked: MessageCall[] } {
  const made = lab(options);
  const asked: MessageCall[] = [];
  made.api.onMessage = async (call) => {
    asked.push(call);
    return written(call);
  };
  return { ...made, asked };
}

const order = (made: Lab): string[] => made.api.calls.filter((call) => call !== 'list');
const upload = async (made: Lab, ...runs: readonly RunRecord[]) => {
  const session = await made.session();
  return made.clock.run(
    uploadRound(
      session,
      runs.map(({ id }) => id),
    ),
  );
};

describe('before the batches of a run', () => {
  test('their prefix is written once, before the first of them, by a call without an answer', async () => {
    const made = warmLab();
    const run = await submit(made, rowsOf(35));
    expect(await upload(made, run)).toMatchObject({ uploaded: 4 });
    expect(order(made)).toEqual(['message', 'create', 'create', 'create', 'create']);
    const params = JSON.parse(made.asked[0]?.paramsJson ?? '') as Json;
    expect(params).toMatchObject({ max_tokens: 0, system: [{ text: SYSTEM, cache_control: { ttl: '1h' } }] });
    expect(made.api.bodies.every((body) => body.includes('"cache_control"'))).toBe(true);
    expect(made.events).toContainEqual(
      expect.objectContaining({ kind: 'cache.warm', runId: run.id, writtenTokens: TOKENS, readTokens: 0 }),
    );
  });

  test('each kind of rows has its own, and is warmed where its rows are', async () => {
    const made = warmLab();
    const run = await submit(made, [...rowsOf(10, `A${SYSTEM}`), ...rowsOf(10, `B${SYSTEM}`)]);
    await upload(made, run);
    expect(order(made)).toEqual(['message', 'create', 'message', 'create']);
    expect(made.asked.map(({ paramsJson }) => /"text":"(.)/.exec(paramsJson)?.[1])).toEqual(['A', 'B']);
  });

  test('nothing is warmed for rows without marks, for two of them, or with nothing to upload', async () => {
    const made = warmLab();
    const plain = await made.submit(rowsOf(10));
    const few = await submit(made, rowsOf(2, `few${SYSTEM}`));
    await upload(made, plain, few);
    expect(made.asked).toEqual([]);
    const many = await submit(made, rowsOf(20, `many${SYSTEM}`));
    await made.store.requestCancel(many.id, made.clock.now());
    await upload(made, many);
    expect(made.asked).toEqual([]);
  });

  test('nothing is warmed while there is no slot for a batch', async () => {
    const made = warmLab({ pacing: { maxBatches: 1 } });
    made.api.add('msgbatch_other', 3);
    const first = await submit(made, rowsOf(10, `one${SYSTEM}`));
    const second = await submit(made, rowsOf(10, `two${SYSTEM}`));
    expect(await upload(made, first, second)).toMatchObject({ uploaded: 1, full: true });
    expect(made.asked).toHaveLength(1);
  });
});

describe('what a warm-up used', () => {
  test('is in the usage and the cost of the run, and counts as no row', async () => {
    const made = warmLab();
    const run = await submit(made, rowsOf(10));
    await upload(made, run);
    const [usage] = await made.store.usage(run.id);
    // 0.20 USD a million for an hour, and one token as plain input.
    const costUsd = (TOKENS * 0.2 + 0.1) / 1e6;
    expect(usage).toMatchObject({ lane: 'realtime', rows: 0, cacheWrite1hTokens: TOKENS, outputTokens: 0 });
    expect(usage?.costUsd).toBeCloseTo(costUsd, 12);
    const now = await made.store.run(run.id);
    expect(now?.settings.cache?.warmUps).toMatchObject([{ calls: 1, cacheWrite1hTokens: TOKENS }]);
    expect(now?.realtimeReservedUsd).toBe(0);
    const view = await viewRun(made.store, now ?? run);
    expect(view.cache).toMatchObject({ warm_ups: 1, hit_share: null, read_tokens: 0, written_tokens: 0 });
    expect(view.cache?.saved_usd).toBeCloseTo(-costUsd, 9);
    expect(view.lanes['realtime']).toMatchObject({ rows: 0 });
    const events = (await made.store.events(run.id, { limit: 50 })).map(({ kind }) => kind);
    expect(events.filter((kind) => kind.startsWith('cache.'))).toEqual(['cache.warming', 'cache.warm']);
  });

  test('stays within the budget: without room for it the batch goes cold', async () => {
    const made = warmLab();
    // The chunk at its worst is 0.0183 USD.
    const run = await submit(made, rowsOf(10), { settings: { wishes: { maxCostUsd: 0.0185 } } });
    expect(await upload(made, run)).toMatchObject({ uploaded: 1 });
    expect(order(made)).toEqual(['create']);
    expect(made.events).toContainEqual(expect.objectContaining({ kind: 'cache.cold', cause: 'the budget' }));
  });

  test('shows that the prefix is too short: then there are no more', async () => {
    const made = warmLab({ pacing: { maxBatches: 1 } });
    made.api.onMessage = async () => answer({});
    const run = await submit(made, rowsOf(20));
    const session = await made.session();
    await made.clock.run(uploadRound(session, [run.id]));
    const now = (await made.store.run(run.id)) ?? run;
    expect(now.settings.cache?.prefixes).toMatchObject([{ useless: true }]);
    expect((await viewRun(made.store, now)).cache?.prefixes).toMatchObject([{ useless: true }]);
    await made.clock.run(made.clock.sleep(2 * HOUR_MS));
    made.api.listed = [];
    made.db.run("UPDATE chunks SET state = 'collected' WHERE chunk_no = 1");
    await made.clock.run(uploadRound(session, [run.id]));
    expect(order(made)).toEqual(['message', 'create', 'create']);
  });
});

describe('warmed within its lifetime', () => {
  test.each([
    ['1h', 50 * MINUTE_MS, 1],
    ['1h', 55 * MINUTE_MS, 2],
    ['5m', 4 * MINUTE_MS, 1],
    ['5m', 5 * MINUTE_MS, 2],
  ] as const)('by an earlier process (%s, %i ms ago): %i calls in all', async (ttl, laterMs, calls) => {
    const made = warmLab();
    const run = await submit(made, rowsOf(10), { ttl });
    await upload(made, run);
    await made.clock.run(made.clock.sleep(laterMs));
    const again = await submit(made, rowsOf(12), { ttl });
    await upload(made, again);
    expect(made.asked).toHaveLength(calls);
  });

  test('is a matter of the workspace: each has a cache of its own', async () => {
    const made = warmLab();
    await upload(made, await submit(made, rowsOf(10)));
    Object.defineProperty(made.api, 'workspace', { value: 'wrkspc_2' });
    await upload(made, await submit(made, rowsOf(12)));
    expect(made.asked).toHaveLength(2);
  });

  test('a chunk that waited for a slot for longer is warmed again just before it goes', async () => {
    const made = warmLab({ pacing: { maxBatches: 1 } });
    const run = await submit(made, rowsOf(20));
    const session = await made.session();
    await made.clock.run(uploadRound(session, [run.id]));
    expect(order(made)).toEqual(['message', 'create']);
    await made.clock.run(made.clock.sleep(HOUR_MS));
    made.api.listed = [];
    made.db.run("UPDATE chunks SET state = 'collected' WHERE chunk_no = 1");
    await made.clock.run(uploadRound(session, [run.id]));
    expect(order(made)).toEqual(['message', 'create', 'message', 'create']);
  });
});

describe('a warm-up that fails', () => {
  test('is tried again, and then read by all', async () => {
    const made = warmLab();
    let left = 2;
    made.api.onMessage = async (call) => {
      if (left-- > 0) throw refused({ status: 529, type: 'overloaded_error' });
      return written(call);
    };
    const run = await submit(made, rowsOf(10));
    await upload(made, run);
    expect(order(made)).toEqual(['message', 'message', 'message', 'create']);
    expect((await made.store.run(run.id))?.realtimeReservedUsd).toBe(0);
  });

  test('for good stops nothing, and the next batches do not wait for it anew', async () => {
    const made = warmLab();
    made.api.onMessage = async () => Promise.reject(refused({ status: 500, type: 'api_error' }));
    const run = await submit(made, rowsOf(30));
    expect(await upload(made, run)).toMatchObject({ uploaded: 3 });
    expect(order(made)).toEqual(['message', 'message', 'message', 'create', 'create', 'create']);
    expect(made.events.filter(({ kind }) => kind === 'cache.cold')).toHaveLength(1);
  });

  test('keeps its money reserved where nobody knows whether it was paid', async () => {
    const made = warmLab();
    made.api.onMessage = async () => Promise.reject(refused({ connection: 'lost' }));
    const run = await submit(made, rowsOf(10), { settings: { wishes: { maxCostUsd: 5 } } });
    await upload(made, run);
    expect((await made.store.run(run.id))?.realtimeReservedUsd).toBeGreaterThan(0);
  });

  test.each([401, 402, 403])('with %i is left to the create to find out', async (status) => {
    const made = warmLab();
    made.api.onMessage = async () => Promise.reject(refused({ status }));
    const run = await submit(made, rowsOf(10));
    expect(await upload(made, run)).toMatchObject({ uploaded: 1 });
    expect(order(made)).toEqual(['message', 'create']);
    expect((await made.store.run(run.id))?.blocked).toEqual([]);
  });

  test('because no answer may be empty is made with one token', async () => {
    const made = warmLab();
    made.api.onMessage = async (call) => {
      if (call.paramsJson.includes('"max_tokens":0')) throw refused({ status: 400, type: 'invalid_request_error' });
      return written(call);
    };
    await upload(made, await submit(made, rowsOf(10)));
    expect(order(made)).toEqual(['message', 'message', 'create']);
    expect(made.events).toContainEqual(expect.objectContaining({ kind: 'cache.warm' }));
  });

  test('and never answers is given up after a minute', async () => {
    const made = warmLab();
    made.api.onMessage = ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(refused({ connection: 'aborted' })));
      });
    const run = await submit(made, rowsOf(10));
    const beganMs = made.clock.now();
    await upload(made, run);
    expect(made.clock.now() - beganMs).toBe(MINUTE_MS);
    expect(order(made)).toEqual(['message', 'create']);
  });

  test('waits for what the API has asked to wait for, up to a minute, and then goes cold', async () => {
    const made = warmLab();
    const run = await submit(made, rowsOf(20));
    const session = await made.session();
    session.callsNotBeforeMs = made.clock.monotonicMs() + 30_000;
    await made.clock.run(uploadRound(session, [run.id]));
    expect(made.clock.monotonicMs()).toBeGreaterThanOrEqual(30_000);
    expect(made.asked).toHaveLength(1);
    const cold = warmLab();
    const late = await submit(cold, rowsOf(20));
    const waiting = await cold.session();
    waiting.callsNotBeforeMs = cold.clock.monotonicMs() + 2 * MINUTE_MS;
    await cold.clock.run(uploadRound(waiting, [late.id]));
    expect(cold.events).toContainEqual(expect.objectContaining({ kind: 'cache.cold', cause: 'the limits' }));
    expect(order(cold)).toEqual(['create', 'create']);
  });

  test('a stop meanwhile sends nothing', async () => {
    const made = warmLab();
    const run = await submit(made, rowsOf(10));
    made.api.onMessage = async (call) => {
      made.stop.abort();
      return written(call);
    };
    await upload(made, run);
    expect(order(made)).toEqual(['message']);
    expect(await made.store.chunkCounts(run.id)).toMatchObject({ sealed: 1 });
  });
});

test.each(['cache.claimed', 'cache.answered'] as const)('a crash at %s costs one more call at most', async (place) => {
  const made = warmLab();
  const run = await submit(made, rowsOf(20), { settings: { wishes: { maxCostUsd: 5 } } });
  const request = {
    runIds: [run.id],
    goal: 'upload',
    once: false,
    holder: HOLDER,
    retryLockMs: 0,
    asCompleted: null,
  } as const;
  armFailpoints((name) => {
    if (name === place) throw new Error('the process dies here');
  });
  await expect(made.clock.run(drive(made.engine, request))).rejects.toThrow('the process dies here');
  armFailpoints(undefined);
  // Nobody knows what became of it.
  expect((await made.store.run(run.id))?.realtimeReservedUsd).toBeGreaterThan(0);
  expect(await made.clock.run(drive(made.engine, request))).toBe('uploaded');
  expect(made.asked).toHaveLength(place === 'cache.claimed' ? 1 : 2);
  expect(order(made).slice(-3)).toEqual(['message', 'create', 'create']);
});
