/** The table of tiers: against the simulator's own copy, and the way back from limits to a tier. */
import { describe, expect, test } from 'vitest';
import { rateClassOf } from '../../../../src/domain/pacing/rate-class.ts';
import {
  batchRequestsOfTier,
  limitsOfTier,
  queueOfTier,
  TIER_NAMES,
  tierOf,
  TIERS,
} from '../../../../src/domain/pacing/tiers.ts';
import { MODELS, TIERS as SIM_TIERS, type SimTier } from '../../../../src/tools/sim/catalogue.ts';

const CLASSES = [
  ...new Set(MODELS.filter(({ lifecycle }) => lifecycle !== 'retired').map(({ id }) => rateClassOf(id))),
];

describe('the table', () => {
  test('says of today’s tiers what the simulator enforces', () => {
    const today = TIER_NAMES.filter((name) => TIERS[name].year === 2026);
    expect(today).toEqual(Object.keys(SIM_TIERS));
    for (const name of today) {
      const sim = SIM_TIERS[name as SimTier];
      expect([batchRequestsOfTier(name), queueOfTier(name)]).toEqual([sim.batchRpm, sim.batchQueueMax]);
      for (const model of MODELS.filter(({ lifecycle }) => lifecycle !== 'retired')) {
        // The preview has no row in any table: the simulator puts it with its line.
        if (model.id === 'claude-mythos-preview') continue;
        const { rpm, itpm, otpm } = ['fable', 'mythos'].includes(model.line) ? sim.messagesFable : sim.messages;
        const limits = limitsOfTier(name, rateClassOf(model.id));
        expect({ name, id: model.id, limits }).toEqual({
          ...{ name, id: model.id, limits: { requests: rpm, input: itpm, output: otpm } },
        });
      }
    }
  });

  test('has the queues of the pages', () => {
    expect(TIER_NAMES.map((name) => [name, queueOfTier(name)])).toEqual([
      ['start', 200_000],
      ['build', 300_000],
      ['scale', 500_000],
      ['tier_1', 100_000],
      ['tier_2', 200_000],
      ['tier_3', 300_000],
      ['tier_4', 500_000],
    ]);
  });
});

describe('a tier from its limits', () => {
  test('every tier is recognised by each of its classes', () => {
    for (const name of TIER_NAMES) {
      for (const rateClass of CLASSES) expect(tierOf(rateClass, limitsOfTier(name, rateClass))).toBe(name);
    }
  });

  test.each([
    ['one limit is another', { requests: 1_000, input: 2_000_000, output: 400_001 }],
    ['one limit is not known', { requests: 1_000, input: 2_000_000, output: null }],
    ['nothing is known', { requests: null, input: null, output: null }],
  ])('none where %s', (_why, seen) => {
    expect(tierOf('opus_5', seen)).toBeNull();
  });

  test('the limits of one line are not taken for those of another', () => {
    const scaleOfFable = { requests: 4_000, input: 4_000_000, output: 800_000 };
    expect(tierOf('fable_5', scaleOfFable)).toBe('scale');
    expect(tierOf('haiku_4.5', scaleOfFable)).toBe('tier_4');
    expect(tierOf('opus_4', scaleOfFable)).toBeNull();
    expect(tierOf('claude-new-7', { requests: 50, input: 30_000, output: 8_000 })).toBe('tier_1');
  });
});
