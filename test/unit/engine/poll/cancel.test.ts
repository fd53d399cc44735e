/**
 * Batches that nobody needs any more are stopped before their run ends: after that nobody would look at them.
 */
import { describe, expect, test } from 'vitest';
import type { BatchInfo } from '../../../../src/domain/model.ts';
import { drive } from '../../../../src/engine/runner.ts';
import { HOLDER, HOUR_MS, lab, MINUTE_MS, refused, rows, succeededLine, wire, type Lab } from '../lab.ts';

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

  test.each([
    ['has ended (400)', 400, 'invalid_request_error', 0],
    ['this key may not stop (403)', 403, 'permission_error', 0],
    // A passing fault while it is young: the first hour.
    ['it does not show (404)', 404, 'not_found_error', HOUR_MS],
  ])('that %s holds the run no longer than it may pass', async (_what, status, type, waitMs) => {
    const { it, finish } = await twoBatches();
    const startedAtMs = it.clock.now();
    it.api.cancelBatch = () => Promise.reject(refused({ status, type }));
    expect(await finish()).toBe('done');
    expect(it.clock.now() - startedAtMs).toBeGreaterThanOrEqual(waitMs);
    expect(it.clock.now() - startedAtMs).toBeLessThan(waitMs + 10 * MINUTE_MS);
  });
});
