/**
 * What must not hang on this machine's clock, on one process's memory, or on a person's good faith: the grace of a
 * create in doubt, waits that the API asked for, another workspace's key, and chunks that a person settles.
 */
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { recover } from '../../../../src/engine/recover.ts';
import { resolveChunk } from '../../../../src/engine/doubt/resolve.ts';
import { newSession, noteFailure, type Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import { WaitKeeper } from '../../../../src/engine/waits.ts';
import { errorOf, failureOf, HOUR_MS, lab, linesOf, MINUTE_MS, refused, rows, type Lab } from '../lab.ts';

interface Doubt extends Lab {
  readonly run: { readonly id: string };
  readonly the: Session;
  states(): Promise<string[]>;
  /** What the next process finds. */
  next(): Promise<Session>;
}

async function runOf({ store, run }: { store: Lab['store']; run: { readonly id: string } }): Promise<RunRecord> {
  const record = await store.run(run.id);
  if (!record) throw new Error(`${run.id} is gone`);
  return record;
}

/** A run of one chunk of three rows whose create lost its answer. */
async function inDoubt(made: string | null = null): Promise<Doubt> {
  const room = lab();
  room.api.add('msgbatch_baseline', 9);
  const run = await room.submit(rows(3));
  room.api.onCreate = () => {
    if (made !== null) room.api.add(made, 3);
    throw refused({ connection: 'lost' });
  };
  const the = await room.session();
  await uploadRound(the, [run.id]);
  room.api.onCreate = (body) => room.api.make(body);
  return {
    ...{ ...room, run, the },
    states: async () => (await room.store.chunks(run.id)).map((chunk) => chunk.state),
    next: async () => {
      const session = await room.session();
      await recover(session);
      return session;
    },
  };
}

/** A chunk whose batch was made and is followed. */
async function submitted(): Promise<Doubt & { readonly batchId: string }> {
  const room = lab();
  const run = await room.submit(rows(3));
  const the = await room.session();
  await uploadRound(the, [run.id]);
  const [batch] = await room.store.batches(run.id);
  return {
    ...{ ...room, run, the, batchId: batch?.id ?? '' },
    states: async () => (await room.store.chunks(run.id)).map((chunk) => chunk.state),
    next: () => room.session(),
  };
}

describe('the grace', () => {
  test('is not over because the clock of this machine was set', async () => {
    const { engine, the, clock, states } = await inDoubt();
    await poll(the);
    const now = clock.now.bind(clock);
    let aheadMs = 0;
    clock.now = () => now() + aheadMs;
    aheadMs = HOUR_MS;
    await poll(the);
    expect(await states()).toEqual(['uncertain']);
    aheadMs = -HOUR_MS;
    clock.advance(engine.pacing.reconcileGraceMs);
    await poll(the);
    expect(await states()).toEqual(['sealed']);
  });

  test('goes by the clock of the API where each process looks only once', async () => {
    const { api, clock, next, states } = await inDoubt();
    const truth = clock.now.bind(clock);
    api.date = () => Math.floor(truth() / 1_000) * 1_000;
    // This machine is a day ahead, and its processes live for one look.
    clock.now = () => truth() + 24 * HOUR_MS;
    for (const minutes of [0, 3, 3, 3]) {
      clock.advance(minutes * MINUTE_MS);
      await poll(await next());
      expect(await states()).toEqual(['uncertain']);
    }
    clock.advance(MINUTE_MS + 1_000);
    await poll(await next());
    expect(await states()).toEqual(['sealed']);
  });
});

describe('a wait that the API asked for', () => {
  const asked = { status: 429, type: 'rate_limit_error', retryAfterMs: HOUR_MS };

  test('outlives the process that was told', async () => {
    const room = lab();
    const the = await room.session();
    const untilMs = room.clock.monotonicMs() + HOUR_MS;
    noteFailure(the, 'list', failureOf(asked));
    the.callsNotBeforeMs = untilMs;
    await new WaitKeeper(the).save();
    const next = await room.session();
    await new WaitKeeper(next).load();
    expect([next.quietUntilMs, next.callsNotBeforeMs]).toEqual([untilMs, untilMs]);
    room.clock.advance(HOUR_MS);
    const last = await room.session();
    await new WaitKeeper(last).load();
    expect([last.quietUntilMs, last.callsNotBeforeMs]).toEqual([0, 0]);
  });

  test('is not longer than it was asked for because a clock was set back', async () => {
    const room = lab();
    const the = await room.session();
    noteFailure(the, 'list', failureOf(asked));
    await new WaitKeeper(the).save();
    const now = room.clock.now.bind(room.clock);
    room.clock.now = () => now() - 24 * HOUR_MS;
    const next = await room.session();
    await new WaitKeeper(next).load();
    expect(next.quietUntilMs).toBe(room.clock.monotonicMs() + HOUR_MS);
  });
});

describe('another key', () => {
  test('of another workspace is told at once, and nothing is lost', async () => {
    const { engine, api, store, run, batchId, driver } = await submitted();
    const elsewhere = Object.assign(Object.create(api) as typeof api, { workspace: 'wrkspc_2' });
    api.listed = [];
    const strange = newSession({ ...engine, api: elsewhere }, await driver());
    await poll(strange);
    const { blocked } = await viewRun(store, await runOf({ store, run }));
    expect(blocked).toMatchObject([{ reason: 'other_workspace', scope: 'chunk:1' }]);
    expect(blocked[0]?.message).toContain(batchId);
    expect((await store.chunks(run.id)).map((chunk) => chunk.state)).toEqual(['submitted']);
  });

  test('of the same workspace follows the batch, and what was said before is taken back', async () => {
    const { engine, api, store, run, batchId, driver } = await submitted();
    const elsewhere = Object.assign(Object.create(api) as typeof api, { workspace: 'key_2' });
    const shown = api.listed;
    api.listed = [];
    const session = newSession({ ...engine, api: elsewhere }, await driver());
    await poll(session);
    expect((await store.run(run.id))?.blocked).toHaveLength(1);
    api.listed = shown;
    api.end(batchId, linesOf(run, 1, 3));
    await poll(session);
    expect((await store.run(run.id))?.blocked).toEqual([]);
    expect(await collectRound(session, [run.id])).toBe(1);
  });
});

describe('a person says', () => {
  const settle = (doubt: Doubt, how: Parameters<typeof resolveChunk>[2]): Promise<void> =>
    runOf(doubt).then((run) => resolveChunk(doubt.the, { run, chunkNo: 1 }, how));

  test('that no batch was made: the chunk goes out again although a candidate is unread', async () => {
    const doubt = await inDoubt();
    doubt.api.add('msgbatch_endless', 3);
    await poll(doubt.the);
    expect(doubt.the.held.size).toBe(1);
    await settle(doubt, { kind: 'not_created' });
    await poll(doubt.the);
    expect(doubt.the.held.size).toBe(0);
    expect(await uploadRound(doubt.the, [doubt.run.id])).toMatchObject({ uploaded: 1 });
  });

  test('that none was made, and is wrong: the late batch is known, and the first that is whole is used', async () => {
    const doubt = await inDoubt('msgbatch_late');
    await settle(doubt, { kind: 'not_created' });
    await uploadRound(doubt.the, [doubt.run.id]);
    doubt.api.end('msgbatch_late', linesOf(doubt.run, 1, 3));
    await poll(doubt.the);
    const batches = await doubt.store.batches(doubt.run.id);
    expect(batches.map((batch) => batch.id)).toContain('msgbatch_late');
    expect(batches).toHaveLength(2);
  });

  test('which batch it is, before that has ended: it is followed, and only its results prove it', async () => {
    const doubt = await inDoubt('msgbatch_made');
    await settle(doubt, { kind: 'batch', batchId: 'msgbatch_made' });
    expect(await doubt.states()).toEqual(['submitted']);
    expect(await doubt.store.batch('msgbatch_made')).toMatchObject({ proven: false, chunkNo: 1 });
    doubt.api.end('msgbatch_made', linesOf(doubt.run, 1, 3));
    await poll(doubt.the);
    expect(await collectRound(doubt.the, [doubt.run.id])).toBe(1);
    expect(await doubt.store.batch('msgbatch_made')).toMatchObject({ proven: true });
    expect(await doubt.states()).toEqual(['collected']);
  });

  test('which batch it is, and is wrong: its results disprove it, and the chunk is in doubt again', async () => {
    const doubt = await inDoubt('msgbatch_made');
    doubt.api.add('msgbatch_strangers', 3);
    await settle(doubt, { kind: 'batch', batchId: 'msgbatch_strangers' });
    doubt.api.end(
      'msgbatch_strangers',
      ['a', 'b', 'c'].map((id) => `{"custom_id":"${id}","result":{"type":"expired"}}`),
      { expired: 3 },
    );
    await poll(doubt.the);
    expect(await collectRound(doubt.the, [doubt.run.id])).toBe(0);
    expect(await doubt.states()).toEqual(['uncertain']);
    doubt.api.end('msgbatch_made', linesOf(doubt.run, 1, 3));
    await poll(doubt.the);
    await poll(doubt.the);
    expect(await collectRound(doubt.the, [doubt.run.id])).toBe(1);
    expect(doubt.api.calls.filter((call) => call === 'create')).toHaveLength(1);
    expect(await doubt.store.batch('msgbatch_strangers')).toMatchObject({ runId: null });
  });

  test('that the rows are given up: they fail as lost, and a late batch is remembered', async () => {
    const doubt = await inDoubt('msgbatch_made');
    await settle(doubt, { kind: 'lost' });
    expect(await doubt.states()).toEqual(['lost']);
    expect(await doubt.store.failureCounts(doubt.run.id)).toEqual({ batchrun_results_lost: 3 });
    expect((await doubt.store.run(doubt.run.id))?.rows).toMatchObject({ failed: 3, in_batch: 0 });
    doubt.api.end('msgbatch_made', linesOf(doubt.run, 1, 3));
    await poll(doubt.the);
    expect(await doubt.store.batch('msgbatch_made')).toMatchObject({ chunkNo: 1 });
    expect(await doubt.states()).toEqual(['lost']);
  });

  test.each<[string, (doubt: Doubt) => Promise<Parameters<typeof resolveChunk>[2]>, RegExp]>([
    [
      'a batch of another size',
      async ({ api }) => ({ kind: 'batch', batchId: api.add('msgbatch_x', 4).id }),
      /4 requests; chunk 1 has 3/,
    ],
    ['a batch that is not there', async () => ({ kind: 'batch', batchId: 'msgbatch_none' }), /404/],
    [
      'a batch of somebody else',
      async ({ api }) => {
        api.add('msgbatch_x', 3);
        api.end(
          'msgbatch_x',
          ['a', 'b', 'c'].map((id) => `{"custom_id":"${id}","result":{"type":"expired"}}`),
          { expired: 3 },
        );
        return { kind: 'batch', batchId: 'msgbatch_x' };
      },
      /hold other rows/,
    ],
  ])('what the API contradicts: %s', async (_what, word, sentence) => {
    const doubt = await inDoubt();
    const error = await errorOf(settle(doubt, await word(doubt)));
    expect(error).toMatchObject({ code: 'E_RESOLVE', message: expect.stringMatching(sentence) as string });
    expect(await doubt.states()).toEqual(['uncertain']);
  });

  test.each<[Parameters<typeof resolveChunk>[2], RegExp]>([
    [{ kind: 'not_created' }, /still shows/],
    [{ kind: 'lost' }, /still being processed/],
  ])('%j of a batch that the API still shows', async (how, sentence) => {
    const doubt = await submitted();
    expect(await errorOf(settle(doubt, how))).toMatchObject({
      code: 'E_RESOLVE',
      message: expect.stringMatching(sentence) as string,
    });
    expect(await doubt.states()).toEqual(['submitted']);
  });

  test('that a batch which the API knows no more was never made', async () => {
    const doubt = await submitted();
    doubt.api.listed = [];
    doubt.clock.advance(HOUR_MS);
    await settle(doubt, { kind: 'not_created' });
    expect(await doubt.states()).toEqual(['sealed']);
    expect(await doubt.store.batches(doubt.run.id)).toEqual([]);
  });

  test('nothing about a chunk that is done or not there', async () => {
    const doubt = await submitted();
    doubt.api.end(doubt.batchId, linesOf(doubt.run, 1, 3));
    await poll(doubt.the);
    await collectRound(doubt.the, [doubt.run.id]);
    expect(await errorOf(settle(doubt, { kind: 'lost' }))).toMatchObject({ code: 'E_RESOLVE' });
    const unknown = resolveChunk(doubt.the, { run: await runOf(doubt), chunkNo: 9 }, { kind: 'lost' });
    expect(await errorOf(unknown)).toMatchObject({ code: 'E_CHUNK_UNKNOWN' });
  });
});

describe('a batch that bears our tag and that nobody waits for', () => {
  test('is one more of its chunk, not a stranger', async () => {
    const room = lab();
    const run = await room.submit(rows(6), { settings: { chunkRows: 3 } });
    const the = await room.session();
    await uploadRound(the, [run.id]);
    // Another create of the same size is in doubt, so batches of that size are read.
    const other = await room.submit(rows(3), { request: { scope: { origin: 'x', workspaceHeader: null, name: 'x' } } });
    room.api.onCreate = () => {
      throw refused({ connection: 'lost' });
    };
    await uploadRound(the, [other.id]);
    room.api.add('msgbatch_second', 3);
    room.api.end('msgbatch_second', linesOf(run, 2, 3));
    await poll(the);
    expect(await room.store.batch('msgbatch_second')).toMatchObject({ runId: run.id, chunkNo: 2 });
    expect((await room.store.chunks(run.id)).map((chunk) => chunk.state)).toEqual(['submitted', 'submitted']);
  });

  test('and turns up after more than a day takes its chunk, which is not sent again', async () => {
    const doubt = await inDoubt('msgbatch_late');
    const shown = doubt.api.listed;
    doubt.api.listed = shown.filter((batch) => batch.id !== 'msgbatch_late');
    await poll(doubt.the);
    doubt.clock.advance(10 * MINUTE_MS);
    await poll(doubt.the);
    expect(await doubt.states()).toEqual(['sealed']);
    doubt.clock.advance(25 * HOUR_MS);
    // Another create of the same size is in doubt, so batches of that size are read.
    const other = await doubt.submit(rows(3), {
      request: { scope: { origin: 'x', workspaceHeader: null, name: 'x' } },
    });
    const [waiting] = await doubt.driver().then((driver) => driver.attemptsToWatch(0));
    expect(waiting?.state).toBe('not_created');
    const next = await doubt.session();
    doubt.api.onCreate = () => {
      throw refused({ connection: 'lost' });
    };
    await uploadRound(next, [other.id]);
    doubt.api.listed = shown;
    doubt.api.end('msgbatch_late', linesOf(doubt.run, 1, 3));
    await poll(next);
    expect(await doubt.store.batch('msgbatch_late')).toMatchObject({ runId: doubt.run.id, chunkNo: 1 });
    expect(await doubt.states()).toEqual(['submitted']);
  });
});

describe('a chunk file', () => {
  test('that is not what was sealed blocks its chunk, and the others go on', async () => {
    const room = lab();
    const run = await room.submit(rows(6), { settings: { chunkRows: 3 } });
    const create = room.api.createBatch.bind(room.api);
    const file = room.files.locate(`runs/${run.id}/chunks/000001.json`);
    const { BatchrunError } = await import('../../../../src/base/errors.ts');
    room.api.createBatch = (upload) =>
      upload.bodyPath.endsWith('000001.json')
        ? Promise.reject(new BatchrunError('E_STATE_CORRUPT', `${file} is not what was sealed`, { details: { file } }))
        : create(upload);
    const the = await room.session();
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 1 });
    expect((await room.store.chunks(run.id)).map((chunk) => chunk.state)).toEqual(['sealed', 'submitted']);
    expect((await room.store.run(run.id))?.blocked).toMatchObject([{ reason: 'chunk_damaged', scope: 'chunk:1' }]);
  });
});
