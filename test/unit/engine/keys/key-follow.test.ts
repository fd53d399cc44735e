/**
 * Keys of two workspaces in one process: each doubt is decided by the list of the workspace that its create went to, and
 * batches of a key that is not in the pool any more find their place.
 */
import { describe, expect, test } from 'vitest';
import type { KeyLink } from '../../../../src/engine/engine.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { newSession, type Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { FakeApi, HOUR_MS, lab, linesOf, MINUTE_MS, refused, rows, type Lab } from '../lab.ts';

interface Pool extends Lab {
  /** The key of the second workspace; `api` is that of the first. */
  readonly other: FakeApi;
  readonly the: Session;
  readonly runId: string;
  states(): Promise<string[]>;
}

const REVOKED = refused({ status: 401, type: 'authentication_error', message: 'invalid x-api-key' });
const LOST = refused({ connection: 'lost' });

/** `chunks` chunks of two rows that wait for their create. */
async function pool(chunks: number): Promise<Pool> {
  const room = lab();
  const other = Object.assign(new FakeApi(room.files, () => room.clock.now()), { workspace: 'wrkspc_2' });
  other.make = () => other.add(`msgbatch_other_${other.bodies.length}`, 2);
  const link = (api: FakeApi, organization: string): KeyLink => {
    return { api, organization, reported: api.workspace, label: `sk-…${organization}` };
  };
  const run = await room.submit(rows(chunks * 2), { settings: { chunkRows: 2 } });
  const the = newSession({ ...room.engine, keys: [link(room.api, 'one'), link(other, 'two')] }, await room.driver());
  const states = async (): Promise<string[]> => (await room.store.chunks(run.id)).map(({ state }) => state);
  return { ...room, other, the, runId: run.id, states };
}

/** The first batch is made with the first key; the create of the second, with the other key, gets no answer. */
async function inDoubt(): Promise<Pool> {
  const it = await pool(2);
  it.other.onCreate = () => {
    throw LOST;
  };
  await uploadRound(it.the, [it.runId]);
  expect(await it.states()).toEqual(['submitted', 'uncertain']);
  return it;
}

/** A process with these keys only. */
async function next(it: Pool, apis: readonly FakeApi[]): Promise<Session> {
  const keys = apis.map((api): KeyLink => {
    return { api, organization: api.workspace, reported: api.workspace, label: `sk-…${api.workspace}` };
  });
  return newSession({ ...it.engine, api: apis[0] ?? it.api, keys }, await it.driver());
}

describe('a doubt', () => {
  test('is decided by the list of its own workspace, whatever is unread in another', async () => {
    const it = await inDoubt();
    it.api.add('msgbatch_foreign', 2);
    await poll(it.the);
    it.clock.advance(11 * MINUTE_MS);
    await poll(it.the);
    expect(await it.states()).toEqual(['submitted', 'sealed']);
    expect([...it.the.held]).toEqual([]);
  });

  test('finds its batch there, and that is followed with its own key', async () => {
    const it = await inDoubt();
    const [run] = await it.store.runs();
    it.other.add('msgbatch_lost_answer', 2);
    if (run) it.other.end('msgbatch_lost_answer', linesOf(run, 2, 2));
    await poll(it.the);
    await poll(it.the);
    await collectRound(it.the, [it.runId]);
    expect(await it.states()).toEqual(['submitted', 'collected']);
    expect(it.other.calls).toContain('results msgbatch_lost_answer');
    expect(it.api.calls).not.toContain('results msgbatch_lost_answer');
  });

  test('holds its chunk as long as nobody may look there, and is blocked without stopping anything else', async () => {
    const it = await inDoubt();
    it.other.listFailure = REVOKED;
    it.clock.advance(HOUR_MS);
    await poll(it.the);
    expect(await it.states()).toEqual(['submitted', 'uncertain']);
    expect(it.the.blocks.of(it.runId)).toMatchObject([{ reason: 'credentials', scope: 'chunk:2' }]);
    expect(it.the.blocks.stopsSending(it.runId)).toBe(false);
    expect(it.events.filter(({ kind }) => kind === 'key.aside')).toMatchObject([{ key: 'sk-…two' }]);
    // Somebody has mended it.
    it.other.listFailure = null;
    await poll(it.the);
    expect(it.the.blocks.of(it.runId)).toEqual([]);
    expect(await it.states()).toEqual(['submitted', 'sealed']);
  });

  test('of a key that is gone waits for a person once every key was asked', async () => {
    const it = await inDoubt();
    const third = Object.assign(new FakeApi(it.files, () => it.clock.now()), { workspace: 'wrkspc_3' });
    const the = await next(it, [it.api, third]);
    await poll(the);
    it.clock.advance(HOUR_MS);
    third.listFailure = refused({ status: 503, type: 'api_error' });
    await poll(the);
    expect(the.blocks.of(it.runId)).toEqual([]);
    third.listFailure = null;
    await poll(the);
    expect(the.blocks.of(it.runId)).toMatchObject([{ reason: 'other_workspace', scope: 'chunk:2' }]);
    expect(await it.states()).toEqual(['submitted', 'uncertain']);
  });

  test('of a rotated key is decided where the list shows what was the newest before it', async () => {
    const it = await pool(3);
    it.other.add('msgbatch_before', 9);
    it.other.onCreate = () => {
      throw LOST;
    };
    await uploadRound(it.the, [it.runId]);
    const rotated = Object.assign(Object.create(it.other) as FakeApi, { workspace: 'wrkspc_2_again' });
    const the = await next(it, [it.api, rotated]);
    await poll(the);
    it.clock.advance(HOUR_MS);
    await poll(the);
    expect(the.blocks.of(it.runId)).toEqual([]);
    expect(await it.states()).toEqual(['submitted', 'sealed', 'submitted']);
  });
});

test('the batches of a rotated key are followed by the one that sees them', async () => {
  const it = await pool(2);
  const [run] = await it.store.runs();
  await uploadRound(it.the, [it.runId]);
  const [made] = it.other.listed;
  if (run && made) it.other.end(made.id, linesOf(run, 2, 2));
  const rotated = Object.assign(Object.create(it.other) as FakeApi, { workspace: 'wrkspc_2_again' });
  const the = await next(it, [it.api, rotated]);
  await poll(the);
  await collectRound(the, [it.runId]);
  expect(await it.states()).toEqual(['submitted', 'collected']);
  expect(the.keys.placeOf('wrkspc_2')).toBe(the.keys.places[1]);
});

test('a 429 of one organization leaves the other one free', async () => {
  const it = await pool(3);
  it.api.onCreate = () => {
    throw refused({ status: 429, type: 'rate_limit_error', retryAfterMs: HOUR_MS });
  };
  await uploadRound(it.the, [it.runId]);
  expect(await it.states()).toEqual(['submitted', 'submitted', 'submitted']);
  expect(it.other.bodies).toHaveLength(3);
  expect(it.the.createNotBeforeMs).toBe(0);
  expect(it.the.keys.quietUntilMs(it.the.keys.places[0])).toBeGreaterThan(it.clock.monotonicMs());
});
