/** Which models share their limits: against the facts, and against the simulator's own catalogue. */
import { describe, expect, test } from 'vitest';
import { lineOfClass, rateClassOf } from '../../../../src/domain/pacing/rate-class.ts';
import { MODELS } from '../../../../src/tools/sim/catalogue.ts';

describe('the class of a model', () => {
  test.each([
    ['claude-opus-5-5', 'opus_5.5'],
    ['claude-opus-5', 'opus_5'],
    ['claude-opus-4-8', 'opus_4'],
    ['claude-opus-4-5-20251101', 'opus_4'],
    ['claude-opus-4-20250514', 'opus_4'],
    ['claude-opus-4-0', 'opus_4'],
    ['claude-sonnet-5-5', 'sonnet_5.5'],
    ['claude-sonnet-5', 'sonnet_5'],
    ['claude-sonnet-4-6', 'sonnet_4'],
    ['claude-sonnet-4-5-20250929', 'sonnet_4'],
    ['claude-haiku-5-5', 'haiku_5.5'],
    ['claude-haiku-4-5', 'haiku_4.5'],
    ['claude-haiku-4-5-latest', 'haiku_4.5'],
    ['claude-fable-5', 'fable_5'],
    ['claude-fable-5-2', 'fable_5'],
    ['claude-mythos-5-1', 'mythos_5'],
  ])('%s is of %s', (model, rateClass) => {
    expect(rateClassOf(model)).toBe(rateClass);
  });

  test.each([
    ['claude-opus-6', 'claude-opus-6'],
    ['claude-opus-5-6', 'claude-opus-5-6'],
    ['claude-haiku-6-20270101', 'claude-haiku-6'],
    ['claude-haiku-6', 'claude-haiku-6'],
    ['claude-mythos-preview', 'claude-mythos-preview'],
    ['claude-constructor-5', 'claude-constructor-5'],
    ['my-proxy/model', 'my-proxy/model'],
    ['', ''],
  ])('%j, which nobody knows, is alone in %j', (model, rateClass) => {
    expect(rateClassOf(model)).toBe(rateClass);
  });

  test('two models share one here exactly where they share one in the simulator', () => {
    const served = MODELS.filter(({ lifecycle }) => lifecycle !== 'retired');
    for (const one of served) {
      expect(rateClassOf(one.alias ?? one.id)).toBe(rateClassOf(one.id));
      for (const other of served) {
        const here = rateClassOf(one.id) === rateClassOf(other.id);
        expect({ pair: [one.id, other.id], here }).toEqual({
          ...{ pair: [one.id, other.id], here: one.rateClass === other.rateClass },
        });
      }
    }
  });
});

describe('the line of a class', () => {
  test.each([
    ['opus_5.5', 'opus'],
    ['fable_5', 'fable'],
    ['claude-opus-6', null],
    ['constructor_5', null],
    ['batches', null],
  ])('%s: %s', (rateClass, line) => {
    expect(lineOfClass(rateClass)).toBe(line);
  });
});
