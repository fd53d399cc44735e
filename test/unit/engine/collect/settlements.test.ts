/**
 * What a person says about a chunk is held against all that can be known: other chunks of its size, the other batches that
 * the ledger has of it, results that can be had, and whether a 404 of this key proves anything.
 */
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { resolveChunk, type Settlement } from '../../../../src/engine/doubt/resolve.ts';
import { drive, type DriveRequest } from '../../../../src/engine/runner.ts';
import { newSession, type Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import {
  errorOf,
  HOLDER,
  HOUR_MS,
  lab,
  linesOf,
  MINUTE_MS,
  refused,
  rows,
  succeededLine,
  wire,
  type FakeApi,
  type Lab,
  type SubmitOptions,
} from '../lab.ts';

interface World extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  /** `state:batch` of each chunk. */
  states(): Promise<string[]>;
  settle(chunkNo: number, how: Settlement, session?: Session): Promise<void>;
  /** A look at the list, and the results of what has ended. */
  look(): Promise<void>;
}

const NOT_CREATED: Settlement = { kind: 'not_created' };
const LOST: Settlement = { kind: 'lost' };
const FINISH: DriveRequest = {
  ...{ runIds: null, once: false, goal: 'finish', holder: HOLDER, retryLockMs: 0, asCompleted: null },
};
const creates = ({ api }: Lab): number => api.calls.filter((call) => call === 'create').length;

async function worldOf(room: Lab, run: RunRecord): Promise<World> {
  const the = await room.session();
  const now = async (): Promise<RunRecord> => (await room.store.run(run.id)) ?? run;
  return {
    ...{ ...room, run, the },
    states: async () => (await room.store.chunks(run.id)).map((chunk) => `${chunk.state}:${chunk.batchId}`),
    settle: async (chunkNo, how, session = the) => resolveChunk(session, { run: await now(), chunkNo }, how),
    look: async () => {
      await poll(the);
      await collectRound(the, [run.id]);
    },
  };
}

/** Two chunks of three rows whose creates lost their answers; these became the batches m1 and m2. */
async function twoInDoubt(made: readonly number[]): Promise<World> {
  const room = lab();
  room.api.add('msgbatch_baseline', 9);
  const world = await worldOf(room, await room.submit(rows(6), { settings: { chunkRows: 3 } }));
  let nth = 0;
  room.api.onCreate = () => {
    if (made.includes(++nth)) room.api.add(`m${nth}`, 3);
    throw refused({ connection: 'lost' });
  };
  await uploadRound(world.the, [world.run.id]);
  room.api.onCreate = (body) => room.api.make(body);
  return world;
}

/** A chunk whose batch was made and is followed, and one more batch that surely is its own, where `spare` says so. */
async function followed({ spare = false } = {}): Promise<World & { readonly batchId: string }> {
  const room = lab();
  const world = await worldOf(room, await room.submit(rows(3)));
  await uploadRound(world.the, [world.run.id]);
  const [batch] = await room.store.batches(world.run.id);
  if (typeof batch?.attemptId !== 'number') throw new Error('the batch was made');
  if (spare) {
    const more = { attemptId: batch.attemptId, batch: room.api.add('spare', 3), atMs: room.clock.now() };
    await world.the.driver.recordDuplicate(more);
  }
  return { ...world, batchId: batch.id };
}

/** A run that was adopted with a batch of a script. */
async function adopted(): Promise<World> {
  const room = lab();
  const batch = room.api.add('script', 3);
  const report = await room.ingest(rows(3), adopting(room.api, batch.id));
  const run = await room.store.run(report.runId);
  if (!run) throw new Error('the run was made');
  return worldOf(room, run);
}

function adopting(api: FakeApi, batchId: string): SubmitOptions {
  const batch = api.listed.find((one) => one.id === batchId);
  return batch ? { request: { adopt: { batch, workspace: api.workspace } } } : {};
}

function drop(api: FakeApi, batchId: string): void {
  api.listed = api.listed.filter((batch) => batch.id !== batchId);
}

