/** Which chunk goes next and what it waits for: priority, the queue, calls a minute, the budget, and how many at once. */
import { describe, expect, test } from 'vitest';
import type { BatchInfo, RunRecord } from '../../../../src/domain/model.ts';
import { BATCH_AGEING_MS, type Priority } from '../../../../src/domain/priority.ts';
import { createLocalLimiter } from '../../../../src/domain/pacing/local-limiter.ts';
import type { RunWishes } from '../../../../src/domain/wishes.ts';
import { worstCostUsd } from '../../../../src/domain/reserve.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { newSession, type Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { HOUR_MS, lab, linesOf, refused, row, rows, type Json, type Lab, type LabOptions } from '../lab.ts';

interface Stage extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  round(): ReturnType<typeof uploadRound>;
  /** The rows of each batch, as the API got them: the number of their question. */
  sent(): number[][];
  /** Ends the batch of this chunk, with answers to all of its rows. */
  settle(chunkNo: number): Promise<void>;
}

type Options = LabOptions & { readonly wishes?: Partial<RunWishes>; readonly chunkRows?: number };

async function stage(input: readonly Json[], { wishes = {}, chunkRows = 1, ...options }: Options = {}): Promise<Stage> {
  const it = lab(options);
  const run = await it.submit(input, { settings: { chunkRows, wishes } });
  const the = await it.session();
  return {
    ...{ ...it, run, the },
    round: () => uploadRound(the, [run.id]),
    sent: () => it.api.bodies.map(questions),
    settle: async (chunkNo) => {
      const chunk = await it.store.chunk(run.id, chunkNo);
      it.api.end(chunk?.batchId ?? '', linesOf(run, chunkNo, chunk?.rowCount ?? 0));
      it.clock.advance(HOUR_MS);
      await poll(the);
      await collectRound(the, [run.id]);
    },
  };
}

function questions(body: string): number[] {
  const { requests } = JSON.parse(body) as { requests: { params: { messages: { content: string }[] } }[] };
  return requests.map(({ params }) => Number(params.messages[0]?.content.split(' ')[1]));
}

function creates({ api }: Lab): number {
  return api.calls.filter((call) => call === 'create').length;
}

describe('turns', () => {
  async function order(runs: readonly (readonly [Priority, number])[]): Promise<number[]> {
    const it = lab();
    const ids: string[] = [];
    for (const [at, [priority, laterMs]] of runs.entries()) {
      it.clock.advance(laterMs);
      const settings = { chunkRows: 1, wishes: { priority } };
      ids.push((await it.submit([row(2 * at), row(2 * at + 1)], { settings })).id);
    }
    await uploadRound(await it.session(), ids);
    return it.api.bodies.map(questions).flat();
  }

  test('of runs go by priority, of equal ones by time, and chunks in their order', async () => {
    expect(
      await order([
        ['low', 0],
        ['normal', 0],
        ['critical', 0],
        ['normal', 1],
      ]),
    ).toEqual([4, 5, 2, 3, 6, 7, 0, 1]);
  });

  test('of a low run come before a critical one that is three steps younger', async () => {
    const both = (laterMs: number): Promise<number[]> =>
      order([
        ['low', 0],
        ['critical', laterMs],
      ]);
    expect(await both(3 * BATCH_AGEING_MS - 1)).toEqual([2, 3, 0, 1]);
    expect(await both(3 * BATCH_AGEING_MS + 1)).toEqual([0, 1, 2, 3]);
  });

  test('of chunks go by the priority of their rows, where these have one', async () => {
    const input = [row(0), row(1, { priority: 'low' }), row(2, { priority: 'critical' }), row(3)];
    const it = await stage(input, { chunkRows: 10 });
    await it.round();
    expect(it.sent()).toEqual([[2], [0, 3], [1]]);
  });
});

