/**
 * Batches that nobody needs any more are stopped before their run ends: after that nobody would look at them.
 */
import { describe, expect, test } from 'vitest';
import type { BatchInfo } from '../../../src/domain/model.ts';
import { drive } from '../../../src/engine/runner.ts';
import { HOLDER, lab, MINUTE_MS, refused, rows, succeededLine, wire, type Lab } from './lab.ts';

/** A run whose only chunk has two batches: the first has ended, the other goes on. */
async function twoBatches(): Promise<{ it: Lab; spare: BatchInfo; finish: () => Promise<string> }> {
  const it = lab();
  const run = await it.submit(rows(2));
  const request = { runIds: null, once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null };
  await it.clock.run(drive(it.engine, { ...request, goal: 'upload' }));
  const [attempt] = await it.store.attempts(run.id, { afterId: 0, limit: 1 });
  const spare = it.api.add('msgbatch_spare', 2);
  const driver = await it.driver();
  await driver.recordDuplicate({ attemptId: attempt?.id ?? 0, batch: spare, atMs: it.clock.now() });
  it.api.end(attempt?.batchId ?? '', [succeededLine(wire(run, 1, 0)), succeededLine(wire(run, 1, 1))]);
  return { it, spare, finish: () => it.clock.run(drive(it.engine, { ...request, goal: 'finish' })) };
}

describe('a second batch of a chunk', () => {
  test('is stopped in the round in which the run would be done', async () => {
    const { it, spare, finish } = await twoBatches();
    expect(await finish()).toBe('done');
    expect(it.api.calls.filter((call) => call.startsWith('cancel'))).toEqual([`cancel ${spare.id}`]);
  });

  test('that cannot be stopped yet holds the run until it can', async () => {
    const { it, finish } = await twoBatches();
    const startedAtMs = it.clock.now();
    const { cancelBatch } = it.api;
    it.api.cancelBatch = (id) => {
      if (it.clock.now() - startedAtMs < 5 * MINUTE_MS) throw refused({ status: 529, type: 'overloaded_error' });
      return cancelBatch.call(it.api, id);
    };
    expect(await finish()).toBe('done');
    expect(it.clock.now() - startedAtMs).toBeGreaterThanOrEqual(5 * MINUTE_MS);
    expect(it.output()).toHaveLength(2);
  });

  test('that the API does not stop is no reason to wait', async () => {
    const { it, finish } = await twoBatches();
    it.api.cancelBatch = () => Promise.reject(refused({ status: 404, type: 'not_found_error' }));
    expect(await finish()).toBe('done');
  });
});
