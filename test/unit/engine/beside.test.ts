/** What a `run` brings to safety of runs that others have left: their answers, and nothing of their troubles. */
import { expect, test } from 'vitest';
import type { ApiEngine, KeyLink } from '../../../src/engine/engine.ts';
import { drive, type DriveEnd, type DriveRequest } from '../../../src/engine/runner.ts';
import { erroredLine, HOLDER, lab, MINUTE_MS, refused, row, rows, succeededLine, wire, type Lab } from './lab.ts';

const REQUEST: DriveRequest = {
  ...{ runIds: null, goal: 'finish', once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null, beside: true },
};

interface Night extends Lab {
  readonly old: string;
  tonight(engine?: ApiEngine): Promise<{ readonly end: DriveEnd; readonly runId: string }>;
}

/** A run was cut short when its batch was made; by now that has ended with these lines. Tonight's batches end by themselves. */
async function night(linesOf: (old: { readonly id: string }) => readonly string[]): Promise<Night> {
  const room = lab({ pacing: { maxBatches: 1 } });
  const old = await room.submit(rows(2));
  await room.clock.run(drive(room.engine, { ...REQUEST, runIds: [old.id], goal: 'upload' }));
  const lines = linesOf(old);
  const errored = lines.filter((line) => line.includes('"errored"')).length;
  room.api.end('msgbatch_1', lines, { succeeded: lines.length - errored, errored });
  room.api.onCreate = (body) => {
    const batch = room.api.make(body);
    const { requests } = JSON.parse(body) as { requests: { custom_id: string }[] };
    const answers = requests.map(({ custom_id }) => succeededLine(custom_id));
    void room.clock.sleep(5 * MINUTE_MS).then(() => room.api.end(batch.id, answers));
    return batch;
  };
  return {
    ...room,
    old: old.id,
    tonight: async (engine = room.engine) => {
      const { id } = await room.submit([row(100), row(101)], { settings: { chunkRows: 1 } });
      return { end: await room.clock.run(drive(engine, { ...REQUEST, runIds: [id] })), runId: id };
    },
  };
}

test('answers that are paid are fetched, and nothing of the run is sent', async () => {
  const it = await night((old) => [succeededLine(wire(old, 1, 0)), erroredLine(wire(old, 1, 1))]);
  expect((await it.tonight()).end).toBe('done');
  expect((await it.store.run(it.old))?.rows).toMatchObject({ succeeded: 1, retry: 1 });
  expect(it.api.bodies).toHaveLength(3);
  expect(it.api.calls).not.toContain('message');
});

test('that its money was gone then stops nothing tonight', async () => {
  const it = await night((old) =>
    [0, 1].map((at) => erroredLine(wire(old, 1, at), 'billing_error', 'credit is too low')),
  );
  const link = (label: string): KeyLink => ({ api: it.api, organization: 'one', reported: it.api.workspace, label });
  const { end, runId } = await it.tonight({ ...it.engine, keys: [link('sk-…1'), link('sk-…2')] });
  expect(end).toBe('done');
  expect((await it.store.run(runId))?.rows).toMatchObject({ succeeded: 2 });
  expect(it.events.filter(({ kind }) => kind === 'key.aside')).toEqual([]);
  expect((await it.store.run(it.old))?.rows).toMatchObject({ retry: 2 });
  expect((await it.store.run(it.old))?.blocked.map(({ reason }) => reason)).toEqual(['billing']);
});

test('that this key may not see its results stops nothing tonight', async () => {
  const it = await night((old) => [0, 1].map((at) => succeededLine(wire(old, 1, at))));
  const stream = it.api.streamResults.bind(it.api);
  let refusals = 0;
  it.api.streamResults = (batch) => {
    if (batch.id !== 'msgbatch_1') return stream(batch);
    refusals++;
    throw refused({ status: 403, type: 'permission_error' });
  };
  const { end, runId } = await it.tonight();
  expect(end).toBe('done');
  expect((await it.store.run(runId))?.rows).toMatchObject({ succeeded: 2 });
  expect(refusals).toBe(1);
  expect((await it.store.run(it.old))?.blocked.map(({ scope }) => scope)).toEqual(['chunk:1']);
});

test('that it is damaged stops nothing tonight', async () => {
  const it = await night((old) => [0, 1].map((at) => succeededLine(wire(old, 1, at))));
  it.db.run("UPDATE chunk_index SET requests = x'00' WHERE run_id = ?", it.old);
  const { end, runId } = await it.tonight();
  expect(end).toBe('done');
  expect((await it.store.run(runId))?.rows).toMatchObject({ succeeded: 2 });
  expect((await it.store.run(it.old))?.blocked.map(({ scope }) => scope)).toEqual(['chunk:1']);
});