describe('the queue', () => {
  test('counts batches of other programs, and what waits for room is not tried', async () => {
    const it = await stage(rows(6), { chunkRows: 2, pacing: { maxQueued: 10 } });
    it.api.add('msgbatch_foreign', 5);
    // The first goes before anybody has looked; with it seven are open, with the second nine.
    expect(await it.round()).toEqual({ uploaded: 2, full: true, waiting: 1 });
    // Those that were made just now are not counted once more as somebody's.
    expect(it.the.foreign.get('wrkspc_1')).toEqual({ batches: 1, rows: 5 });
    const tried = it.api.calls.length;
    expect(await it.round()).toEqual({ uploaded: 0, full: true, waiting: 1 });
    expect(it.api.calls).toHaveLength(tried);
    it.api.end('msgbatch_foreign', []);
    await poll(it.the);
    expect(await it.round()).toEqual({ uploaded: 1, full: false, waiting: 0 });
  });

  test('a batch that is larger than all of it goes when it is empty', async () => {
    const it = await stage(rows(4), { chunkRows: 2, pacing: { maxQueued: 1 } });
    expect(await it.round()).toEqual({ uploaded: 1, full: true, waiting: 1 });
    await it.settle(1);
    expect(await it.round()).toEqual({ uploaded: 1, full: false, waiting: 0 });
  });

  test.each([
    ['names its number', 'Number of batch requests in the processing queue has exceeded your limit of 4.'],
    ['names none', 'Number of batch requests in the processing queue has exceeded your limit.'],
  ])('a refusal that %s teaches it, and nothing is tried until there is room', async (_what, message) => {
    const it = await stage(rows(6), { chunkRows: 2 });
    let open = 0;
    const making = (body: string): BatchInfo => {
      if (open >= 4) throw refused({ status: 429, type: 'rate_limit_error', message, retryAfterMs: 1_000 });
      open += 2;
      return it.api.make(body);
    };
    it.api.onCreate = making;
    await it.round();
    expect(creates(it)).toBe(3);
    expect(it.the.pacer.pools.batchLimits('wrkspc_1').rowsMax).toBe(4);
    it.clock.advance(60_000);
    expect(await it.round()).toEqual({ uploaded: 0, full: true, waiting: 1 });
    expect(creates(it)).toBe(3);
    open = 2;
    await it.settle(1);
    expect(await it.round()).toEqual({ uploaded: 1, full: false, waiting: 0 });
  });

  test('too many batches teach how many there may be', async () => {
    const it = await stage(rows(3));
    it.api.onCreate = (body) => {
      if (it.api.listed.length < 2) return it.api.make(body);
      const message = 'Number of concurrent batches has exceeded your limit.';
      throw refused({ status: 429, type: 'rate_limit_error', message, retryAfterMs: 1_000 });
    };
    await it.round();
    expect(it.the.pacer.pools.batchLimits('wrkspc_1').batchesMax).toBe(2);
    it.clock.advance(60_000);
    expect(await it.round()).toEqual({ uploaded: 0, full: true, waiting: 1 });
    expect(creates(it)).toBe(3);
  });
});

test('calls a minute make creates wait, and go on', async () => {
  // A create is two calls: three creates fit into six.
  const it = await stage(rows(5), { pacing: { batchRpm: 6 } });
  expect(await it.round()).toEqual({ uploaded: 3, full: false, waiting: 2 });
  expect(it.api.calls).toHaveLength(6);
  it.clock.advance(19_999);
  expect(await it.round()).toMatchObject({ uploaded: 0, waiting: 2 });
  expect(it.api.calls).toHaveLength(6);
  it.clock.advance(1);
  expect(await it.round()).toMatchObject({ uploaded: 1, waiting: 1 });
  it.clock.advance(20_000);
  expect(await it.round()).toEqual({ uploaded: 1, full: false, waiting: 0 });
});