async function refusalOf(work: Promise<void>): Promise<string> {
  const error = await errorOf(work);
  expect(error).toMatchObject({ code: 'E_RESOLVE' });
  const { message, hint } = error as { message: string; hint: string };
  return `${message} | ${hint}`;
}

describe('a chunk that is about to be sent again', () => {
  async function saidNotMade(): Promise<World> {
    const world = await twoInDoubt([1, 2]);
    await world.settle(1, NOT_CREATED);
    expect(await world.states()).toEqual(['sealed:null', 'uncertain:null']);
    return world;
  }

  test('is taken back by a batch whose results say that it is its own', async () => {
    const world = await saidNotMade();
    world.api.end('m1', linesOf(world.run, 1, 3));
    await world.settle(1, { kind: 'batch', batchId: 'm1' });
    expect((await world.states())[0]).toBe('submitted:m1');
    await world.look();
    await uploadRound(world.the, [world.run.id]);
    expect((await world.states())[0]).toBe('collected:m1');
    expect(creates(world)).toBe(2);
  });

  test('is not taken back by one that cannot be read, or that is another chunk', async () => {
    const world = await saidNotMade();
    const named: Settlement = { kind: 'batch', batchId: 'm1' };
    expect(await refusalOf(world.settle(1, named))).toContain('cannot be read yet');
    world.api.end('m1', linesOf(world.run, 2, 3));
    expect(await refusalOf(world.settle(1, named))).toContain('other rows');
    expect(await refusalOf(world.settle(1, LOST))).toContain('nothing to settle');
    expect((await world.states())[0]).toBe('sealed:null');
  });
});

describe('a batch that a person named', () => {
  test('holds every other chunk of its size until its lines are read: it may be theirs', async () => {
    const world = await twoInDoubt([1, 2]);
    await world.settle(1, { kind: 'batch', batchId: 'm2' });
    world.api.end('m1', linesOf(world.run, 1, 3));
    for (let at = 0; at < 4; at++) {
      await world.look();
      await uploadRound(world.the, [world.run.id]);
      world.clock.advance(10 * MINUTE_MS);
    }
    expect(await world.states()).toEqual(['submitted:m2', 'uncertain:null']);
    world.api.end('m2', linesOf(world.run, 2, 3));
    for (let at = 0; at < 3; at++) await world.look();
    expect(await world.states()).toEqual(['collected:m1', 'collected:m2']);
    expect(creates(world)).toBe(2);
  });

  test('is given to the chunk that its lines name, and the other gets its own', async () => {
    const world = await twoInDoubt([1, 2]);
    for (const id of ['m1', 'm2']) {
      world.api.end(id, [], { succeeded: 3 });
      world.api.results.delete(id);
    }
    await world.settle(2, { kind: 'batch', batchId: 'm1' });
    for (const nth of [1, 2]) world.api.end(`m${nth}`, linesOf(world.run, nth, 3));
    for (let at = 0; at < 3; at++) {
      await world.look();
      await uploadRound(world.the, [world.run.id]);
      world.clock.advance(11 * MINUTE_MS);
    }
    expect(await world.states()).toEqual(['collected:m1', 'collected:m2']);
    expect(creates(world)).toBe(2);
  });

  test('is proven by its lines where they say the same, and holds nobody then', async () => {
    const world = await twoInDoubt([2]);
    await world.settle(2, { kind: 'batch', batchId: 'm2' });
    world.clock.advance(HOUR_MS);
    await poll(world.the);
    expect(world.the.held.size).toBe(1);
    world.api.end('m2', linesOf(world.run, 2, 3));
    await poll(world.the);
    expect(await world.store.batch('m2')).toMatchObject({ proven: true, chunkNo: 2 });
    expect(await world.states()).toEqual(['sealed:null', 'ended:m2']);
  });

  test('stands in the way of sending again, until its lines show that it is another’s', async () => {
    const world = await twoInDoubt([2]);
    await world.settle(1, { kind: 'batch', batchId: 'm2' });
    expect(await refusalOf(world.settle(1, NOT_CREATED))).toContain('still shows m2, perhaps the batch of chunk 1');
    world.api.end('m2', linesOf(world.run, 2, 3));
    await world.settle(1, NOT_CREATED);
    await poll(world.the);
    expect(await world.states()).toEqual(['sealed:null', 'submitted:m2']);
  });

  test('does not take the place of one that is surely its own', async () => {
    const world = await followed();
    world.api.add('strangers', 3);
    const said = await refusalOf(world.settle(1, { kind: 'batch', batchId: 'strangers' }));
    expect(said).toMatch(/still shows msgbatch_1, which is surely the batch of chunk 1.*batchrun collect/);
    expect(await world.states()).toEqual(['submitted:msgbatch_1']);
  });
});

