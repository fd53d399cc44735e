/**
 * Pilots: their rows are called before anything else of their run is sent, the answers are their own, and a refusal stops
 * the run until somebody decides.
 */
import { describe, expect, test } from 'vitest';
import { LONG_OUTPUT_BETA } from '../../../../src/domain/limits.ts';
import type { MessageCall } from '../../../../src/domain/ports.ts';
import type { RunWishes } from '../../../../src/domain/wishes.ts';
import { lookAtPilot } from '../../../../src/engine/pilot/pilot-look.ts';
import { drive, type DriveEnd, type DriveRequest } from '../../../../src/engine/runner.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import {
  HOLDER,
  lab,
  MESSAGE,
  MINUTE_MS,
  refused,
  row,
  rows,
  succeededLine,
  type Json,
  type Lab,
  type LabOptions,
  type SubmitOptions,
} from '../lab.ts';

interface Flight extends Lab {
  readonly runId: string;
  /** The questions that were called, and those in batches, in their order. */
  readonly called: number[];
  readonly sent: number[];
  drive(more?: Partial<DriveRequest>): Promise<DriveEnd>;
  look(): Promise<string>;
}

interface Given {
  readonly input?: readonly Json[];
  readonly pilot?: number;
  readonly wishes?: Partial<RunWishes>;
  readonly settings?: Json;
  readonly lab?: LabOptions;
  readonly request?: SubmitOptions['request'];
  /** What the API answers to a question; a message unless it throws. */
  readonly answer?: (nth: number, tries: number) => void | Promise<void>;
}

const nthOf = (text: string): number => Number(/question (\d+)/.exec(text)?.[1]);

/** A run of ten rows with a pilot of three, and an API whose batches end after five minutes. */
async function flight(given: Given = {}): Promise<Flight> {
  const { input = rows(10), pilot = 3, wishes = {}, settings = {}, answer = () => undefined } = given;
  const room = lab(given.lab);
  const called: number[] = [];
  const sent: number[] = [];
  room.api.onMessage = async ({ paramsJson }: MessageCall) => {
    const nth = nthOf(paramsJson);
    called.push(nth);
    await answer(nth, called.filter((one) => one === nth).length);
    return MESSAGE;
  };
  room.api.onCreate = (body) => {
    const { requests } = JSON.parse(body) as { requests: { custom_id: string; params: unknown }[] };
    sent.push(...requests.map(({ params }) => nthOf(JSON.stringify(params))));
    const batch = room.api.make(body);
    void room.clock.sleep(5 * MINUTE_MS).then(() =>
      room.api.end(
        batch.id,
        requests.map(({ custom_id: id }) => succeededLine(id)),
      ),
    );
    return batch;
  };
  const run = await room.submit(input, {
    ...(given.request ? { request: given.request } : {}),
    settings: { chunkRows: 4, ...settings, wishes: { pilot, ...wishes } },
  });
  const request: DriveRequest = {
    ...{ runIds: [run.id], goal: 'finish', once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null },
  };
  return {
    ...{ ...room, runId: run.id, called, sent },
    drive: (more) => room.clock.run(drive(room.engine, { ...request, ...more })),
    look: async () => (await lookAtPilot(room.store, (await room.store.run(run.id)) ?? run)).state,
  };
}

const BAD = refused({ status: 400, type: 'invalid_request_error', message: 'messages.0: no' });
const upTo = (from: number, to: number): number[] => Array.from({ length: to - from }, (_unused, at) => from + at);
const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((one, other) => one - other);

