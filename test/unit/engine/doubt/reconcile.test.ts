/**
 * Creates that may or may not have happened are decided by sets: every row of the table is one world of batches that the
 * list shows, and what must become of the chunks in doubt.
 */
import { describe, expect, test } from 'vitest';
import type { AttemptRecord } from '../../../../src/domain/model.ts';
import { BatchListing, listBatches } from '../../../../src/engine/poll/listing.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { chunkKey } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { countsOf, HOUR_MS, lab, linesOf, MINUTE_MS, refused, rows, wire, type Lab } from '../lab.ts';

interface Doubt extends Lab {
  readonly runId: string;
  readonly run: { readonly id: string };
  readonly the: Session;
  /** A look at the list, as the driver's round makes it. */
  look(): Promise<void>;
  states(): Promise<string[]>;
}

/** A run whose chunks of three rows were all sent and all lost their answer; `made` says which became batches. */
async function inDoubt(chunks: number, made: readonly number[] = []): Promise<Doubt> {
  const room = lab();
  room.api.add('msgbatch_baseline', 9);
  const run = await room.submit(rows(chunks * 3), { settings: { chunkRows: 3 } });
  let nth = 0;
  room.api.onCreate = (body) => {
    nth++;
    if (made.includes(nth))
      room.api.add(`msgbatch_made_${nth}`, (JSON.parse(body) as { requests: [] }).requests.length);
    throw refused({ connection: 'lost' });
  };
  const the = await room.session();
  await uploadRound(the, [run.id]);
  room.api.onCreate = (body) => room.api.make(body);
  return {
    ...{ ...room, run, runId: run.id, the },
    look: async () => {
      await poll(the);
    },
    states: async () => (await room.store.chunks(run.id)).map((chunk) => chunk.state),
  };
}

const held = ({ the, runId }: Doubt, chunkNo: number): boolean => the.held.has(chunkKey({ runId, chunkNo }));

describe('an attempt in doubt', () => {
  test('without a candidate is not made, but only after the grace', async () => {
    const doubt = await inDoubt(1);
    expect(await doubt.states()).toEqual(['uncertain']);
    await doubt.look();
    doubt.clock.advance(10 * MINUTE_MS - 1);
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain']);
    doubt.clock.advance(1);
    await doubt.look();
    expect(await doubt.states()).toEqual(['sealed']);
  });

  test('gets its batch as soon as that has ended', async () => {
    const doubt = await inDoubt(1, [1]);
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect({ states: await doubt.states(), held: held(doubt, 1) }).toEqual({ states: ['uncertain'], held: true });
    doubt.api.end('msgbatch_made_1', linesOf(doubt.run, 1, 3));
    await doubt.look();
    expect(await doubt.states()).toEqual(['submitted']);
    await doubt.look();
    expect(await doubt.states()).toEqual(['ended']);
    expect(doubt.api.calls.filter((call) => call === 'create')).toHaveLength(1);
  });

  test('waits while a foreign batch of its size is unread, and then knows that one for ever', async () => {
    const doubt = await inDoubt(1);
    doubt.api.add('msgbatch_foreign', 3);
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain']);
    doubt.api.end(
      'msgbatch_foreign',
      ['a', 'b', 'c'].map((id) => `{"custom_id":"${id}","result":{"type":"expired"}}`),
      { expired: 3 },
    );
    await doubt.look();
    expect(await doubt.states()).toEqual(['sealed']);
    expect(await doubt.store.batch('msgbatch_foreign')).toMatchObject({ runId: null });
    await doubt.look();
    expect(doubt.api.calls.filter((call) => call === 'results msgbatch_foreign')).toHaveLength(1);
  });

  test('waits while an ended candidate cannot be read', async () => {
    const doubt = await inDoubt(1, [1]);
    doubt.api.end('msgbatch_made_1', [], { succeeded: 3 });
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain']);
  });

  test.each([
    ['of another size', 4],
    ['that was there before', 9],
  ])('does not look at batches %s', async (_what, count) => {
    const doubt = await inDoubt(1);
    if (count === 4) doubt.api.add('msgbatch_other', 4);
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect(await doubt.states()).toEqual(['sealed']);
    expect(doubt.api.calls.filter((call) => call.startsWith('results'))).toEqual([]);
  });

  test('stays in doubt while the list cannot be had', async () => {
    const doubt = await inDoubt(1);
    doubt.clock.advance(HOUR_MS);
    doubt.api.listFailure = refused({ status: 500, type: 'api_error' });
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain']);
  });

  test('whose baseline is gone from the list is decided by time', async () => {
    const doubt = await inDoubt(1, [1]);
    doubt.api.listed = doubt.api.listed.filter((batch) => batch.id !== 'msgbatch_baseline');
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain']);
    doubt.api.end('msgbatch_made_1', linesOf(doubt.run, 1, 3));
    await doubt.look();
    expect(await doubt.states()).toEqual(['submitted']);
  });
});