describe('a chunk of which the ledger has two batches', () => {
  test('goes on with the one that is surely its own when the other is disproved', async () => {
    const world = await twoInDoubt([1, 2]);
    await world.settle(2, { kind: 'batch', batchId: 'm1' });
    world.api.end('m2', linesOf(world.run, 2, 3));
    await poll(world.the);
    expect((await world.store.batches(world.run.id)).map((batch) => batch.id).toSorted()).toEqual(['m1', 'm2']);
    const { driver } = world.the;
    await driver.recordDisproved({ runId: world.run.id, chunkNo: 2, batchId: 'm1', atMs: 1, reason: 'x' });
    expect((await world.states())[1]).toBe('submitted:m2');
    await world.look();
    expect((await world.states())[1]).toBe('collected:m2');
  });

  test('gives the wrong one back after it was collected from the right one', async () => {
    const world = await twoInDoubt([1, 2]);
    await world.settle(2, { kind: 'batch', batchId: 'm1' });
    world.api.end('m2', linesOf(world.run, 2, 3));
    for (let at = 0; at < 4; at++) {
      await world.look();
      await uploadRound(world.the, [world.run.id]);
      world.clock.advance(10 * MINUTE_MS);
    }
    expect(await world.states()).toEqual(['uncertain:null', 'collected:m2']);
    world.api.end('m1', linesOf(world.run, 1, 3));
    for (let at = 0; at < 2; at++) await world.look();
    expect(await world.states()).toEqual(['collected:m1', 'collected:m2']);
    expect(creates(world)).toBe(2);
  });

  test.each([NOT_CREATED, LOST])('is not settled by %j while the API shows any of them', async (how) => {
    const world = await followed({ spare: true });
    drop(world.api, world.batchId);
    world.clock.advance(2 * HOUR_MS);
    expect(await refusalOf(world.settle(1, how))).toContain('spare');
    expect(await world.states()).toEqual(['submitted:msgbatch_1']);
    drop(world.api, 'spare');
    await world.settle(1, how);
    expect(await world.states()).toEqual([how === LOST ? 'lost:msgbatch_1' : 'sealed:null']);
  });
});