describe('a pilot that goes well', () => {
  test('is called first, answers for its rows, and the rest follows in batches', async () => {
    let early = 0;
    const it = await flight({ answer: () => void (early += it.sent.length) });
    expect(await it.look()).toBe('open');
    expect(await it.drive()).toBe('done');
    expect(sorted(it.called)).toEqual([0, 1, 2]);
    expect([sorted(it.sent), early]).toEqual([upTo(3, 10), 0]);
    expect(it.output()).toHaveLength(10);
    expect(it.output().filter((line) => line.includes('from the realtime lane'))).toHaveLength(3);
    expect(await it.look()).toBe('passed');
    expect(it.events.filter(({ kind }) => kind === 'pilot.passed')).toEqual([
      { kind: 'pilot.passed', runId: it.runId, rows: 3 },
    ]);
  });

  test('is flown by a submit as well, which then uploads', async () => {
    const it = await flight();
    expect(await it.drive({ goal: 'upload' })).toBe('uploaded');
    expect([sorted(it.called), sorted(it.sent)]).toEqual([[0, 1, 2], upTo(3, 10)]);
    expect(await it.drive()).toBe('done');
    expect(it.called).toHaveLength(3);
  });

  test.each([
    ['all rows of the run', 10, upTo(0, 10), []],
    ['more rows than there are', 1_000, upTo(0, 10), []],
    ['one row', 1, [0], upTo(1, 10)],
    ['more rows than a chunk holds', 6, upTo(0, 6), upTo(6, 10)],
    ['no row', 0, [], upTo(0, 10)],
  ])('of %s', async (_name, pilot, called, sent) => {
    const it = await flight({ pilot });
    expect(await it.drive()).toBe('done');
    expect([sorted(it.called), sorted(it.sent)]).toEqual([called, sent]);
    expect(it.output()).toHaveLength(10);
  });

  test('takes the first rows that can be called, whatever their betas and priority', async () => {
    const input = rows(10).map((one, at) => ({
      ...one,
      ...(at === 0 ? { betas: [LONG_OUTPUT_BETA] } : at === 2 ? { betas: ['b'] } : at === 3 ? { priority: 'low' } : {}),
    }));
    const it = await flight({ input });
    expect(await it.drive()).toBe('done');
    expect([sorted(it.called), sorted(it.sent)]).toEqual([
      [1, 2, 3],
      [0, ...upTo(4, 10)],
    ]);
  });

  test('leaves out rows that are skipped, and duplicates', async () => {
    const input = [row(0), row(1, { custom_id: 'row-0' }), { custom_id: 'bad', params: {} }, ...rows(10).slice(2)];
    const it = await flight({ input, request: { onInvalid: 'skip' } });
    expect(await it.drive()).toBe('done');
    expect([sorted(it.called), sorted(it.sent)]).toEqual([[0, 2], upTo(3, 10)]);
    expect(it.output()).toHaveLength(11);
  });

  test('of a run that was submitted beside a driver is flown by that driver, which then uploads the rest', async () => {
    const it = await flight();
    const other = await it.submit([row(20)], { request: { again: true } });
    expect(await it.drive({ runIds: [other.id] })).toBe('done');
    expect([sorted(it.called), sorted(it.sent)]).toEqual([
      [0, 1, 2],
      [...upTo(3, 10), 20],
    ]);
    expect((await it.store.run(it.runId))?.state).toBe('active');
  });

  test('stops at nothing that passes: 429, 529, a connection', async () => {
    const it = await flight({
      answer: (nth, tries) => {
        if (tries === 1 && nth === 0) throw refused({ status: 429, type: 'rate_limit_error', retryAfterMs: 3_000 });
        if (tries === 1 && nth === 1) throw refused({ status: 529, type: 'overloaded_error' });
        if (tries === 1 && nth === 2) throw refused({ connection: 'lost' });
      },
    });
    expect(await it.drive()).toBe('done');
    expect([it.called.length, sorted(it.sent)]).toEqual([6, upTo(3, 10)]);
  });

  test('a row that fails for good for what is not its fault ends it, and stops nothing', async () => {
    const it = await flight({
      settings: { maxAttempts: 2 },
      answer: (nth) => {
        if (nth === 1) throw refused({ status: 500, type: 'api_error' });
      },
    });
    expect(await it.drive()).toBe('done');
    expect((await it.store.run(it.runId))?.rows).toMatchObject({ succeeded: 9, failed: 1 });
  });
});

