/**
 * A list of batches that is not found: an address that is a mistake stops the run soon, and one that was used before
 * is in trouble that passes. Nobody may be made to cancel a batch that is paid for.
 */
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { drive, type DriveEnd } from '../../../../src/engine/runner.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { HOLDER, HOUR_MS, lab, refused, rows, succeededLine, wire, type Lab } from '../lab.ts';

const ABSENT = [
  ['404 of the API', { status: 404, type: 'not_found_error' }],
  ['405', { status: 405, type: 'invalid_request_error' }],
  ['404 of something else', { status: 404, type: null }],
] as const;

function drives(it: Lab, goal: 'finish' | 'upload' = 'finish'): Promise<DriveEnd> {
  const request = { runIds: null, holder: HOLDER, retryLockMs: 0, asCompleted: null, once: false } as const;
  return it.clock.run(drive(it.engine, { ...request, goal }));
}

/** The list fails so often, and is well from then on. */
function failsOften(it: Lab, failure: Error, times: number): void {
  const list = it.api.listBatches.bind(it.api);
  let left = times;
  it.api.listBatches = async (options) => {
    it.api.listFailure = left-- > 0 ? failure : null;
    return list(options);
  };
}

/** Its only batch ends a minute after it was made. */
function answersSoon(it: Lab, run: RunRecord): void {
  it.api.onCreate = (body) => {
    const batch = it.api.make(body);
    void it.clock.sleep(60_000).then(() => it.api.end(batch.id, [succeededLine(wire(run, 1, 0))]));
    return batch;
  };
}

async function withBatch(): Promise<{ readonly it: Lab; readonly run: RunRecord }> {
  const it = lab();
  const run = await it.submit(rows(1));
  answersSoon(it, run);
  await uploadRound(await it.session(), [run.id]);
  return { it, run };
}

describe.each(ABSENT)('%s for the list', (_what, more) => {
  test.each(['finish', 'upload'] as const)('always: to %s, the run is blocked after a few tries', async (goal) => {
    const it = lab();
    const run = await it.submit(rows(1));
    it.api.listFailure = refused(more);
    const beganMs = it.clock.monotonicMs();
    expect(await drives(it, goal)).toBe('blocked');
    expect(it.clock.monotonicMs() - beganMs).toBeLessThan(60_000);
    expect(it.api.calls.filter((call) => call === 'list').length).toBeGreaterThan(3);
    const [block] = (await it.store.run(run.id))?.blocked ?? [];
    expect(block).toMatchObject({ reason: 'endpoint', scope: 'key' });
    expect(block?.hint).toContain('batchrun cancel');
  });

  test('once, at the first look of all: the run goes on', async () => {
    const it = lab();
    const run = await it.submit(rows(1));
    answersSoon(it, run);
    failsOften(it, refused(more), 1);
    expect(await drives(it)).toBe('done');
    expect(it.output()).toHaveLength(1);
  });

  test('for a while, with a batch under way: it is told, passes and stops nothing', async () => {
    const { it } = await withBatch();
    failsOften(it, refused(more), 6);
    expect(await drives(it)).toBe('done');
    const kinds = it.events.map(({ kind }) => kind);
    expect(kinds).not.toContain('blocked');
    expect(kinds.filter((kind) => kind.startsWith('api.'))).toEqual(['api.errors', 'api.answers']);
  });

  test('always, with a batch under way: it is given up like an API that is away', async () => {
    const { it, run } = await withBatch();
    it.api.listFailure = refused(more);
    const beganMs = it.clock.monotonicMs();
    expect(await drives(it)).toBe('unreachable');
    expect(it.clock.monotonicMs() - beganMs).toBeLessThan(it.engine.pacing.giveUpMs + HOUR_MS);
    expect((await it.store.run(run.id))?.blocked).toEqual([]);
  });

  test('always, where another run of the address has had a batch: it is no mistake', async () => {
    const { it } = await withBatch();
    expect(await drives(it)).toBe('done');
    const run = await it.submit(rows(2).slice(1));
    it.api.listFailure = refused(more);
    expect(await drives(it)).toBe('unreachable');
    expect((await it.store.run(run.id))?.blocked).toEqual([]);
  });
});

test('a create that is not found beside a batch under way is tried again after the next list, and told once', async () => {
  const { it } = await withBatch();
  const more = await it.submit(rows(2).slice(1));
  answersSoon(it, more);
  const create = it.api.onCreate;
  let left = 2;
  it.api.onCreate = (body) => {
    if (left-- > 0) throw refused({ status: 404, type: null });
    return create(body);
  };
  await drives(it);
  expect(await it.store.batches(more.id)).toHaveLength(1);
  expect((await it.store.run(more.id))?.blocked).toEqual([]);
  expect(
    it.events.filter(({ kind, ...event }) => kind === 'blocked' && 'runId' in event && event.runId === more.id),
  ).toHaveLength(1);
});
