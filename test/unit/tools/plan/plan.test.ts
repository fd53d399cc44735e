/**
 * A plan from what was read and what is known, without an input: caching, lanes, what to raise, what to recommend.
 */
import { describe, expect, it } from 'vitest';
import { noBytes } from '../../../../src/domain/estimate/request-text.ts';
import type { ModelMix } from '../../../../src/domain/model.ts';
import { measureRequest } from '../../../../src/domain/estimate/request-text.ts';
import { planAccount } from '../../../../src/tools/plan/account.ts';
import { candidatesOf } from '../../../../src/tools/plan/candidates.ts';
import { NO_COUNTS } from '../../../../src/tools/plan/counts.ts';
import type { LookedRow, SampleLook } from '../../../../src/tools/plan/look.ts';
import { defaultModels } from '../../../../src/tools/plan/models.ts';
import { makePlan } from '../../../../src/tools/plan/plan.ts';
import type { PlanQuestion } from '../../../../src/tools/plan/question.ts';
import type { PlanView } from '../../../../src/tools/plan/view.ts';

const NOW = Date.UTC(2026, 10, 20);
const HOUR_MS = 3_600_000;

function rowOf(model: string, seq: number, text: string): LookedRow {
  const params = { model, max_tokens: 500, messages: [{ role: 'user', content: text }] };
  const paramsJson = JSON.stringify(params);
  return {
    ...{ chunkNo: 1, index: seq, seq, bytes: Buffer.byteLength(paramsJson), isLongest: false, betas: [], model },
    ...{ maxTokens: 500, caches: false, addedTokens: 0, text: measureRequest(params), paramsJson },
  };
}

interface Case {
  readonly rows?: number;
  readonly models?: readonly string[];
  readonly prefixBytes?: number;
  readonly compared?: readonly string[];
}

function planOf(of: Case = {}, more: Partial<PlanQuestion> = {}): PlanView {
  const { rows = 10_000, models = ['claude-sonnet-5-5'], prefixBytes = 0, compared = [] } = of;
  const sample = models.flatMap((model) =>
    Array.from({ length: 10 }, (_, at) => rowOf(model, at, 'some words '.repeat(100 + at))),
  );
  const look: SampleLook = {
    ...{ rows: sample, frameBytes: 40 },
    prefix: { blocks: prefixBytes > 0 ? 1 : 0, text: { ...noBytes(), latin: prefixBytes }, moreBytes: 0 },
  };
  const each = rows / models.length;
  const mix: ModelMix = Object.fromEntries(
    models.map((model) => [
      model,
      { rows: each, bytes: each * 1_300, maxTokens: each * 500, largestBytes: 1_400, cachingRows: 0 },
    ]),
  );
  const candidates = candidatesOf({ look, counts: NO_COUNTS, mix, compared, outputTold: 100, seen: () => [] });
  return makePlan({
    ...{ candidates, counts: NO_COUNTS, account: planAccount({ tier: 'start', admin: null, pools: [], history: [] }) },
    ...{ rows: { total: rows, invalid: 0 }, chunks: Math.ceil(rows / 10_000), bytes: rows * 1_300, batchesMax: 100 },
    ...{ concurrency: 50, nowMs: NOW, deadlineMs: null, maxCostUsd: null, lane: 'batch', offline: 'a test' },
    ...{ longRows: () => ({ rows: 0, inputTokens: 0 }), routes: null, duplicates: null },
    ...more,
  });
}

describe('caching', () => {
  it('pays where the prefix is long enough for the model, and says why not elsewhere', () => {
    const long = planOf({ prefixBytes: 20_000, compared: ['claude-haiku-5-5', 'claude-haiku-4-5'] });
    expect(long.models.map(({ caching }) => caching.possible)).toEqual([true, true, true]);
    const short = planOf({ prefixBytes: 8_000, compared: ['claude-haiku-4-5'] });
    expect(short.models.map(({ caching }) => caching.possible)).toEqual([true, false]);
    expect(short.models[1]?.caching.why).toMatch(/keeps no prefix below 4096/);
    expect(planOf().models[0].caching).toMatchObject({
      possible: false,
      why: 'the rows do not begin with the same blocks',
    });
  });
});

