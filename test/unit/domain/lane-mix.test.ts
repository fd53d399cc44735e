/** Lanes of routes in the mix of chunks and runs: kept, added up, taken apart again, and priced. */
import { describe, expect, test } from 'vitest';
import { addMix, type MixSums } from '../../../src/domain/chunk-text.ts';
import { hasRealtime, laneOfMix, mixInLane, splitByLane } from '../../../src/domain/lane-mix.ts';
import type { ModelMix } from '../../../src/domain/model.ts';
import { worstCostUsd, worstRunCostUsd } from '../../../src/domain/reserve.ts';

const MODEL = 'claude-haiku-5-5';

function mix(rows: number, model = MODEL): ModelMix {
  return { [model]: { rows, bytes: rows * 1_000, maxTokens: rows * 100, largestBytes: 2_000, cachingRows: 0 } };
}

function sum(...mixes: readonly ModelMix[]): ModelMix {
  const all: MixSums = {};
  for (const one of mixes) addMix(all, one);
  return all;
}

describe('the mix of a chunk', () => {
  test.each(['batch', 'realtime', null] as const)('says that its route is %s', (lane) => {
    const kept = JSON.parse(JSON.stringify(mixInLane(mix(3), lane))) as ModelMix;
    expect([laneOfMix(kept), hasRealtime(kept)]).toEqual([lane, lane === 'realtime']);
    expect(kept[MODEL]).toMatchObject({ rows: 3, bytes: 3_000 });
  });

  test('of states of before has none', () => {
    expect([laneOfMix({}), laneOfMix({ m: { rows: 1, bytes: 1, maxTokens: 1 } })]).toEqual([null, null]);
  });
});

describe('the mix of a run', () => {
  const whole = sum(
    mixInLane(mix(3), 'realtime'),
    mix(4),
    mixInLane(mix(5), 'batch'),
    mixInLane(mix(2, 'claude-opus-5'), 'realtime'),
  );

  test('knows how much goes where', () => {
    expect(whole[MODEL]).toMatchObject({ rows: 12, lanes: { realtime: { rows: 3 }, batch: { rows: 5 } } });
    const { batch, realtime } = splitByLane(whole, 'auto');
    expect(batch).toEqual(mix(9));
    expect(realtime).toEqual({ ...mix(3), ...mix(2, 'claude-opus-5') });
    expect(splitByLane(whole, 'batch')).toEqual({ batch: whole, realtime: {} });
    expect(splitByLane(whole, 'realtime')).toEqual({ batch: {}, realtime: whole });
  });

  test('is priced by it: what is called costs twice', () => {
    const both = sum(mixInLane(mix(3), 'realtime'), mix(4));
    expect(worstRunCostUsd(both, 'auto')).toBeCloseTo((worstRunCostUsd(mix(1), 'auto') ?? 0) * (2 * 3 + 4), 12);
    const worst = (worstCostUsd(mix(3), 'realtime') ?? 0) + (worstCostUsd(mix(4), 'batch') ?? 0);
    expect(worstRunCostUsd(both, 'auto')).toBeCloseTo(worst, 12);
    expect(worstRunCostUsd(both, 'batch')).toBeCloseTo(worstCostUsd(mix(7), 'batch') ?? 0, 12);
    expect(worstRunCostUsd(mix(2, 'model-of-nobody'), 'auto')).toBeNull();
  });
});
