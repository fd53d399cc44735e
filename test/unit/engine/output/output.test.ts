/**
 * The output has one line for each input row, in input order, whatever became of it; `--as-completed` prints each line
 * once.
 */
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { AsCompleted } from '../../../../src/engine/output/as-completed.ts';
import { cancelRound } from '../../../../src/engine/poll/cancel.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { finishOutputs } from '../../../../src/engine/output/finish-outputs.ts';
import { writeOutputs } from '../../../../src/engine/output/output.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { RealtimeLane } from '../../../../src/engine/realtime/realtime.ts';
import { retryRound } from '../../../../src/engine/retry/retry.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import {
  erroredLine,
  lab,
  refused,
  row,
  succeededLine,
  wire,
  type Json,
  type Lab,
  type SubmitOptions,
} from '../lab.ts';

interface Line {
  readonly custom_id: string;
  readonly result: {
    readonly type: string;
    readonly error?: { error?: { type?: string } };
    readonly message?: { content: { text: string }[] };
  };
}

interface Running extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  /** Ends every open batch: rows whose seq is in `errored` are overloaded. Then collects. */
  endAll(errored?: readonly number[]): Promise<void>;
  written(): Promise<string[]>;
}

async function running(input: readonly Json[], more: SubmitOptions = {}): Promise<Running> {
  const room = lab();
  const run = await room.submit(input, more);
  const the = await room.session();
  await uploadRound(the, [run.id]);
  return {
    ...{ ...room, run, the },
    endAll: async (errored = []) => {
      for (const chunk of await room.store.chunks(run.id, { states: ['submitted'] })) {
        const body =
          room.api.bodies.find((text) => text.includes(`"${wire(run, chunk.chunkNo, 0)}"`)) ?? '{"requests":[]}';
        const { requests } = JSON.parse(body) as {
          requests: { custom_id: string; params: { messages: { content: string }[] } }[];
        };
        const lines = requests.map(({ custom_id, params }) => {
          const text = params.messages[0]?.content ?? '';
          return errored.includes(Number(text.split(' ')[1]))
            ? erroredLine(custom_id)
            : succeededLine(custom_id, `re: ${text}`);
        });
        const failed = lines.filter((line) => line.includes('"errored"')).length;
        room.api.end(chunk.batchId ?? '', lines.reverse(), { succeeded: lines.length - failed, errored: failed });
      }
      await poll(the);
      await collectRound(the, [run.id]);
    },
    written: async () => {
      const now = await room.store.run(run.id);
      if (now) await writeOutputs(room.engine, now);
      return room.output().map((text) => {
        const { custom_id: id, result } = JSON.parse(text) as Line;
        return `${id}: ${result.message?.content[0]?.text ?? result.error?.error?.type ?? result.type}`;
      });
    },
  };
}

test('rows with different betas lie in several chunks and come out in input order', async () => {
  const input = Array.from({ length: 20 }, (_unused, at) =>
    row(at, at % 3 === 0 ? {} : { betas: [`beta-${at % 3}-2026-01-01`] }),
  );
  const it = await running(input, { settings: { chunkRows: 4 } });
  await it.endAll();
  expect(await it.written()).toEqual(input.map((_row, at) => `row-${at}: re: question ${at}`));
  expect(it.api.headers.map((betas) => betas.length)).toEqual(expect.arrayContaining([0, 1]));
});

test('skipped rows have their lines in their places, also the last and the first', async () => {
  const bad = (at: number): Json => ({ custom_id: `bad-${at}`, params: { model: 'claude-haiku-5-5', max_tokens: 1 } });
  const input = [bad(0), row(1), row(1), row(3), bad(4)];
  const it = await running(input, { request: { onInvalid: 'skip' } });
  await it.endAll();
  expect(await it.written()).toEqual([
    'bad-0: batchrun_missing_param',
    'row-1: re: question 1',
    'row-1: batchrun_duplicate_id',
    'row-3: re: question 3',
    'bad-4: batchrun_missing_param',
  ]);
});

test('a row that was tried again has the answer of its last try, from whichever lane', async () => {
  const it = await running([row(0), row(1), row(2)], { settings: { chunkRows: 2 } });
  await it.endAll([1, 2]);
  it.clock.advance(60_000);
  const lane = new RealtimeLane(it.the, [it.run.id], () => undefined);
  await retryRound(it.the, lane, [it.run.id]);
  await lane.pump();
  await lane.drain();
  expect(await it.written()).toEqual([
    'row-0: re: question 0',
    'row-1: from the realtime lane',
    'row-2: from the realtime lane',
  ]);
});

test('a retry chunk: its rows come out in their places', async () => {
  const it = await running(
    [0, 1, 2, 3].map((at) => row(at)),
    { settings: { chunkRows: 2, retryLane: 'batch' } },
  );
  await it.endAll([0, 3]);
  const lane = new RealtimeLane(it.the, [it.run.id], () => undefined);
  expect(await retryRound(it.the, lane, [it.run.id])).toBe(1);
  expect(await it.store.chunk(it.run.id, 3)).toMatchObject({ kind: 'retry', rowCount: 2 });
  await uploadRound(it.the, [it.run.id]);
  await it.endAll();
  expect(await it.written()).toEqual([0, 1, 2, 3].map((at) => `row-${at}: re: question ${at}`));
});