describe('lanes', () => {
  it('of a large run are told with what binds and what to raise', () => {
    const view = planOf({ rows: 1_000_000 });
    expect(view.models[0].lanes.batch).toMatchObject({ waves: 5, binding: 'queue' });
    const [realtime, batch] = view.raise;
    expect(realtime).toMatchObject({ lane: 'realtime', limit: 'concurrency', from: 50 });
    expect(batch).toMatchObject({ lane: 'batch', limit: 'queue', from: 200_000, to: 1_000_000 });
    expect(batch?.seconds_then).toBeLessThan(batch?.seconds_now ?? 0);
    expect(batch?.how).toMatch(/sales/);
  });

  it('of few rows are not told what to raise for less than a second', () => {
    const view = planOf({ rows: 60, models: ['claude-haiku-5-5'] });
    expect(view.models[0].lanes.realtime.seconds.expected).toBeGreaterThan(1);
    expect(view.raise).toEqual([]);
  });

  it('of rows of two models are bound by the limits of each', () => {
    const view = planOf({ models: ['claude-sonnet-5-5', 'claude-opus-5-5'] });
    expect(view.models[0]).toMatchObject({ own: true, models: ['claude-sonnet-5-5', 'claude-opus-5-5'] });
    expect(view.models[0].label).toMatch(/2 models/);
    expect(new Set(view.limits.lines.map((line) => line.rate_class))).toEqual(
      new Set(['batches', 'sonnet_5.5', 'opus_5.5']),
    );
    expect(view.models[0].caching.possible).toBe(false);
  });
});

describe('the recommendation', () => {
  it.each([
    ['many rows and no deadline', {}, {}, 'batch'],
    ['a few cheap rows', { rows: 20, models: ['claude-haiku-5-5'] }, {}, 'realtime'],
    ['a day', {}, { deadlineMs: NOW + 25 * HOUR_MS }, 'batch'],
    ['half an hour', {}, { deadlineMs: NOW + 0.5 * HOUR_MS }, 'realtime'],
    ['two hours for five waves', { rows: 1_000_000 }, { deadlineMs: NOW + 2.5 * HOUR_MS }, 'realtime'],
  ] as const)('for %s is %s', (_, of, more, lane) => {
    expect(planOf(of, more).recommendation.lane).toBe(lane);
  });

  it('is a split where batches make it in part, and its cost lies between the lanes', () => {
    const view = planOf({ rows: 220_000 }, { deadlineMs: NOW + 1.5 * HOUR_MS });
    expect(view.recommendation.lane).toBe('split');
    const { split } = view.deadline ?? { split: null };
    expect((split?.batch_rows ?? 0) + (split?.realtime_rows ?? 0)).toBe(220_000);
    const { batch, realtime } = view.models[0].cost_usd;
    expect(split?.cost_usd).toBeGreaterThan(batch.plain?.expected ?? Infinity);
    expect(split?.cost_usd).toBeLessThan(realtime.plain?.expected ?? 0);
  });

  it('keeps the model of the user where it fits, and names the cheaper one with a trial', () => {
    const view = planOf({ compared: ['claude-haiku-5-5'] });
    expect(view.recommendation.model).toBe('claude-sonnet-5-5');
    expect(view.recommendation.reasons.join()).toMatch(
      /claude-haiku-5-5 would cost .* --sample 1% --model claude-haiku-5-5/,
    );
  });

  it('takes another one where it does not fit', () => {
    const view = planOf({ models: ['claude-3-opus'], compared: ['claude-opus-5-5', 'claude-haiku-5-5'] });
    expect(view.recommendation.model).toBe('claude-haiku-5-5');
    expect(view.recommendation.reasons.join()).toMatch(/no longer served/);
  });
});

describe('the budget', () => {
  it.each([
    [1_000, 'fits'],
    [30, 'likely'],
    [1, 'unlikely'],
  ])('of %d USD: %s', (maxCostUsd, verdict) => {
    expect(planOf({ rows: 10_000 }, { maxCostUsd }).budget?.verdict).toBe(verdict);
  });

  it('of a model without a price is unknown', () => {
    expect(planOf({ models: ['claude-nobody-1'] }, { maxCostUsd: 5 }).budget).toMatchObject({
      verdict: 'unknown',
      rows_surely: null,
    });
  });
});

describe('models that are compared', () => {
  it('are the newest of each line that is served', () => {
    expect(defaultModels(NOW)).toEqual([
      'claude-haiku-5-5',
      'claude-sonnet-5-5',
      'claude-opus-5-5',
      'claude-fable-5-2',
    ]);
  });
});
