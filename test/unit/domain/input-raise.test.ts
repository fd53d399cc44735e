/** More is reckoned with for all rows of a run where the API has counted, or billed, more for some. */
import { describe, expect, test } from 'vitest';
import { addMix, addRequest, noSums, type MixSums } from '../../../src/domain/chunk-text.ts';
import { raisedByAnswers, raisedByCounts, raisedLike, timesReckoned } from '../../../src/domain/input-raise.ts';
import { splitByLane } from '../../../src/domain/lane-mix.ts';
import { NO_USAGE, type ModelMix, type ModelPart, type UsageEntry } from '../../../src/domain/model.ts';
import { inputTokensMost, worstCostUsd } from '../../../src/domain/reserve.ts';

const MODEL = 'claude-haiku-5-5';

function part(rows: number, bytesOfRow: number, more: Partial<ModelPart> = {}): ModelPart {
  return { rows, bytes: bytesOfRow * rows, maxTokens: 10 * rows, largestBytes: bytesOfRow, cachingRows: 0, ...more };
}

function counted(bytes: number, tokens: number): Parameters<typeof timesReckoned>[0] {
  return { model: MODEL, bytes, tokens, maxTokens: 10, addedTokens: 0 };
}

function seen(rows: number, inputTokens: number, more: Partial<UsageEntry> = {}): UsageEntry {
  return { ...NO_USAGE, model: MODEL, lane: 'batch', rows, inputTokens, costUsd: 0, unpricedRows: 0, ...more };
}

const tokensOf = (mix: ModelMix): number => inputTokensMost(mix[MODEL] ?? part(0, 0));

describe('by counts', () => {
  const run = { [MODEL]: part(100, 1_000) };

  test('nothing is raised where no row has more', () => {
    expect(raisedByCounts(run, [counted(1_000, 500), counted(1_000, 20)])).toEqual(run);
    expect(raisedByCounts(run, [])).toEqual(run);
    expect(raisedByCounts(run, [{ ...counted(1_000, 900), model: 'another' }])).toEqual(run);
  });

  test('every row that was counted has less than is reckoned with, with something to spare', () => {
    const rows = [counted(1_000, 1_500), counted(4_000, 9_000), counted(200, 10)];
    const raise = raisedByCounts(run, rows)[MODEL]?.raise;
    for (const { bytes, tokens } of rows) {
      const own = part(1, bytes, raise ? { raise } : {});
      expect(inputTokensMost(own)).toBeGreaterThanOrEqual(1.2 * tokens);
    }
  });

  test('texts of another kind are so many times as much', () => {
    // One row is far longer than the others: so much more for each would be far too much.
    const raised = raisedByCounts(run, [counted(1_000, 1_000), counted(1_000_000, 1_000_000)]);
    expect(raised[MODEL]?.raise).toEqual({ factor: 2.4, rowTokens: 0 });
  });

  test('documents that no bytes show are so much for each row', () => {
    // Short rows with a document among long texts: so many times for all would be far too much.
    const raised = raisedByCounts({ [MODEL]: part(100, 20_000) }, [counted(200, 3_000), counted(20_000, 5_000)]);
    expect(raised[MODEL]?.raise).toEqual({ factor: 1, rowTokens: 3_500 });
  });

  test('what is known from the request itself is no reason', () => {
    const pixel = { ...counted(300, 1_600), media: { bytes: 100, tokens: 4_784 } };
    expect(timesReckoned(pixel)).toBe(1);
    expect(timesReckoned({ ...pixel, media: null })).toBeGreaterThan(10);
  });
});

