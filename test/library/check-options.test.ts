/**
 * Options that no flag would take are refused before anything is read, made or sent.
 */
import { existsSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { createBatchrun } from '../../src/library/index.ts';
import type { BatchrunOptions, Row, RowsInput, SubmitOptions } from '../../src/library/options.ts';
import { lab, rowsOf } from './lab.ts';

/** As a program without types passes them. */
const WRONG_SUBMIT: readonly (readonly [keyof SubmitOptions, unknown])[] = [
  ...(['maxCostUsd', 'deadline', 'limit', 'chunkBytes', 'maxTokens'] as const).map((name) => [name, NaN] as const),
  ...[0, -1, Infinity, '0.000001', null].map((usd) => ['maxCostUsd', usd] as const),
  ...[-5, 0, 1.5, 200_000, '10'].map((rows) => ['chunkRows', rows] as const),
  ['chunkBytes', 256_000_001],
  ['lane', 'batchh'],
  ['priority', 'hgih'],
  ['retryLane', 'constructor'],
  ['deadline', new Date('x')],
  ['deadline', '2030-01-01'],
  ['pilot', 1.5],
  ['pilot', 1_001],
  ['maxAttempts', 0],
  ['retryTruncated', 21],
  ['params', [1]],
  ['betas', 'one'],
  ['again', 'yes'],
  ['output', 7],
  ['signal', {}],
];
const WRONG_BATCHRUN: readonly (readonly [keyof BatchrunOptions, unknown])[] = [
  ['concurrency', NaN],
  ['concurrency', 1_001],
  ['maxBatches', 0],
  ['headroom', 1],
  ['pollIntervalMs', '30s'],
  ['giveUpMs', -1],
  ['limits', { requests: 0 }],
  ['limits', { inputTokens: 'many' }],
  ['backoff', { maxMs: NaN }],
  ['logLevel', 'loud'],
  ['limiter', 'http://secret@host'],
  ['apiKey', 7],
];

it('a submit says which of its options is wrong', async () => {
  const { bench: b, open } = await lab();
  let taken = 0;
  function* rows(): Generator<Row> {
    taken++;
    yield* rowsOf(2);
  }
  const batchrun = open();
  for (const [name, value] of WRONG_SUBMIT) {
    const options = { [name]: value } as SubmitOptions;
    const refused = { code: 'E_USAGE', message: expect.stringContaining(`\`${name}\` must be`) as string };
    await expect(batchrun.submit(rows(), options), `${name}: ${String(value)}`).rejects.toMatchObject(refused);
    await expect(batchrun.check(rows(), options)).rejects.toMatchObject(refused);
  }
  expect(taken).toBe(0);
  expect(b.calls()).toBe(0);
  expect(existsSync(b.state)).toBe(false);
});

it.each(WRONG_BATCHRUN)('a batchrun with %s: %o', (name, value) => {
  const make = (): unknown => createBatchrun({ [name]: value });
  expect(make).toThrow(expect.objectContaining({ code: 'E_USAGE', details: { option: name } }) as Error);
  expect(make).not.toThrow(/secret/);
});

it('a name that is mistyped is refused, with the nearest: a cap that is not there would cost money', async () => {
  const { open } = await lab();
  const options = { maxCostUSD: 5 } as SubmitOptions;
  await expect(open().submit(rowsOf(1), options)).rejects.toMatchObject({
    code: 'E_USAGE',
    message: 'there is no option `maxCostUSD`; did you mean `maxCostUsd`?',
  });
  expect(() => createBatchrun({ apikey: 'x' } as BatchrunOptions)).toThrow('did you mean `apiKey`?');
  expect(() => createBatchrun({ limits: { rpm: 5 } } as BatchrunOptions)).toThrow('`limits` must be an object with');
});

it.each([undefined, null, 7, {}, [7], Promise.resolve([])])('an input that is %o is refused', async (input) => {
  const { bench: b, open } = await lab();
  for (const call of ['submit', 'check'] as const) {
    const refused = open()[call](input as RowsInput);
    if (Array.isArray(input)) await expect(refused).rejects.toMatchObject({ code: 'E_INPUT_INVALID' });
    else await expect(refused).rejects.toMatchObject({ code: 'E_USAGE', details: { option: 'input' } });
  }
  expect(b.calls('batches.create')).toBe(0);
});

it('what is of another realm is what it is', async () => {
  const { open } = await lab();
  const deadline = runInNewContext('new Date(Date.now() + 3_600_000)') as Date;
  expect(await open().check(rowsOf(1), { deadline })).toMatchObject({ rows: 1 });
  expect(deadline instanceof Date).toBe(false);
});

it('what is undefined is not given, and the ends of a range are in it', async () => {
  const { open } = await lab();
  const options = { maxCostUsd: undefined, lane: undefined, chunkRows: 100_000, pilot: 0, maxAttempts: 100 };
  const run = await open({ headroom: 0, concurrency: 1_000 }).submit(rowsOf(2), options as unknown as SubmitOptions);
  expect((await run.wait()).state).toBe('done');
});

it('what is asked of a run is held to its options, too: a mistyped `only` would try all rows again, and pay', async () => {
  const { bench: b, open } = await lab({ rates: { errorRate: 1, errorTypes: { invalid_request_error: 1 } } });
  const batchrun = open();
  const run = await batchrun.submit(rowsOf(2));
  await run.wait();
  const creates = b.calls('batches.create');
  const wrong = { onyl: ['expired'] } as object;
  const refused = { code: 'E_USAGE', message: expect.stringContaining('`onyl`') as string };
  await expect(run.retry(wrong)).rejects.toMatchObject(refused);
  await expect(run.results(wrong).next()).rejects.toMatchObject(refused);
  await expect(run.wait(wrong)).rejects.toMatchObject(refused);
  await expect(run.results({ only: 'failed' as unknown as [] }).next()).rejects.toMatchObject({ code: 'E_USAGE' });
  for (const name of [undefined, null, 7, {}]) {
    await expect(batchrun.run(name as string)).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(batchrun.status(name as string)).rejects.toMatchObject({ code: 'E_USAGE' });
  }
  expect(b.calls('batches.create')).toBe(creates);
  expect((await run.status()).rows).toMatchObject({ failed: 2 });
});