describe('several in doubt of one size', () => {
  test('are told apart by what the batches hold', async () => {
    const doubt = await inDoubt(3, [2]);
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain', 'uncertain', 'uncertain']);
    doubt.api.end('msgbatch_made_2', linesOf(doubt.run, 2, 3));
    await doubt.look();
    expect(await doubt.states()).toEqual(['sealed', 'submitted', 'sealed']);
  });

  test('all get their batches, in whatever order they end', async () => {
    const doubt = await inDoubt(2, [1, 2]);
    doubt.api.end('msgbatch_made_2', linesOf(doubt.run, 2, 3));
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain', 'submitted']);
    doubt.api.end('msgbatch_made_1', linesOf(doubt.run, 1, 3));
    await doubt.look();
    expect(await doubt.states()).toEqual(['submitted', 'ended']);
  });
});

describe('a batch that turns up late', () => {
  test('after its chunk was judged "not made" and sealed is taken', async () => {
    const doubt = await inDoubt(1);
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    doubt.api.add('msgbatch_late', 3);
    await doubt.look();
    expect(held(doubt, 1)).toBe(true);
    expect((await uploadRound(doubt.the, [doubt.runId])).uploaded).toBe(0);
    doubt.api.end('msgbatch_late', linesOf(doubt.run, 1, 3));
    await doubt.look();
    expect(await doubt.states()).toEqual(['submitted']);
  });

  test('after its chunk was sent again is remembered as a duplicate', async () => {
    const doubt = await inDoubt(1);
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect((await uploadRound(doubt.the, [doubt.runId])).uploaded).toBe(1);
    doubt.api.add('msgbatch_late', 3);
    doubt.api.end('msgbatch_late', linesOf(doubt.run, 1, 3));
    await doubt.look();
    expect(await doubt.store.batch('msgbatch_late')).toMatchObject({ runId: doubt.runId, chunkNo: 1 });
    const kinds = (await doubt.store.events(doubt.runId, { limit: 100 })).map((event) => event.kind);
    expect(kinds).toContain('batch.duplicate');
  });

  test('together with the one of the second attempt: both are known, and nothing breaks', async () => {
    const doubt = await inDoubt(1);
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    doubt.api.onCreate = () => {
      throw refused({ connection: 'lost' });
    };
    await uploadRound(doubt.the, [doubt.runId]);
    for (const id of ['msgbatch_first', 'msgbatch_second']) {
      doubt.api.add(id, 3);
      doubt.api.end(id, linesOf(doubt.run, 1, 3));
    }
    await doubt.look();
    const known = (await doubt.store.batches(doubt.runId)).map((batch) => batch.id).sort();
    expect(known).toEqual(['msgbatch_first', 'msgbatch_second']);
    expect(await doubt.states()).toEqual(['submitted']);
  });
});

describe('what another key cannot see', () => {
  test('an attempt of another workspace is not decided by this one: its batch is not in this list', async () => {
    const doubt = await inDoubt(1, [1]);
    Object.assign(doubt.api, { workspace: 'wrkspc_2' });
    doubt.api.listed = [];
    doubt.clock.advance(HOUR_MS);
    await doubt.look();
    expect(await doubt.states()).toEqual(['uncertain']);
  });

  test('an attempt of another origin is not decided by this one', async () => {
    const doubt = await inDoubt(1, [1]);
    Object.assign(doubt.api, { origin: 'http://elsewhere.test', workspace: 'wrkspc_2' });
    doubt.api.listed = [];
    doubt.clock.advance(HOUR_MS);
    await poll(doubt.the);
    expect(await doubt.states()).toEqual(['uncertain']);
  });
});

