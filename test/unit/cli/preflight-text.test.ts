/** The line that a preflight comes to, and its twin in JSON. */
import { describe, expect, test } from 'vitest';
import { preflightText, preflightView, preflightWarnings } from '../../../src/cli/render/preflight-text.ts';
import type { ModelLook } from '../../../src/domain/preflight.ts';
import type { PreflightReport } from '../../../src/engine/preflight/preflight.ts';
import type { CountedRow } from '../../../src/engine/preflight/token-count.ts';
import { failureOf } from '../engine/lab.ts';

const look = (id: string, more: Partial<ModelLook> = {}): ModelLook => ({
  ...{ id, state: 'active', takesBatches: true, retires: null, instead: null, info: null, ...more },
});

function counted(seq: number, tokens: number): CountedRow {
  const row = {
    seq,
    chunkNo: 1,
    index: seq,
    bytes: 4 * tokens,
    isLongest: false,
    caches: false,
    addedTokens: 0,
    betas: [],
  };
  return { ...row, model: 'claude-haiku-5-5', maxTokens: 100, tokens };
}

const report = (more: Partial<PreflightReport> = {}): PreflightReport => ({
  ...{ models: [look('claude-haiku-5-5')], askedRows: 2, counted: [counted(0, 5_321), counted(9, 12)] },
  ...{ refusedRows: 0, problems: [], beyondWindow: [], stopped: null, ...more },
});

const failed = (more: Parameters<typeof failureOf>[0]) => ({ kind: 'failed', failure: failureOf(more) }) as const;
const nothing = { counted: [], askedRows: 0, models: [look('m', { state: 'untold', takesBatches: null })] } as const;

describe('preflightText', () => {
  test.each<[string, Partial<PreflightReport>, string]>([
    [
      'all is well',
      {},
      'Preflight: claude-haiku-5-5 is active and takes batches; 2 of 100,000 rows counted, the longest has 5,321 tokens.',
    ],
    [
      'two models',
      { models: [look('a'), look('b')] },
      'Preflight: a and b are active and take batches; 2 of 100,000 rows counted, the longest has 5,321 tokens.',
    ],
    [
      'many models',
      { models: [look('a'), look('b'), look('c'), look('d'), look('e', { state: 'deprecated' })] },
      'Preflight: 4 models are active and take batches; e is deprecated and takes batches; 2 of 100,000 rows counted, the longest has 5,321 tokens.',
    ],
    [
      'a proxy that only counts',
      { models: nothing.models },
      'Preflight: m is a model that the API says nothing of; 2 of 100,000 rows counted, the longest has 5,321 tokens.',
    ],
    [
      'the time was up',
      { stopped: { kind: 'time' }, counted: [counted(0, 1)] },
      'Preflight: claude-haiku-5-5 is active and takes batches; 1 of 100,000 rows counted, the longest has 1 token; not all was asked: no more after 20s.',
    ],
    [
      'no connection',
      { ...nothing, stopped: failed({ connection: 'never_made' }) },
      'Preflight was not done: no connection.',
    ],
    [
      'a proxy without both',
      { ...nothing, stopped: failed({ status: 405 }) },
      'Preflight was not done: the server does not answer these questions (status 405), as proxies do.',
    ],
    [
      'a key',
      { ...nothing, stopped: failed({ status: 401, type: 'authentication_error' }) },
      'Preflight was not done: 401 authentication_error.',
    ],
    ['nothing said', nothing, 'Preflight was not done: the API says nothing of the models.'],
  ])('%s', (_name, more, wanted) => {
    expect(preflightText(report(more), 100_000)).toBe(wanted);
  });

  test('of a small run says that all rows were counted', () => {
    expect(preflightText(report(), 2)).toContain('; 2 rows counted, the longest');
  });
});

test('what is worth a warning', () => {
  const models = [look('claude-opus-4-8', { state: 'deprecated', retires: '2027-01-05', instead: 'claude-opus-5-5' })];
  expect(preflightWarnings(report({ models, beyondWindow: [counted(0, 990_000)] }))).toEqual([
    'claude-opus-4-8 is deprecated and ends on 2027-01-05: what is sent or tried again after that fails; its successor is claude-opus-5-5',
    '1 row of the sample may not get a whole answer: 990,000 tokens and max_tokens 100 are more than the context window of claude-haiku-5-5',
  ]);
  expect(preflightWarnings(report())).toEqual([]);
});

test('rows with more tokens than are reckoned with at most are a warning', () => {
  const fits = { ...counted(0, 500), bytes: 1_000 };
  const hasTools = { ...counted(1, 900), bytes: 1_000, addedTokens: 400 };
  expect(preflightWarnings(report({ counted: [fits, hasTools] }))).toEqual([]);
  const pdf = { ...counted(2, 9_500), bytes: 10_000 };
  expect(preflightWarnings(report({ counted: [fits, pdf] }))).toEqual([
    '1 of 2 counted rows have more tokens than is reckoned with by their size (one for every two bytes), up to 1.9 times as many: more is reckoned with for all rows of the run, in the most that it may cost and in --max-cost',
  ]);
});

test('the JSON twin', () => {
  expect(preflightView(report({ ...nothing, stopped: { kind: 'time' } }), ['w'])).toEqual({
    ...{ done: false, stopped: 'no more after 20s', longest_tokens: null, warnings: ['w'] },
    models: [{ id: 'm', state: 'untold', takes_batches: null, retires: null, instead: null }],
    sample: { rows: 0, counted: 0, refused: 0 },
  });
});