describe('results that cannot be read for an hour', () => {
  async function stuckForAnHour(world: World, batchId: string): Promise<void> {
    world.api.add(batchId, 3);
    world.api.end(batchId, [], { succeeded: 3 });
    world.api.results.delete(batchId);
    for (let at = 0; at < 8; at++) {
      await poll(world.the);
      world.clock.advance(10 * MINUTE_MS);
    }
  }
  const blocks = async ({ store, run }: World): Promise<(string | undefined)[]> =>
    (await store.run(run.id))?.blocked.map((block) => `${block.reason} ${block.scope}`) ?? [];

  test('do not block a chunk that has its own batch: what is paid is collected', async () => {
    const world = await twoInDoubt([]);
    await poll(world.the);
    world.clock.advance(11 * MINUTE_MS);
    await poll(world.the);
    await uploadRound(world.the, [world.run.id]);
    await stuckForAnHour(world, 'foreign');
    for (const batch of await world.store.batches(world.run.id)) {
      world.api.end(batch.id, linesOf(world.run, batch.chunkNo ?? 0, 3));
    }
    await world.look();
    expect(await blocks(world)).toEqual([]);
    expect(await world.states()).toEqual(['collected:msgbatch_1', 'collected:msgbatch_2']);
  });

  test('block a chunk in doubt until they can be read', async () => {
    const world = await twoInDoubt([]);
    await stuckForAnHour(world, 'foreign');
    expect(await blocks(world)).toEqual(['candidate_unreadable chunk:1', 'candidate_unreadable chunk:2']);
    world.api.end(
      'foreign',
      ['a', 'b', 'c'].map((id) => succeededLine(id)),
    );
    world.clock.advance(HOUR_MS);
    await poll(world.the);
    expect(await blocks(world)).toEqual([]);
    expect(await uploadRound(world.the, [world.run.id])).toMatchObject({ uploaded: 2 });
  });

  test('block a chunk that is sealed again until nothing waits for it any more, and say so', async () => {
    const world = await twoInDoubt([]);
    world.clock.advance(11 * MINUTE_MS);
    await poll(world.the);
    await stuckForAnHour(world, 'foreign');
    const [block] = (await world.store.run(world.run.id))?.blocked ?? [];
    expect(block).toMatchObject({ reason: 'candidate_unreadable', hint: expect.stringContaining('a day') as string });
    expect(block?.hint).not.toContain('--not-created');
    world.clock.advance(25 * HOUR_MS);
    await poll(world.the);
    expect(await blocks(world)).toEqual([]);
  });
});

describe('the rows of an ended chunk', () => {
  async function ended(): Promise<World & { readonly batchId: string }> {
    const world = await followed();
    world.api.end(world.batchId, linesOf(world.run, 1, 3));
    await poll(world.the);
    expect(await world.states()).toEqual(['ended:msgbatch_1']);
    return world;
  }

  test('are not given up while their results can be had', async () => {
    const world = await ended();
    expect(await refusalOf(world.settle(1, LOST))).toMatch(/can be had, and they are paid.*batchrun collect/);
    await world.look();
    expect(await world.states()).toEqual(['collected:msgbatch_1']);
  });

  test('are given up where their results cannot be read', async () => {
    const world = await ended();
    world.api.results.delete(world.batchId);
    await world.settle(1, LOST);
    expect(await world.states()).toEqual(['lost:msgbatch_1']);
  });

  test('are given up where their results were fetched again and again and were never whole', async () => {
    const world = await ended();
    world.api.end(world.batchId, linesOf(world.run, 1, 3).slice(1), { succeeded: 3 });
    for (let at = 0; at < 9; at++) {
      await collectRound(world.the, [world.run.id]);
      world.clock.advance(HOUR_MS);
    }
    expect((await world.store.run(world.run.id))?.blocked).toMatchObject([{ reason: 'results_unreadable' }]);
    await world.settle(1, LOST);
    expect(await world.states()).toEqual(['lost:msgbatch_1']);
  });
});

