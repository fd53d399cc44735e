/** Rows that wait for the realtime lane: in their turns, as a sorted list would give them, and none is lost or given twice. */
import { describe, expect, test } from 'vitest';
import { chance, integerBetween, pick, seededRng } from '../../../../src/base/random.ts';
import type { RowRecord, RunRecord } from '../../../../src/domain/model.ts';
import { PRIORITIES, REALTIME_AGEING_MS, turnOf, type Priority } from '../../../../src/domain/priority.ts';
import { ROW_WAIT_MS_MAX } from '../../../../src/domain/row-wait.ts';
import { TurnHeap } from '../../../../src/engine/realtime/turn-heap.ts';
import { rowKey, WaitingRows, type TakenRow, type WaitingRow } from '../../../../src/engine/realtime/waiting-rows.ts';

function waits(seq: number, priority: Priority = 'normal', notBeforeMs = 0, runId = 'run-1'): WaitingRow {
  return { run: { id: runId } as RunRecord, row: { runId, seq, notBeforeMs } as RowRecord, priority };
}

const any = (): boolean => true;

function take(rows: WaitingRows, nowMs: number, max: number, may: (waiting: WaitingRow) => boolean): TakenRow[] {
  const taking = rows.begin(nowMs, may);
  const taken: TakenRow[] = [];
  for (let row; taken.length < max && (row = taking.next(() => false));) taken.push(row);
  taking.end();
  return taken;
}

function seqs(taken: readonly TakenRow[]): number[] {
  return taken.map(({ waiting }) => waiting.row.seq);
}

test('the heap gives what a stable sort gives, whatever is pushed in between', () => {
  for (let seed = 0; seed < 200; seed++) {
    const rng = seededRng(`heap ${seed}`);
    const heap = new TurnHeap<number>();
    const list: { item: number; turn: number }[] = [];
    for (let step = 0; step < 200; step++) {
      if (chance(rng, 0.6)) {
        // Few turns: many are equal, and then the first that came is the first.
        const turn = integerBetween(rng, 0, 8);
        heap.push(step, turn);
        list.push({ item: step, turn });
      } else {
        list.sort((one, other) => one.turn - other.turn);
        const { item, turn } = heap.pop() ?? {};
        expect({ item, turn }).toEqual(list.shift() ?? {});
      }
      expect(heap.size).toBe(list.length);
    }
    list.sort((one, other) => one.turn - other.turn);
    for (const { item, turn } of list) expect(heap.pop()).toMatchObject({ item, turn });
    expect(heap.pop()).toBeUndefined();
  }
});

