/** The lane at its limits: who could not go keeps its place, and when the driving ends nothing begins any more. */
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { RealtimeLane } from '../../../../src/engine/realtime/realtime.ts';
import { releaseRound } from '../../../../src/engine/realtime/release.ts';
import { retryRound } from '../../../../src/engine/retry/retry.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { WaitingRows, type TakenRow } from '../../../../src/engine/realtime/waiting-rows.ts';
import { lab, MESSAGE, rows, type Json, type Lab, type LabOptions } from '../lab.ts';

interface Room extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  readonly lane: RealtimeLane;
  readonly calls: (() => void)[];
}

/** All rows of the run are offered to the lane, which has begun. */
async function begun(count: number, options: LabOptions): Promise<Room> {
  const it = lab(options);
  const run = await it.submit(rows(count), { settings: { wishes: { lane: 'realtime' } } });
  const the = await it.session();
  const lane = new RealtimeLane(the, [run.id], () => undefined);
  const calls: (() => void)[] = [];
  it.api.onMessage = () => new Promise((resolve) => void calls.push(() => resolve(MESSAGE)));
  await releaseRound(the, lane, [run.id]);
  await retryRound(the, lane, [run.id]);
  await lane.pump();
  await settled();
  return { ...it, run, the, lane, calls };
}

async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
}

test('rows that came together and could not go keep their places', async () => {
  const it = lab();
  const run = await it.submit(rows(9));
  const waiting = new WaitingRows();
  for (let seq = 0; seq < 9; seq++) {
    const row = { runId: run.id, seq, notBeforeMs: 0 } as unknown as Parameters<typeof waiting.add>[0]['row'];
    waiting.add({ run, row, priority: 'normal' });
  }
  const take = (): number[] => {
    const taking = waiting.begin(1_000, ({ row }) => row.seq !== 1);
    const taken: TakenRow[] = [];
    for (let one; taken.length < 4 && (one = taking.next(() => false));) taken.push(one);
    // Also where it is known by now which line they stand in.
    for (const one of taken.slice(1)) waiting.putBack({ ...one, line: { runId: run.id, model: `m${one.order % 2}` } });
    taking.end();
    return taken.map((one) => one.waiting.row.seq);
  };
  expect([take(), take(), take()]).toEqual([
    [0, 2, 3, 4],
    [2, 3, 4, 5],
    [3, 4, 5, 6],
  ]);
});

test('a long line of a model without room does not hold up another one that has', async () => {
  const LONG = 3_000;
  const it = lab({ pacing: { concurrency: 4 } });
  const of = (model: string, seqs: number): Json[] =>
    Array.from({ length: seqs }, (_unused, at) => {
      const messages = [{ role: 'user', content: `question ${at}` }];
      return { custom_id: `${model}-${at}`, params: { model, max_tokens: 100, messages } };
    });
  const all = [...of('claude-opus-5-5', LONG), ...of('claude-haiku-5-5', 20)];
  const run = await it.submit(all, { settings: { chunkRows: 10_000, wishes: { lane: 'realtime' } } });
  const the = await it.session();
  const take = the.pacer.take.bind(the.pacer);
  let asked = 0;
  // Opus has room for one call, and for the next in an hour.
  let left = 1;
  the.pacer.take = async (size, keys, waiter) => {
    if (size.model === 'claude-haiku-5-5') return take(size, keys, waiter);
    asked++;
    if (left-- > 0) return take(size, keys, waiter);
    return { kind: 'wait', waitMs: 3_600_000, everyone: false, bucket: 'input', pool: 'opus' };
  };
  it.api.onMessage = async () => MESSAGE;
  const lane = new RealtimeLane(the, [run.id], () => undefined);
  await releaseRound(the, lane, [run.id]);
  await retryRound(the, lane, [run.id]);
  await lane.pump();
  for (let pumps = 0; pumps < 30; pumps++) {
    await settled();
    it.clock.advance(20);
  }
  await settled();
  expect((await it.store.run(run.id))?.rows).toMatchObject({ succeeded: 21, retry: LONG - 1 });
  // None of them is lost, and a round asks for few of them.
  expect(lane.waiting(run.id)).toBe(LONG - 1);
  const before = asked;
  await lane.pump();
  await settled();
  expect(asked - before).toBeLessThanOrEqual(32);
  await lane.drain();
});

test('a dozen runs without room do not hold up one that has, and are not asked again and again', async () => {
  const it = lab({ pacing: { concurrency: 4 } });
  const of = (model: string, name: string, count: number): Json[] =>
    Array.from({ length: count }, (_unused, at) => {
      const messages = [{ role: 'user', content: `${name} ${at}` }];
      return { custom_id: `${name}-${at}`, params: { model, max_tokens: 100, messages } };
    });
  const settings = { wishes: { lane: 'realtime' as const } };
  const runIds: string[] = [];
  for (let at = 0; at < 12; at++) runIds.push((await it.submit(of('claude-opus-5-5', `r${at}`, 40), { settings })).id);
  const quick = await it.submit(of('claude-haiku-5-5', 'quick', 3), { settings });
  runIds.push(quick.id);
  const the = await it.session();
  const take = the.pacer.take.bind(the.pacer);
  let asked = 0;
  the.pacer.take = async (size, keys, waiter) => {
    if (size.model === 'claude-haiku-5-5') return take(size, keys, waiter);
    asked++;
    return { kind: 'wait', waitMs: 3_600_000, everyone: false, bucket: 'input', pool: 'opus' };
  };
  it.api.onMessage = async () => MESSAGE;
  const lane = new RealtimeLane(the, runIds, () => undefined);
  await releaseRound(the, lane, runIds);
  await retryRound(the, lane, runIds);
  await lane.pump();
  for (let pumps = 0; pumps < 10; pumps++) {
    await settled();
    it.clock.advance(20);
  }
  await settled();
  expect((await it.store.run(quick.id))?.rows).toMatchObject({ succeeded: 3 });
  // The lane rests now until the limits have room.
  const before = asked;
  for (let pumps = 0; pumps < 10; pumps++) {
    it.clock.advance(20);
    await settled();
  }
  expect(asked).toBe(before);
  await lane.drain();
});

describe('drain', () => {
  test('begins no other call when one is answered', async () => {
    const it = await begun(5, { pacing: { concurrency: 2 } });
    expect(it.calls).toHaveLength(2);
    const drained = it.lane.drain();
    it.calls[0]?.();
    await settled();
    expect(it.calls).toHaveLength(2);
    it.calls[1]?.();
    await drained;
    expect((await it.store.run(it.run.id))?.rows).toMatchObject({ retry: 3, in_realtime: 0, succeeded: 2 });
    await it.lane.pump();
    await settled();
    expect(it.calls).toHaveLength(4);
  });

  test('waits for calls that a limit has just let through', async () => {
    const it = await begun(2, { pacing: { caps: { requests: 1 } } });
    it.calls[0]?.();
    await settled();
    const { pacer } = it.the;
    let pay = (): void => undefined;
    const take = pacer.take.bind(pacer);
    pacer.take = async (...call) => {
      await new Promise<void>((resolve) => (pay = resolve));
      return take(...call);
    };
    it.clock.advance(60_000);
    await settled();
    let over = false;
    const drained = it.lane.drain().then(() => (over = true));
    await settled();
    expect(over).toBe(false);
    pay();
    await settled();
    expect({ over, calls: it.calls.length }).toEqual({ over: false, calls: 2 });
    it.calls[1]?.();
    await drained;
    expect((await it.store.run(it.run.id))?.rows).toMatchObject({ in_realtime: 0, succeeded: 2 });
  });
});