describe('a pilot with a refusal', () => {
  const refusing = (more: Given = {}): Promise<Flight> =>
    flight({
      ...more,
      answer: (nth) => {
        if (nth === 1) throw BAD;
      },
    });

  test('blocks its run: which line, what type, and how to go on; nothing else was sent', async () => {
    const it = await refusing();
    expect(await it.drive()).toBe('blocked');
    expect(it.sent).toEqual([]);
    const run = await it.store.run(it.runId);
    expect(run?.blocked).toMatchObject([{ reason: 'pilot_refused', scope: 'run' }]);
    expect(run?.blocked[0]?.message).toMatch(/invalid_request_error for line 2 of \/in\/rows\.jsonl/);
    expect(run?.blocked[0]?.hint).toContain(`batchrun collect ${it.runId} --pilot 0`);
    expect(JSON.stringify(run?.blocked)).not.toContain('question');
    expect(await it.look()).toBe('refused');
    expect(run && (await viewRun(it.store, run)).pilot).toEqual({ rows: 3, state: 'refused' });
  });

  test('blocks a submit the same way', async () => {
    const it = await refusing();
    expect(await it.drive({ goal: 'upload' })).toBe('blocked');
    expect(it.sent).toEqual([]);
  });

  test('calls none of its other rows after it', async () => {
    const it = await refusing({ pilot: 8, lab: { pacing: { concurrency: 1 } } });
    expect(await it.drive()).toBe('blocked');
    expect(it.called).toEqual([0, 1]);
    // The next command finds it so, and asks nobody.
    expect(await it.drive()).toBe('blocked');
    expect([it.called, it.sent]).toEqual([[0, 1], []]);
  });

  test('goes on when somebody says so: what is left is sent, what was refused stays', async () => {
    const it = await refusing({ pilot: 8, lab: { pacing: { concurrency: 1 } } });
    expect(await it.drive()).toBe('blocked');
    await it.store.changeWishes(it.runId, { pilot: 0 });
    expect(await it.drive()).toBe('done');
    expect((await it.store.run(it.runId))?.rows).toMatchObject({ succeeded: 9, failed: 1 });
    expect(sorted([...it.called, ...it.sent])).toEqual(upTo(0, 10));
    expect(await it.look()).toBe('none');
  });

  test('can be canceled, and then tried again: the pilot goes first once more', async () => {
    const it = await refusing();
    expect(await it.drive()).toBe('blocked');
    await it.store.requestCancel(it.runId, it.clock.now());
    expect(await it.drive()).toBe('done');
    expect((await it.store.run(it.runId))?.rows).toMatchObject({ failed: 1, canceled: 7, succeeded: 2 });
    await (await it.driver()).reopen(it.runId, ['failed', 'canceled'], it.clock.now());
    it.called.length = 0;
    expect(await it.drive()).toBe('blocked');
    expect([it.called, it.sent]).toEqual([[1], []]);
  });

  test('does not keep other runs from going on', async () => {
    const it = await refusing();
    const other = await it.submit([row(20), row(21)], { request: { again: true } });
    expect(await it.drive({ runIds: null })).toBe('blocked');
    expect(sorted(it.sent)).toEqual([20, 21]);
    expect((await it.store.run(other.id))?.state).toBe('done');
  });
});

describe('beside other wishes', () => {
  test('--realtime: the rest is called as well, after the pilot', async () => {
    let before = 0;
    const it = await flight({
      wishes: { lane: 'realtime' },
      answer: async (nth) => {
        if (nth < 3) before = Math.max(before, it.called.filter((one) => one >= 3).length);
        await it.clock.sleep(1_000);
      },
    });
    expect(await it.drive()).toBe('done');
    expect([sorted(it.called), it.sent, before]).toEqual([upTo(0, 10), [], 0]);
  });

  test('a deadline that presses moves nothing past a pilot', async () => {
    const it = await flight({
      wishes: { deadlineMs: 1 },
      answer: (nth) => {
        if (nth === 0) throw BAD;
      },
      lab: { pacing: { concurrency: 1 } },
    });
    await it.store.changeWishes(it.runId, { deadlineMs: it.clock.now() + MINUTE_MS });
    expect(await it.drive()).toBe('blocked');
    expect([it.called, it.sent]).toEqual([[0], []]);
  });

  test.each(['batch', 'none'] as const)('--retry-lane %s: the pilot is called all the same', async (retryLane) => {
    const it = await flight({ settings: { retryLane } });
    expect(await it.drive()).toBe('done');
    expect([sorted(it.called), sorted(it.sent)]).toEqual([[0, 1, 2], upTo(3, 10)]);
  });

  test('a budget that the pilot does not fit into blocks before anything is called', async () => {
    const it = await flight({ wishes: { maxCostUsd: 0.000_000_1 } });
    expect(await it.drive()).toBe('blocked');
    expect([it.called, it.sent]).toEqual([[], []]);
    expect((await it.store.run(it.runId))?.blocked).toMatchObject([{ reason: 'budget' }]);
  });
});
