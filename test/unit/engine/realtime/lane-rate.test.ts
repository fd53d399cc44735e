/**
 * How many rows of a run a minute: by the limits of a new account before any are known, then by those that are; by all
 * organizations together, and by what answers took.
 */
import { expect, test } from 'vitest';
import type { BucketName } from '../../../../src/domain/pacing/limiter.ts';
import { laneRateOf } from '../../../../src/engine/realtime/lane-rate.ts';
import { newSession } from '../../../../src/engine/session.ts';
import { lab, linesOf, rows, type LabOptions } from '../lab.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';

async function session(pacing: NonNullable<LabOptions['pacing']> = {}) {
  const it = lab({ pacing: { concurrency: 1_000, ...pacing } });
  const run = await it.submit(rows(10));
  const the = newSession(it.engine, await it.driver());
  const hear = async (limits: Partial<Record<BucketName, number>>, organization = 'wrkspc_1'): Promise<void> => {
    const pool = await the.pacer.pools.of(organization, 'claude-haiku-5-5');
    for (const [name, value] of Object.entries(limits)) pool.known.hear(name as BucketName, value, 'headers', 0);
  };
  return { it, run, the, hear };
}

test('before limits are known they are those of a new account, less what is left to others', async () => {
  const { run, the } = await session();
  expect(await laneRateOf(the, run)).toBe(1_000);
  const half = await session({ headroom: 0.5 });
  expect(await laneRateOf(half.the, half.run)).toBe(500);
  const capped = await session({ caps: { requests: 30 } });
  expect(await laneRateOf(capped.the, capped.run)).toBe(30);
});

test('known limits count, the narrowest of them', async () => {
  const { run, the, hear } = await session();
  await hear({ requests: 4_000, input: 10_000_000, output: 8_000 });
  // Before the first answer one is taken to be as long as max_tokens allows: 100.
  expect(await laneRateOf(the, run)).toBe(80);
});

test('calls under way at once are a bound as well: the first is taken to last 4.3 seconds', async () => {
  const { run, the } = await session({ concurrency: 4 });
  expect(await laneRateOf(the, run)).toBeCloseTo((4 * 60_000) / 4_300, 3);
  const pool = await the.pacer.pools.of('wrkspc_1', 'claude-haiku-5-5');
  pool.noteLatency(1_000);
  expect(await laneRateOf(the, run)).toBe(240);
});

test('what answers of the run took counts, from whatever lane', async () => {
  const { it, run, the, hear } = await session();
  await hear({ requests: 4_000, input: 10_000_000, output: 7_000 });
  await uploadRound(the, [run.id]);
  const [chunk] = await it.store.chunks(run.id);
  it.api.end(chunk?.batchId ?? '', linesOf(run, 1, 10));
  await poll(the);
  await collectRound(the, [run.id]);
  // Seven tokens an answer.
  expect(await laneRateOf(the, run)).toBe(1_000);
});