describe('the budget', () => {
  /** What one row of the lab may cost at most, in a batch. */
  async function worstOf(one: Json): Promise<number> {
    const it = await stage([one]);
    return worstCostUsd((await it.store.chunk(it.run.id, 1))?.mix ?? {}, 'batch') ?? NaN;
  }

  async function blocked({ store, run }: Stage): Promise<readonly string[] | undefined> {
    return (await store.run(run.id))?.blocked.map(({ reason, message }) => `${reason}: ${message}`);
  }

  test('stops before the cap, goes on when a batch has settled, and blocks when nothing is under way', async () => {
    const each = await worstOf(row(0));
    const it = await stage(rows(5), { wishes: { maxCostUsd: 2.5 * each } });
    expect(await it.round()).toMatchObject({ uploaded: 2, full: false });
    expect(await it.round()).toMatchObject({ uploaded: 0 });
    expect(await blocked(it)).toEqual([]);
    await it.settle(1);
    // Its answers cost less than a tenth of what they might have.
    expect(await it.round()).toMatchObject({ uploaded: 1 });
    await it.settle(2);
    await it.settle(3);
    const before = creates(it);
    await it.round();
    expect(creates(it)).toBe(before + 2);
    expect(await blocked(it)).toEqual([]);
  });

  test('too small for the next batch is said when nothing is under way', async () => {
    const each = await worstOf(row(0));
    const it = await stage(rows(2), { wishes: { maxCostUsd: 0.9 * each } });
    expect(await it.round()).toMatchObject({ uploaded: 0 });
    expect(creates(it)).toBe(0);
    expect(await blocked(it)).toEqual([
      expect.stringMatching(/^budget: the budget of .* is used: .*2 rows of .* left/),
    ]);
  });

  test('holds over creates that are under way at once', async () => {
    const each = await worstOf(row(0));
    const it = await stage(rows(8), { wishes: { maxCostUsd: 3.5 * each } });
    expect(await it.round()).toMatchObject({ uploaded: 3 });
    expect(creates(it)).toBe(3);
  });

  test('in expected mode reserves what is likely', async () => {
    const large = { ...row(0), params: { ...(row(0)['params'] as Json), max_tokens: 4_000 } };
    const each = await worstOf(large);
    const wishes = { maxCostUsd: 1.5 * each };
    const input = Array.from({ length: 6 }, (_unused, at) => ({ ...large, custom_id: `row-${at}` }));
    expect(await (await stage(input, { wishes })).round()).toMatchObject({ uploaded: 1 });
    expect(await (await stage(input, { wishes: { ...wishes, budgetMode: 'expected' } })).round()).toMatchObject({
      uploaded: 5,
    });
  });

  test('cannot be kept with a model without a price: nothing goes, and it is said', async () => {
    const input = { ...row(0), params: { ...(row(0)['params'] as Json), model: 'claude-secret-9' } };
    const it = await stage([input], { wishes: { maxCostUsd: 1_000 } });
    await it.round();
    expect(creates(it)).toBe(0);
    expect(await blocked(it)).toEqual([expect.stringContaining('no known price')]);
  });

  test('is not used up by a create that other processes had no room for', async () => {
    const each = await worstOf(row(0));
    const it = await stage(rows(1), { wishes: { maxCostUsd: 1.5 * each } });
    const local = createLocalLimiter(it.clock);
    const limiter = { ...local, leaseCreate: () => Promise.resolve(false) };
    const the = newSession({ ...it.engine, limiter }, it.the.driver);
    expect(await uploadRound(the, [it.run.id])).toEqual({ uploaded: 0, full: true, waiting: 1 });
    expect(await blocked(it)).toEqual([]);
  });
});

describe('at once', () => {
  /** Creates stay under way until they are let go on. */
  function holding(
    it: Stage,
    largeRows: readonly number[] = [],
  ): { readonly most: () => number; readonly large: () => number } {
    let underWay = 0;
    let most = 0;
    let beside = 0;
    it.api.onCreate = async (body) => {
      underWay++;
      most = Math.max(most, underWay);
      const isLarge = questions(body).some((question) => largeRows.includes(question));
      if (isLarge) beside = Math.max(beside, underWay);
      // Whoever may go meanwhile is under way by then.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (isLarge) beside = Math.max(beside, underWay);
      underWay--;
      return it.api.make(body);
    };
    return { most: () => most, large: () => beside };
  }

  test('small chunks are under way, four of them', async () => {
    const it = await stage(rows(9));
    const held = holding(it);
    expect(await it.round()).toMatchObject({ uploaded: 9 });
    expect(held.most()).toBe(4);
  });

  test('never more than there may be batches', async () => {
    const it = await stage(rows(9), { pacing: { maxBatches: 3 } });
    const held = holding(it);
    expect(await it.round()).toEqual({ uploaded: 3, full: true, waiting: 6 });
    expect(held.most()).toBe(2);
    expect(creates(it)).toBe(3);
  });

  test.each([
    ['before small ones', [1, 5], 1],
    ['after small ones', [4, 5, 8], 3],
  ])('a large chunk goes alone, %s', async (_what, largeRows, most) => {
    const it = await stage(rows(9));
    const held = holding(it, largeRows);
    // As large as a line takes ten seconds for; the body itself need not be.
    for (const question of largeRows) it.db.run('UPDATE chunks SET bytes = 32000000 WHERE chunk_no = ?', question + 1);
    expect(await it.round()).toMatchObject({ uploaded: 9 });
    expect(held.large()).toBe(1);
    expect(held.most()).toBe(most);
  });
});