describe('rows', () => {
  test('go by priority, then by how long they wait, then as they came', () => {
    const rows = new WaitingRows();
    rows.add(waits(0, 'low', 100));
    rows.add(waits(1, 'normal', 200));
    rows.add(waits(2, 'critical', 300));
    rows.add(waits(3, 'normal', 100));
    rows.add(waits(4, 'normal', 100));
    rows.add(waits(5, 'normal', 400));
    expect(seqs(take(rows, 399, 10, any))).toEqual([2, 3, 4, 1, 0]);
    expect(seqs(take(rows, 400, 10, any))).toEqual([5]);
  });

  test('of a low priority go before what came three steps of ageing later', () => {
    const rows = new WaitingRows();
    rows.add(waits(0, 'low'));
    expect(seqs(take(rows, 1_000, 0, any))).toEqual([]);
    rows.add(waits(1, 'critical'));
    expect(seqs(take(rows, 1_001 + 3 * REALTIME_AGEING_MS, 1, any))).toEqual([0]);
  });

  test('say when the next is due', () => {
    const rows = new WaitingRows();
    expect(rows.nextAtMs()).toBeNull();
    rows.add(waits(0, 'low', 500));
    rows.add(waits(1, 'low', 300));
    expect(rows.nextAtMs()).toBe(300);
    expect(seqs(take(rows, 299, 9, any))).toEqual([]);
    expect(rows.nextAtMs()).toBe(300);
    expect(seqs(take(rows, 300, 9, any))).toEqual([1]);
    expect(rows.nextAtMs()).toBe(500);
    take(rows, 500, 0, any);
    expect(rows.nextAtMs()).toBe(0);
  });

  test('that were scheduled by a clock hours ahead are due at once', () => {
    const rows = new WaitingRows();
    rows.add(waits(0, 'normal', 1_000 + ROW_WAIT_MS_MAX + 1));
    rows.add(waits(1, 'normal', 1_000 + ROW_WAIT_MS_MAX));
    expect(seqs(take(rows, 1_000, 9, any))).toEqual([0]);
  });

  test('that may not go keep their place, and do not hold up the others', () => {
    const rows = new WaitingRows();
    for (let seq = 0; seq < 6; seq++) rows.add(waits(seq, 'normal', 0, seq % 2 === 0 ? 'held' : 'free'));
    const free = ({ run }: WaitingRow): boolean => run.id === 'free';
    expect(seqs(take(rows, 1, 2, free))).toEqual([1, 3]);
    expect([rows.count('held'), rows.count('free')]).toEqual([3, 1]);
    expect(seqs(take(rows, 1, 9, any)).toSorted((a, b) => a - b)).toEqual([0, 2, 4, 5]);
  });

  test('that are put back have their turn before what came later, of whatever it waits for', () => {
    const rows = new WaitingRows();
    for (let seq = 0; seq < 3; seq++) rows.add(waits(seq, 'normal', 10 + seq));
    const [first] = take(rows, 100, 1, any);
    if (!first) throw new Error('one was due');
    expect(rows.has(first.waiting.row)).toBe(false);
    rows.putBack(first);
    expect(rows.has(first.waiting.row)).toBe(true);
    expect(rows.count('run-1')).toBe(3);
    expect([...rows.keys()].toSorted()).toEqual(['run-1:0', 'run-1:1', 'run-1:2']);
    expect(seqs(take(rows, 100, 9, any))).toEqual([0, 1, 2]);
    expect(rows.count('run-1')).toBe(0);
  });
});

test('whatever is added, taken and put back: the turns are those of a sorted list, and each row is there once', () => {
  for (let seed = 0; seed < 100; seed++) {
    const rng = seededRng(`waiting ${seed}`);
    const rows = new WaitingRows();
    const model: { waiting: WaitingRow; turn: number | null }[] = [];
    let nowMs = 1_000_000;
    for (let step = 0, seq = 0; step < 150; step++) {
      nowMs += integerBetween(rng, 0, 20_000);
      for (let more = integerBetween(rng, 0, 3); more > 0; more--) {
        const atMs = chance(rng, 0.3) ? 0 : nowMs + integerBetween(rng, -5_000, 60_000);
        const waiting = waits(seq++, pick(rng, PRIORITIES), atMs, pick(rng, ['a', 'b']));
        rows.add(waiting);
        model.push({ waiting, turn: null });
      }
      for (const one of model) {
        const { notBeforeMs } = one.waiting.row;
        if (one.turn !== null || notBeforeMs > nowMs) continue;
        one.turn = turnOf(one.waiting.priority, notBeforeMs === 0 ? nowMs : notBeforeMs, REALTIME_AGEING_MS);
      }
      const only = chance(rng, 0.3) ? 'a' : null;
      const may = ({ run }: WaitingRow): boolean => only === null || run.id === only;
      const max = integerBetween(rng, 0, 4);
      const taken = take(rows, nowMs, max, may);
      const due = model.filter(({ waiting, turn }) => turn !== null && may(waiting)).map(({ turn }) => turn ?? 0);
      expect(taken.map(({ turn }) => turn)).toEqual(due.toSorted((a, b) => a - b).slice(0, max));
      for (const one of taken) {
        const { waiting, turn } = one;
        const at = model.findIndex((known) => known.waiting === waiting);
        expect(model[at]?.turn).toBe(turn);
        if (chance(rng, 0.3)) rows.putBack(one);
        else model.splice(at, 1);
      }
      expect([...rows.keys()].toSorted()).toEqual(model.map(({ waiting }) => rowKey(waiting.row)).toSorted());
      expect(rows.count('a')).toBe(model.filter(({ waiting }) => waiting.run.id === 'a').length);
    }
  }
});