describe('by answers', () => {
  const run = { [MODEL]: part(100, 1_000) };
  const of = (usage: readonly UsageEntry[], batches: ModelMix = {}, mix: ModelMix = run): number =>
    tokensOf(raisedByAnswers(mix, { usage, batches, warmUps: [] })) / tokensOf(mix);

  test('so many times as much as they had more', () => {
    expect(of([seen(10, 10 * 2_000)], { [MODEL]: part(10, 1_000) })).toBeCloseTo(4, 12);
    expect(of([seen(10, 10 * 400)], { [MODEL]: part(10, 1_000) })).toBe(1);
    expect(of([])).toBe(1);
  });

  test('long rows of batches are no reason where they have no more tokens for their size', () => {
    expect(of([seen(10, 10 * 2_000)], { [MODEL]: part(10, 4_000) })).toBe(1);
  });

  test('rows that were not answered cost nothing', () => {
    expect(of([seen(5, 5 * 1_000)], { [MODEL]: part(10, 1_000) })).toBeCloseTo(2, 12);
  });

  test('calls of the largest rows are no reason: only more than those can have is', () => {
    const mixed = { [MODEL]: part(100, 1_000, { largestBytes: 100_000 }) };
    expect(of([seen(1, 25_000, { lane: 'realtime' })], {}, mixed)).toBe(1);
    expect(of([seen(1, 100_000, { lane: 'realtime' })], {}, mixed)).toBeCloseTo(2, 12);
    // Rows that their routes keep in the lane have sums of their own.
    const routed = { [MODEL]: { ...part(100, 1_000), lanes: { realtime: part(10, 8_000) } } };
    expect(of([seen(2, 8_000, { lane: 'realtime' })], {}, routed)).toBe(1);
  });

  test('calls are held against the sizes of the run, also with a dated id', () => {
    expect(of([seen(3, 3 * 1_500, { lane: 'realtime', model: `${MODEL}-20261001` })])).toBeCloseTo(3, 12);
  });

  test('on top of what was counted before; what the cache took counts, and warm-ups do not', () => {
    const raised = { [MODEL]: { ...part(100, 1_000), raise: { factor: 2, rowTokens: 0 } } };
    expect(of([seen(1, 1_000, { cacheReadTokens: 500, cacheWrite5mTokens: 500, lane: 'realtime' })], {}, raised)).toBe(
      2,
    );
    const warmUp = { ...NO_USAGE, model: MODEL, calls: 1, inputTokens: 1_500, costUsd: 0, unpricedCalls: 0 };
    const usage = [seen(1, 500 + 1_500, { lane: 'realtime' })];
    expect(raisedByAnswers(run, { usage, batches: {}, warmUps: [warmUp] })).toEqual(run);
  });
});

test('chunks are raised as their run is, and each lane of it', () => {
  const raise = { factor: 3, rowTokens: 10 };
  const whole: ModelPart = { ...part(10, 1_000), lanes: { realtime: part(4, 1_000) }, raise };
  expect(tokensOf(raisedLike({ [MODEL]: part(2, 1_000) }, { [MODEL]: whole }))).toBe(3 * 1_000 + 20);
  const { batch, realtime } = splitByLane({ [MODEL]: whole }, 'auto');
  expect(tokensOf(batch) + tokensOf(realtime)).toBe(tokensOf({ [MODEL]: whole }));
  expect(raisedLike({ other: part(1, 10) }, { [MODEL]: whole })).toEqual({ other: part(1, 10) });
});

test('images are reckoned with by what they have at most, in whichever order rows are added up', () => {
  const text = { bytes: 1_000, maxTokens: 1 };
  const picture = { bytes: 90_200, maxTokens: 1, media: { bytes: 90_000, tokens: 4_784 } };
  const sums = [
    [text, picture],
    [picture, text],
  ].map((rows) => {
    const sum = noSums();
    for (const { bytes, ...row } of rows) addRequest(sum, bytes, row);
    return sum;
  });
  const [first] = sums;
  expect(sums[1]).toEqual(first);
  expect(first?.media).toEqual({ bytes: 90_000, tokens: 4_784, largestTokens: 4_784, largestTextBytes: 1_000 });
  expect(inputTokensMost(first ?? part(0, 0))).toBe((1_000 + 200) / 2 + 4_784);
  const added: MixSums = {};
  for (const sum of [part(1, 1_000), ...sums]) addMix(added, { [MODEL]: sum });
  expect(added[MODEL]).toMatchObject({ rows: 5, media: { bytes: 180_000, tokens: 9_568, largestTextBytes: 1_000 } });
  // Its bytes alone would make it a long prompt, which costs five times as much.
  const large = noSums();
  addRequest(large, 900_000, { maxTokens: 0, media: { bytes: 899_000, tokens: 4_784 } });
  expect(worstCostUsd({ [MODEL]: large }, 'realtime')).toBeCloseTo(((500 + 4_784) * 0.1 * 1.1) / 1e6, 12);
});
