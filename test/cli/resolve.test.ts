/**
 * `batchrun resolve`: what a person does at 7 a.m. about a chunk that nobody else can decide.
 */
import { expect, test } from 'vitest';
import { asked, bench, ENDLESS, expectAnswers, expectNothingTwice, requests, type Bench } from '../support/cli.ts';

const LONG_GRACE = { BATCHRUN_RECONCILE_GRACE: '1h' };

/** A run of one chunk of three rows whose create lost its answer. */
async function inDoubt(fault: 'create.500_after' | 'create.500_before', durationMs = 50): Promise<Bench> {
  const b = await bench({ batchDurationMs: [durationMs, durationMs] });
  b.write('in.jsonl', requests(3));
  b.world.failNext(fault);
  await b.ok(['submit', 'in.jsonl'], { env: LONG_GRACE });
  return b;
}

test('the batch is named: it is followed and collected', async () => {
  const b = await inDoubt('create.500_after', 600_000);
  const [made] = b.world.ledger.batches;
  const { runs } = await b.json(0, ['resolve', 'latest', '--chunk', '1', '--batch', made?.id ?? '']);
  expect(runs[0].batches).toMatchObject([{ id: made?.id, rows: 3 }]);
  // The answer of a batch that is still running proves nothing: it is never canceled.
  await b.exits(4, ['cancel', 'latest', '--max-wait', '1s']);
  expect(b.world.ledger.batches.map((batch) => batch.status)).toEqual(['in_progress']);
});

test('the batch is named, and has ended: its rows come out', async () => {
  const b = await inDoubt('create.500_after');
  await expect.poll(() => b.world.ledger.batches[0]?.status).toBe('ended');
  const { stderr } = await b.ok(['resolve', 'latest', '--chunk', '1', '--batch', b.world.ledger.batches[0]?.id ?? '']);
  expect(stderr).toContain('batchrun collect');
  await b.ok(['collect']);
  expectAnswers(b.lines('in.results.jsonl'), asked(3));
  expectNothingTwice(b.world);
});

test('none was made: the chunk goes out again at once', async () => {
  const b = await inDoubt('create.500_before');
  await b.ok(['resolve', 'latest', '--chunk', '1', '--not-created']);
  await b.ok(['collect'], { env: LONG_GRACE });
  expectAnswers(b.lines('in.results.jsonl'), asked(3));
  expect(b.world.ledger.batches).toHaveLength(1);
});

test('given up: the rows fail as lost, and batchrun retry sends them again', async () => {
  const b = await inDoubt('create.500_before');
  await b.ok(['resolve', 'latest', '--chunk', '1', '--lost']);
  await b.exits(3, ['collect']);
  expect(b.lines('in.results.jsonl').map(({ result }) => JSON.stringify(result))).toEqual(
    Array.from({ length: 3 }, () => expect.stringContaining('batchrun_results_lost') as string),
  );
  await b.ok(['retry', 'latest', '--wait']);
  expectAnswers(b.lines('in.results.jsonl'), asked(3));
});

test('what does not fit is refused with a reason, and nothing changes', async () => {
  const b = await inDoubt('create.500_before');
  const code = async (...args: string[]): Promise<string> =>
    (await b.json(2, ['resolve', 'latest', ...args])).error.code;
  expect(await code()).toBe('E_USAGE');
  expect(await code('--chunk', '1')).toBe('E_USAGE');
  expect(await code('--chunk', '1', '--lost', '--not-created')).toBe('E_USAGE');
  expect(await code('--chunk', '7', '--lost')).toBe('E_CHUNK_UNKNOWN');
  expect(await code('--chunk', '1', '--batch', 'msgbatch_none')).toBe('E_RESOLVE');
  const stranger = b.world.addForeignBatch({ count: 3 });
  await expect.poll(() => b.world.ledger.batches.find((batch) => batch.id === stranger)?.status).toBe('ended');
  expect(await code('--chunk', '1', '--batch', stranger)).toBe('E_RESOLVE');
  expect((await b.json(0, ['status'])).runs[0]).toMatchObject({ chunks: { uncertain: 1 } });
});

test('beside a driver it is refused, and names it', async () => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(3));
  await b.ok(['submit', 'in.jsonl']);
  const collect = b.start(['collect']);
  await collect.says(/Safe to stop/);
  const { error } = await b.json(6, ['resolve', 'latest', '--chunk', '1', '--lost']);
  expect(error).toMatchObject({
    code: 'E_LOCKED',
    message: expect.stringContaining(String(collect.child.pid)) as string,
  });
});