describe('canceled', () => {
  test('what was never sent is canceled, what was finished is there', async () => {
    const it = await running(
      [0, 1, 2, 3].map((at) => row(at)),
      { settings: { chunkRows: 2 } },
    );
    await it.endAll();
    const other = await running([row(0), row(1)]);
    await other.store.requestCancel(other.run.id, other.clock.now());
    await cancelRound(other.the, [other.run.id]);
    expect(other.api.calls.some((call) => call.startsWith('cancel '))).toBe(true);
    const sealed = lab();
    const run = await sealed.submit([row(0), row(1)]);
    const driver = await sealed.driver();
    await sealed.store.requestCancel(run.id, sealed.clock.now());
    await driver.cancelUnsent(run.id, sealed.clock.now());
    const now = (await sealed.store.run(run.id)) ?? run;
    await writeOutputs(sealed.engine, now);
    expect(sealed.output().map((line) => JSON.parse(line) as unknown)).toEqual([
      { custom_id: 'row-0', result: { type: 'canceled' } },
      { custom_id: 'row-1', result: { type: 'canceled' } },
    ]);
    expect(await it.written()).toHaveLength(4);
  });

  test.each(['realtime', 'batch'] as const)(
    'a row that waited for its next try (%s) is canceled, not errored',
    async (retryLane) => {
      const it = await running([row(0), row(1)], { settings: { retryLane } });
      await it.endAll([1]);
      const lane = new RealtimeLane(it.the, [it.run.id], () => undefined);
      await retryRound(it.the, lane, [it.run.id]);
      await it.store.requestCancel(it.run.id, it.clock.now());
      await cancelRound(it.the, [it.run.id]);
      expect((await it.store.run(it.run.id))?.rows).toMatchObject({ succeeded: 1, canceled: 1 });
      expect(await it.written()).toEqual(['row-0: re: question 0', 'row-1: canceled']);
    },
  );
});

test('a row of a retry chunk that the API refuses says so', async () => {
  const it = await running([row(0), row(1)], { settings: { retryLane: 'batch' } });
  await it.endAll([1]);
  await retryRound(it.the, new RealtimeLane(it.the, [it.run.id], () => undefined), [it.run.id]);
  it.api.onCreate = () => {
    throw refused({ status: 413, type: 'request_too_large' });
  };
  await uploadRound(it.the, [it.run.id]);
  expect(await it.written()).toEqual(['row-0: re: question 0', 'row-1: batchrun_refused_request_too_large']);
});

test('--errors has the rows that did not succeed, with the request as it was sent', async () => {
  const it = await running([row(0), row(1)], { settings: { retryLane: 'none' }, run: { errors: '/out/errors.jsonl' } });
  await it.endAll([1]);
  await retryRound(it.the, new RealtimeLane(it.the, [it.run.id], () => undefined), [it.run.id]);
  await it.written();
  const errors = it.disk.contents().get('/out/errors.jsonl')?.toString() ?? '';
  expect(JSON.parse(errors)).toEqual({
    ...row(1),
    error: { type: 'overloaded_error', message: 'Overloaded', status: 'failed' },
  });
});

test('an output that breaks off leaves the old one', async () => {
  const it = await running([row(0)]);
  await it.endAll();
  await it.written();
  const before = it.output();
  it.disk.failAfterBytes(10);
  await expect(it.written()).rejects.toMatchObject({ code: 'E_DISK_FULL' });
  expect(it.output()).toEqual(before);
});

describe('as completed', () => {
  test('each line comes once, when its row is settled', async () => {
    const it = await running(
      [0, 1, 2].map((at) => row(at)),
      { settings: { chunkRows: 2, retryLane: 'batch' } },
    );
    const printed: string[] = [];
    const print = new AsCompleted(it.engine, async (text) => void printed.push((JSON.parse(text) as Line).custom_id));
    await print.print([it.run.id]);
    expect(printed).toEqual([]);
    await it.endAll([1]);
    await print.print([it.run.id]);
    await print.print([it.run.id]);
    expect(printed).toEqual(['row-0', 'row-2']);
    await retryRound(it.the, new RealtimeLane(it.the, [it.run.id], () => undefined), [it.run.id]);
    await print.print([it.run.id]);
    await uploadRound(it.the, [it.run.id]);
    await it.endAll();
    await print.print([it.run.id]);
    await print.print([it.run.id]);
    expect(printed).toEqual(['row-0', 'row-2', 'row-1']);
  });

  test('after a restart all lines come again: at least once', async () => {
    const it = await running([row(0), row(1)]);
    await it.endAll();
    const lines: string[] = [];
    for (let nth = 0; nth < 2; nth++) {
      await new AsCompleted(it.engine, async (text) => void lines.push(text)).print([it.run.id]);
    }
    expect(lines).toHaveLength(4);
  });
});

test('a file that another run took while this one was writing is left to it, and the run writes beside', async () => {
  const it = await running([row(0), row(1)]);
  await it.endAll();
  const path = it.run.output ?? '';
  const stale = (await it.store.run(it.run.id)) ?? it.run;
  const beside = `${path}.beside`;
  await it.store.setOutput(it.run.id, { ...stale, output: beside }, it.clock.now());
  expect(await finishOutputs(it.the, stale)).toBe(false);
  expect(it.disk.contents().has(path)).toBe(false);
  expect((await it.store.run(it.run.id))?.blocked).toEqual([]);
  const now = (await it.store.run(it.run.id)) ?? it.run;
  expect(await finishOutputs(it.the, now)).toBe(true);
  expect(it.disk.contents().has(beside)).toBe(true);
});