test('a create that was surely refused leaves no doubt: foreign batches of its size do not hold its chunk', async () => {
  const room = lab();
  const run = await room.submit(rows(3), { settings: { chunkRows: 3 } });
  room.api.onCreate = () => {
    throw refused({ status: 429, type: 'rate_limit_error', retryAfterMs: 1_000 });
  };
  const the = await room.session();
  await uploadRound(the, [run.id]);
  room.api.add('msgbatch_foreign', 3);
  room.clock.advance(MINUTE_MS);
  await poll(the);
  expect([...the.held]).toEqual([]);
});

describe('a listing', () => {
  const attempt = (baselineBatchId: string | null, startedAtMs = Date.UTC(2026, 10, 20)): AttemptRecord => ({
    ...{ id: 1, runId: 'run_x', chunkNo: 1, workspace: 'w', rowCount: 3, bytes: 1, baselineBatchId, startedAtMs },
    ...{ endedAtMs: null, bodyComplete: true, state: 'uncertain', batchId: null, doubtSinceMs: null, byHand: false },
  });
  const day = 24 * HOUR_MS;

  test('gives what is newer than the oldest baseline', async () => {
    const { api, engine } = lab();
    for (const id of ['a', 'b', 'c', 'd']) api.add(id, 3);
    const listing = await listBatches(engine, { batchIds: new Set(), attempts: [], oldestBatchMs: null });
    const ids = (...bases: (string | null)[]): string[] =>
      listing.newerThan(bases.map((base) => attempt(base))).map((batch) => batch.id);
    expect([ids('d'), ids('b'), ids('b', 'c'), ids(null), ids('gone')]).toEqual([
      [],
      ['d', 'c'],
      ['d', 'c'],
      ['d', 'c', 'b', 'a'],
      ['d', 'c', 'b', 'a'],
    ]);
  });

  test('without its baseline leaves out what is surely older', () => {
    const { api, clock } = lab();
    api.add('old', 3, { createdAtMs: clock.now() - 3 * day });
    api.add('perhaps', 3, { createdAtMs: clock.now() - day });
    const listing = new BatchListing({
      batches: api.listed,
      startedAtMs: clock.now(),
      complete: false,
      retryAfterMs: null,
      serverAtMs: null,
    });
    expect(listing.newerThan([attempt('gone', clock.now())]).map((batch) => batch.id)).toEqual(['perhaps']);
    expect(listing.covers(attempt('gone', clock.now()))).toBe(true);
    expect(listing.covers(attempt('gone', clock.now() - 2 * day))).toBe(false);
    expect(listing.covers(attempt('old', clock.now() - 9 * day))).toBe(true);
  });

  test('is read page by page, as far as somebody needs it', async () => {
    const { api, engine, clock } = lab();
    api.pageSize = 2;
    for (let at = 0; at < 9; at++) api.add(`b${at}`, 3, { createdAtMs: clock.now() + at });
    const seen = async (needs: Partial<Parameters<typeof listBatches>[1]>): Promise<number> =>
      (await listBatches(engine, { batchIds: new Set(), attempts: [], oldestBatchMs: null, ...needs })).batches.length;
    expect(await seen({ batchIds: new Set(['b8']) })).toBe(2);
    expect(await seen({ batchIds: new Set(['b5']) })).toBe(4);
    expect(await seen({ attempts: [attempt('b4')] })).toBe(6);
    expect(await seen({ batchIds: new Set(['unknown']) })).toBe(9);
    expect(await seen({ batchIds: new Set(['unknown']), oldestBatchMs: clock.now() + 4 })).toBe(6);
  });
});

test('a wire id of ours in a batch of another size decides nothing', async () => {
  const doubt = await inDoubt(1);
  doubt.api.add('msgbatch_odd', 2, { status: 'ended', counts: countsOf({ succeeded: 2 }) });
  doubt.api.results.set('msgbatch_odd', `{"custom_id":"${wire(doubt.run, 1, 0)}","result":{"type":"expired"}}\n`);
  await doubt.look();
  expect(await doubt.states()).toEqual(['uncertain']);
});
