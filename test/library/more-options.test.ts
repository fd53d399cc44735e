/**
 * Options of the command line that programs have as well: rules, drawing, cutting, the prompt cache, and what is changed
 * later.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { overridePrices } from '../../src/domain/pricing.ts';
import { usePrices, type SubmitOptions } from '../../src/library/index.ts';
import { csv, ENDLESS, MODEL, params } from '../support/cli.ts';
import { all, lab, rowsOf } from './lab.ts';

const ASKED: SubmitOptions = { model: MODEL, maxTokens: 50, prompt: '{{text}}' };
const texts = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ custom_id: `r${at}`, text: `text ${at}` }));

describe('routes', () => {
  const routes = {
    routes: [
      { name: 'odd', when: { column: 'kind', equals: 'odd' }, use: { max_tokens: 77, lane: 'realtime' } },
      { name: 'rest', use: { max_tokens: 33 } },
    ],
  };

  it('choose for each row, and the report says what each took', async () => {
    const { open } = await lab();
    const rows = texts(4).map((row, at) => ({ ...row, kind: at % 2 === 1 ? 'odd' : 'even' }));
    const run = await open().submit(rows, { ...ASKED, maxTokens: undefined as unknown as number, routes });
    expect(run.report?.routes.map(({ name, rows: count, lane }) => [name, count, lane])).toEqual([
      ['odd', 2, 'realtime'],
      ['rest', 2, 'auto'],
    ]);
    await run.wait();
    expect((await all(run.results())).map(({ lane }) => lane)).toEqual(['batch', 'realtime', 'batch', 'realtime']);
  });

  it('that are wrong are refused with their place, before a row is read', async () => {
    const { bench: b, open } = await lab();
    const wrong = { routes: [{ name: 'a', use: { modle: 'x' } }] };
    await expect(open().submit(texts(1), { ...ASKED, routes: wrong })).rejects.toMatchObject({
      code: 'E_CONFIG',
      message: expect.stringContaining('`routes`: rule "a"') as string,
      hint: expect.not.stringContaining('--') as string,
    });
    b.write('in.csv', csv(2));
    const column = { routes: [{ name: 'a', when: { column: 'txet', equals: 'x' }, use: { priority: 'high' } }] };
    await expect(open().check(b.path('in.csv'), { ...ASKED, routes: column })).rejects.toThrow('did you mean text?');
  });
});

describe('drawing', () => {
  it('chooses and orders the same rows as the command line does, by the seed', async () => {
    const { bench: b, open } = await lab();
    b.write('in.csv', csv(60));
    const options = { ...ASKED, sample: 0.3, shuffle: true, seed: 9, limit: 8 } as const;
    const run = await open().submit(b.path('in.csv'), options);
    await run.wait();
    const ids = (await all(run.results())).map(({ custom_id: id }) => id);
    expect(ids).toHaveLength(8);
    expect(ids).not.toEqual(ids.toSorted((one, other) => Number(one) - Number(other)));
    const flags = ['--model', MODEL, '--max-tokens', '50', '--prompt', '{{text}}'];
    const drawn = ['--sample', '30%', '--shuffle', '--seed', '9', '--limit', '8'];
    const submitted = await b.call(['submit', 'in.csv', ...flags, ...drawn, '--json']);
    expect(JSON.parse(submitted.stdout)).toMatchObject({ run_id: run.id, already_submitted: true });
    const other = await open().check(b.path('in.csv'), { ...options, seed: 10 });
    expect(other.first_request).not.toEqual(run.report?.first_request);
  });

  it('of rows that a program hands over is the same each time', async () => {
    const { open } = await lab();
    const options = { ...ASKED, shuffle: true, sample: 0.5 };
    const [one, other] = [await open().check(texts(50), options), await open().check(texts(50), options)];
    expect(one.rows).toBeGreaterThan(10);
    expect(one.rows).toBeLessThan(40);
    expect(other).toEqual(one);
    await expect(open().check(texts(3), { ...ASKED, sample: 0 })).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});

it('columns are cut before they are put in, and one that no template has is refused', async () => {
  const { open } = await lab();
  const report = await open().check([{ text: 'abcdefgh' }], { ...ASKED, truncate: { text: 3 } });
  expect(report.first_request).toMatchObject({ messages: [{ content: 'abc' }] });
  expect(report.notices).toMatchObject([
    { code: 'truncated', message: expect.stringContaining('`truncate`') as string },
  ]);
  await expect(open().check(texts(1), { ...ASKED, truncate: { body: 3 } })).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringContaining('`truncate` body') as string,
  });
  await expect(open().check(texts(1), { ...ASKED, truncate: { text: 0 } })).rejects.toThrow('`truncate` must be');
});

it('what rows begin with is kept in the prompt cache, and the same rows are the same run', async () => {
  const { open } = await lab();
  const batchrun = open();
  const system = 'You are careful. '.repeat(2_000);
  const options: SubmitOptions = { ...ASKED, system, cache: '1h', lane: 'realtime' };
  const run = await batchrun.submit(texts(12), options);
  expect(run.report?.cache).toEqual([expect.stringContaining('are kept for 1h')]);
  expect(run.report?.first_request).toMatchObject({ system: [{ cache_control: { type: 'ephemeral', ttl: '1h' } }] });
  expect((await run.wait()).usage['cache_read_input_tokens']).toBeGreaterThan(0);
  const again = await batchrun.submit(texts(12), options);
  expect(again).toMatchObject({ id: run.id, report: { resumed: true } });
  const none = await batchrun.check(texts(3), { ...ASKED, cache: 'auto' });
  expect(none.cache).toEqual([expect.stringContaining('cache: not used')]);
});

describe('a run is changed later', () => {
  it('in its budget, its priority and its deadline, which can be taken away', async () => {
    const { open } = await lab(ENDLESS);
    const deadline = new Date(Date.now() + 86_400_000);
    const run = await open().submit(rowsOf(2), { start: false, maxCostUsd: 1, deadline });
    const changed = await run.change({ maxCostUsd: 2, priority: 'high' });
    expect(changed).toMatchObject({
      budget: { max_usd: 2 },
      priority: 'high',
      deadline: { at: deadline.toISOString() },
    });
    expect(await run.change({ maxCostUsd: 'none', deadline: 'none' })).toMatchObject({ budget: null, deadline: null });
    await expect(run.change({ pilot: 5 })).rejects.toMatchObject({
      code: 'E_USAGE',
      hint: expect.stringContaining('`pilot: 0`'),
    });
    await expect(run.change({ maxTokens: 5 } as object)).rejects.toThrow('there is no option `maxTokens`');
  });

  it('and goes on where a budget held it, whose hint says how', async () => {
    const { open } = await lab();
    const run = await open().submit(rowsOf(4), { maxCostUsd: 0.000_001 });
    const held = await run.wait().catch((error: unknown) => error);
    expect(held).toMatchObject({
      code: 'E_BLOCKED',
      hint: expect.stringMatching(/`run\.change\(\{ maxCostUsd: [\d.]+ \}\)`/),
    });
    expect((await run.status()).blocked[0]?.hint).toMatch(/run\.change/);
    await run.change({ maxCostUsd: 5 });
    expect((await run.wait()).rows).toMatchObject({ succeeded: 4 });
  });
});

it('a model without a price is refused under a budget, until a price is given', async () => {
  onTestFinished(() => overridePrices({}));
  const { open } = await lab();
  const rows = [{ custom_id: 'a', params: { ...params('x'), model: 'claude-unpriced-1' } }];
  const options = { maxCostUsd: 1, preflight: false };
  await expect(open().check(rows, options)).rejects.toMatchObject({ hint: expect.stringContaining('`usePrices`') });
  expect(() => usePrices({ 'claude-unpriced-1': { input: -1, output: 5 } })).toThrow(
    '`prices`: claude-unpriced-1.input',
  );
  usePrices({ 'claude-unpriced-1': { input: 1, output: 5 } });
  expect((await open().check(rows, options)).max_cost_usd).toBeGreaterThan(0);
});