describe('an adopted chunk', () => {
  test('is never sent with the ids of the input; given up, its rows go out with ids of ours', async () => {
    const world = await adopted();
    drop(world.api, 'script');
    world.clock.advance(2 * HOUR_MS);
    expect(await refusalOf(world.settle(1, NOT_CREATED))).toMatch(/was adopted.*--lost.*batchrun retry/);
    expect(await world.states()).toEqual(['submitted:script']);
    await world.settle(1, LOST);
    await world.clock.run(drive(world.engine, FINISH));
    const next = await world.session();
    world.db.run("UPDATE runs SET settings = json_set(settings, '$.retryLane', 'batch')");
    expect(await next.driver.reopen(world.run.id, ['failed'], world.clock.now())).toBe(3);
    world.api.onCreate = (body) => {
      const { id } = world.api.make(body);
      world.api.end(id, linesOf(world.run, 2, 3));
      throw refused({ connection: 'lost' });
    };
    await world.clock.run(drive(world.engine, FINISH));
    expect(world.api.bodies).toHaveLength(1);
    expect(world.api.bodies[0]).toContain(`"custom_id":"${wire(world.run, 2, 0)}"`);
    expect((await world.store.run(world.run.id))?.rows).toMatchObject({ succeeded: 3 });
  });

  test('that is in doubt waits for a person: the list decides nothing about it', async () => {
    const world = await adopted();
    const { driver } = world.the;
    await driver.recordDisproved({ runId: world.run.id, chunkNo: 1, batchId: 'script', atMs: 1, reason: 'x' });
    drop(world.api, 'script');
    for (let at = 0; at < 3; at++) {
      await poll(world.the);
      world.clock.advance(10 * MINUTE_MS);
    }
    expect(await world.states()).toEqual(['uncertain:null']);
    expect((await world.store.run(world.run.id))?.blocked).toMatchObject([{ reason: 'adopted_in_doubt' }]);
  });

  test('takes another batch that holds the ids of its rows', async () => {
    const world = await adopted();
    for (const [id, name] of [
      ['right', 'row'],
      ['wrong', 'other'],
    ] as const) {
      world.api.add(id, 3);
      world.api.end(
        id,
        [0, 1, 2].map((at) => succeededLine(`${name}-${at}`)),
      );
    }
    expect(await refusalOf(world.settle(1, { kind: 'batch', batchId: 'wrong' }))).toContain('other rows');
    await world.settle(1, { kind: 'batch', batchId: 'right' });
    expect(await world.store.batch('right')).toMatchObject({ proven: false, chunkNo: 1 });
  });

  test('keeps its batch although a driver has just read that as a stranger’s', async () => {
    const world = await twoInDoubt([]);
    world.api.add('script', 3);
    world.api.end(
      'script',
      [0, 1, 2].map((at) => succeededLine(`row-${at}`)),
    );
    const read = world.api.streamResults.bind(world.api);
    let runId: string | null = null;
    world.api.streamResults = async function* (batch) {
      runId ??= (await world.ingest(rows(3), adopting(world.api, batch.id))).runId;
      yield* read(batch);
    };
    await poll(world.the);
    expect(runId).not.toBeNull();
    expect(await world.store.batch('script')).toMatchObject({ runId, chunkNo: 1 });
  });
});

describe('a 404', () => {
  /** A session with another key. */
  const withKey = async ({ engine, api, driver }: Lab, workspace: string): Promise<Session> =>
    newSession({ ...engine, api: Object.assign(Object.create(api) as FakeApi, { workspace }) }, await driver());

  test.each([NOT_CREATED, LOST])('to a key of another workspace proves nothing: %j', async (how) => {
    const world = await followed();
    drop(world.api, world.batchId);
    world.clock.advance(2 * HOUR_MS);
    const strange = await withKey(world, 'wrkspc_2');
    expect(await refusalOf(world.settle(1, how, strange))).toMatch(/wrkspc_2.*wrkspc_1.*key of the workspace/);
    expect(await world.states()).toEqual(['submitted:msgbatch_1']);
  });

  test('to another key that sees a batch of the same workspace counts', async () => {
    const world = await followed({ spare: true });
    const other = await world.submit(rows(4), {
      request: { scope: { origin: 'x', workspaceHeader: null, name: 'x' } },
    });
    await uploadRound(world.the, [other.id]);
    for (const id of [world.batchId, 'spare']) drop(world.api, id);
    world.clock.advance(2 * HOUR_MS);
    await world.settle(1, NOT_CREATED, await withKey(world, 'key_2'));
    expect(await world.states()).toEqual(['sealed:null']);
  });

  test.each([NOT_CREATED, LOST])('of a batch that was just made may pass: %j', async (how) => {
    const world = await followed();
    const truth = world.clock.now.bind(world.clock);
    world.api.date = truth;
    // This machine is a day ahead: it goes by the clock of the API.
    world.clock.now = () => truth() + 24 * HOUR_MS;
    drop(world.api, world.batchId);
    world.clock.advance(HOUR_MS - 1);
    expect(await refusalOf(world.settle(1, how))).toMatch(/less than an hour ago.*Wait/);
    world.clock.advance(1);
    await world.settle(1, how);
    expect((await world.states())[0]).toMatch(/^(sealed|lost):/);
  });
});
