/**
 * Every price, tier and limit stands once in src, dated, with its source, and what the code answers is what the data says:
 * against a copy of the price table that was compiled apart (fixtures/facts), and against the simulator's own catalogue.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { CACHE_FACTS_AS_OF } from '../../src/domain/estimate/cache-facts.ts';
import { TOKENIZER_FACTS_AS_OF } from '../../src/domain/estimate/tokenizer.ts';
import * as LIMITS from '../../src/domain/limits.ts';
import { NO_USAGE, type Lane, type TokenUsage } from '../../src/domain/model.ts';
import { listedModels, MODEL_FACTS_AS_OF, modelFacts } from '../../src/domain/models.ts';
import { rateClassOf } from '../../src/domain/pacing/rate-class.ts';
import {
  batchRequestsOfTier,
  CUSTOM_TIER,
  limitsOfTier,
  queueOfTier,
  TIER_NAMES,
  TIERS,
  TIERS_AS_OF,
} from '../../src/domain/pacing/tiers.ts';
import { PRICE_RULES, PRICES, PRICES_AS_OF, type ModelPrice, type TokenPrices } from '../../src/domain/prices.ts';
import { costUsd } from '../../src/domain/pricing.ts';
import { SPEEDS, SPEEDS_AS_OF } from '../../src/domain/speeds.ts';
import { findModel, MODELS, SIZES, TIERS as SIM_TIERS } from '../../src/tools/sim/catalogue.ts';
import { lineOf, readText, sourcesBelow, walk } from './sources.ts';

interface PriceFact {
  readonly input: number | null;
  readonly output: number | null;
  readonly cache_write_5m: number | null;
  readonly cache_write_1h: number | null;
  readonly cache_read: number | null;
  readonly batch_input: number | null;
  readonly batch_output: number | null;
}

type Fact = PriceFact & { readonly long_prompt?: PriceFact & { readonly threshold_tokens: number } };

const FACTS = JSON.parse(readText('fixtures/facts/pricing.json')) as Readonly<Record<string, Fact>>;
const prices: Readonly<Record<string, ModelPrice>> = PRICES;
const DAY = /^20\d\d(-\d\d(-\d\d)?)?$/;
const NOW = Date.UTC(2026, 10, 20);

function asFact(price: TokenPrices): PriceFact {
  return {
    input: price.input,
    output: price.output,
    cache_write_5m: price.cacheWrite5m,
    cache_write_1h: price.cacheWrite1h,
    cache_read: price.cacheRead,
    batch_input: price.batchInput,
    batch_output: price.batchOutput,
  };
}

describe('every entry says where it is from, and from when', () => {
  it.each([
    ['prices', Object.entries(prices)],
    ['tiers', Object.entries(TIERS)],
    ['speeds', Object.entries(SPEEDS)],
    ['rules', [['prices', PRICE_RULES] as const, ['custom tier', CUSTOM_TIER] as const]],
  ])('%s', (_, entries) => {
    for (const [name, { source, date }] of entries) {
      expect(source.length, name).toBeGreaterThan(10);
      expect(date, name).toMatch(DAY);
    }
  });

  it('each file says when it was last compared with its sources', () => {
    const days = [PRICES_AS_OF, TIERS_AS_OF, SPEEDS_AS_OF, MODEL_FACTS_AS_OF, TOKENIZER_FACTS_AS_OF, CACHE_FACTS_AS_OF];
    for (const day of days) expect(day).toMatch(/^20\d\d-\d\d-\d\d$/);
  });
});

describe('prices', () => {
  it('are those of the table that was compiled apart, model for model', () => {
    expect(Object.keys(prices).sort()).toEqual(Object.keys(FACTS).sort());
    for (const [model, fact] of Object.entries(FACTS)) {
      const price = prices[model];
      for (const name of Object.keys(asFact(NO_PRICE)) as (keyof PriceFact)[]) {
        expect([model, name, price && asFact(price)[name]]).toEqual([model, name, fact[name]]);
        if (!fact.long_prompt) continue;
        const long = price?.longPrompt;
        expect([model, name, long && asFact(long)[name]]).toEqual([model, name, fact.long_prompt[name]]);
        expect(long?.thresholdTokens).toBe(fact.long_prompt.threshold_tokens);
      }
    }
  });

  it('keep to their own rules where a price is known', () => {
    for (const [model, price] of Object.entries(prices)) {
      for (const one of [price, ...(price.longPrompt ? [price.longPrompt] : [])]) {
        const { input, output, cacheWrite5m, cacheWrite1h, batchInput, batchOutput } = one;
        const times = (of: number | null, factor: number): number => (of ?? NaN) * factor;
        if (cacheWrite5m !== null)
          expect(cacheWrite5m, model).toBeCloseTo(times(input, PRICE_RULES.cacheWrite5mFactor), 9);
        if (cacheWrite1h !== null)
          expect(cacheWrite1h, model).toBeCloseTo(times(input, PRICE_RULES.cacheWrite1hFactor), 9);
        if (batchInput !== null) expect(batchInput, model).toBeCloseTo(times(input, PRICE_RULES.batchFactor), 9);
        if (batchOutput !== null) expect(batchOutput, model).toBeCloseTo(times(output, PRICE_RULES.batchFactor), 9);
      }
    }
  });

  it('are what an answer costs: every model, lane, class of tokens and length of prompt', () => {
    const classes = [
      ['inputTokens', 'input', 'batch_input'],
      ['outputTokens', 'output', 'batch_output'],
      ['cacheWrite5mTokens', 'cache_write_5m', null],
      ['cacheWrite1hTokens', 'cache_write_1h', null],
      ['cacheReadTokens', 'cache_read', null],
    ] as const satisfies readonly (readonly [keyof TokenUsage, keyof PriceFact, keyof PriceFact | null])[];
    for (const [model, fact] of Object.entries(FACTS)) {
      for (const lane of ['batch', 'realtime'] as const satisfies readonly Lane[]) {
        for (const [tokens, plain, batch] of classes) {
          const steps: (readonly [number, PriceFact])[] = [[1_000, fact]];
          if (fact.long_prompt && tokens !== 'outputTokens')
            steps.push([fact.long_prompt.threshold_tokens + 1, fact.long_prompt]);
          for (const [count, at] of steps) {
            const price =
              lane === 'realtime' ? at[plain] : batch ? at[batch] : at[plain] === null ? null : at[plain] / 2;
            const usd = costUsd({ model, lane, usage: { ...NO_USAGE, [tokens]: count } });
            const expected = price === null ? null : (price * count) / 1e6;
            expect([model, lane, tokens, usd?.toFixed(12)]).toEqual([model, lane, tokens, expected?.toFixed(12)]);
          }
        }
      }
    }
  });
});

const NO_PRICE: TokenPrices = {
  ...{ input: null, output: null, cacheWrite5m: null, cacheWrite1h: null },
  ...{ cacheRead: null, batchInput: null, batchOutput: null },
};

describe('tiers', () => {
  it('of today are those that the simulator enforces, with the calls of count_tokens', () => {
    const today = TIER_NAMES.filter((name) => TIERS[name].year === 2026);
    expect(today).toEqual(Object.keys(SIM_TIERS));
    for (const name of ['start', 'build', 'scale'] as const) {
      const { batchRpm, batchQueueMax, countTokensRpm } = SIM_TIERS[name];
      expect([batchRequestsOfTier(name), queueOfTier(name), TIERS[name].countTokens]).toEqual([
        ...[batchRpm, batchQueueMax, countTokensRpm],
      ]);
      for (const model of MODELS.filter(
        ({ lifecycle, id }) => lifecycle !== 'retired' && id !== 'claude-mythos-preview',
      )) {
        const sim = ['fable', 'mythos'].includes(model.line) ? SIM_TIERS[name].messagesFable : SIM_TIERS[name].messages;
        const { requests, input, output } = limitsOfTier(name, rateClassOf(model.id));
        expect([name, model.id, requests, input, output]).toEqual([name, model.id, sim.rpm, sim.itpm, sim.otpm]);
      }
    }
  });

  it('have caps and ways to them, as the pages give them', () => {
    expect(TIER_NAMES.map((name) => [name, TIERS[name].monthlyCapUsd])).toEqual([
      ['start', 500],
      ['build', 1_000],
      ['scale', 200_000],
      ['tier_1', 100],
      ['tier_2', 500],
      ['tier_3', 1_000],
      ['tier_4', 5_000],
    ]);
    for (const name of TIER_NAMES) expect(TIERS[name].qualifies.length).toBeGreaterThan(10);
  });

  it('rise: no limit of a higher tier is below that of a lower one of the same year', () => {
    for (const year of [2025, 2026]) {
      const names = TIER_NAMES.filter((name) => TIERS[name].year === year);
      for (const [at, name] of names.entries()) {
        const lower = names[at - 1];
        if (lower === undefined) continue;
        for (const { id } of MODELS) {
          const [low, high] = [limitsOfTier(lower, rateClassOf(id)), limitsOfTier(name, rateClassOf(id))];
          expect(high.requests >= low.requests && high.input >= low.input && high.output >= low.output, name).toBe(
            true,
          );
        }
        expect(TIERS[name].queue).toBeGreaterThan(TIERS[lower].queue);
      }
    }
  });
});

/** The facts page has no shortest prefix for them; each side has taken one of its line. */
const PREFIX_NOT_PUBLISHED = ['claude-sonnet-5-5', 'claude-haiku-5-5'];

describe('models', () => {
  it('have the sizes that the simulator knows, and end on the same day', () => {
    for (const sim of MODELS.filter(({ lifecycle }) => lifecycle !== 'retired')) {
      if (sim.id === 'claude-mythos-preview') continue;
      const facts = modelFacts(sim.id, NOW);
      expect([sim.id, facts.contextTokens, facts.maxTokens]).toEqual([sim.id, sim.contextTokens, sim.outputTokensMax]);
      expect([sim.id, facts.longMaxTokens !== undefined]).toEqual([sim.id, sim.longOutput]);
      if (sim.retiresAt !== null) expect([sim.id, facts.retires]).toEqual([sim.id, sim.retiresAt.slice(0, 10)]);
      if (PREFIX_NOT_PUBLISHED.includes(sim.id)) continue;
      expect([sim.id, facts.cacheTokensMin]).toEqual([sim.id, sim.cacheTokensMin]);
    }
  });

  it('that are served have a price, and those with a price are known', () => {
    const served = listedModels().filter((id) => modelFacts(id, NOW).status !== 'retired');
    expect(served.filter((id) => !(id in PRICES))).toEqual([]);
    const unknown = Object.keys(PRICES).filter((id) => modelFacts(id, NOW).status === 'unknown');
    expect(unknown).toEqual([]);
    expect(PREFIX_NOT_PUBLISHED.filter((id) => findModel(id) === undefined)).toEqual([]);
  });
});

describe('limits', () => {
  it('are those that the simulator enforces', () => {
    expect({
      batchRowsMax: LIMITS.BATCH_ROWS_MAX,
      batchBytesMax: LIMITS.BATCH_BYTES_MAX,
      messageBytesMax: LIMITS.REALTIME_BYTES_MAX,
      messagesMax: LIMITS.MESSAGES_MAX,
    }).toEqual(SIZES);
  });
});

/** Files that are the data. */
const DATA = [
  'src/domain/prices.ts',
  'src/domain/pacing/tiers.ts',
  'src/domain/limits.ts',
  'src/domain/models.ts',
  'src/domain/speeds.ts',
  'src/domain/estimate/tokenizer.ts',
  'src/domain/estimate/cache-facts.ts',
];

/** Constants of time, memory and counting have units of their own: an equal number there is not a limit of the API. */
const OTHER_UNIT = /(?:_MS|_BYTES|_CHARS|_ROWS|_LINES|_COUNT|_RECORDS)(?:_|\b)/;

/** Equal by chance, and why. */
const BY_CHANCE: Readonly<Record<string, string>> = {
  'src/base/units.ts': 'a million, written out',
  'src/base/virtual-clock.ts': 'turns of a simulation at most',
  'src/cli/terminal/fitted-line.ts': 'a million, written out',
  'src/tools/serve/failures.ts': 'rows that are looked at',
  'src/tools/serve/feed.ts': 'events that a page may be behind',
  'src/cli/flags/option-table.ts': 'milliseconds between polls',
  'src/cli/flags/sim-flags.ts': 'milliseconds of the simulator',
  'src/cli/demo.ts': 'milliseconds of the demo',
  'src/domain/deadline.ts': 'slack of a forecast of time',
  'src/domain/expected-cost.ts': 'slack of an expected cost',
  'src/engine/ingest/id-ledger.ts': 'hashes in memory',
  'src/host/prompt-cache.ts': 'bytes of the first rows, and tokens that a measurement needs',
  'src/domain/routing/pattern.ts': 'steps of a pattern',
  'src/domain/routing/read-condition.ts': 'values of a list',
  'src/tools/advise/lengths.ts': 'characters of a cut',
  'src/tools/advise/repeats.ts': 'hashes in memory',
  'src/tools/rehearse/rehearse.ts': 'rows of a small job',
  'src/cli/loadtest/requests.ts': 'rows that a load is drawn from',
  'src/cli/loadtest/settings.ts': 'requests of a load test',
  'src/tools/loadtest/page.ts': 'users and arrivals, as --users takes them',
  'src/tools/loadtest/mix.ts': 'tokens that a mix may ask for',
  'src/tools/loadtest/settings.ts': 'requests under way at once',
  'src/tools/loadtest/thresholds.ts': 'milliseconds, written out',
  'src/tools/loadtest/words.ts': 'milliseconds, written out',
};

/** Every price factor, and every limit that is large enough to be recognised. */
function factNumbers(): Set<number> {
  const found = new Set<number>([PRICE_RULES.usInferenceFactor, PRICE_RULES.cacheWrite5mFactor]);
  const gather = (value: unknown): void => {
    if (typeof value === 'number' && value >= 5_000) found.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(gather);
  };
  gather([TIERS, SIZES, listedModels().map((id) => ({ ...modelFacts(id, NOW), retiresAtMs: 0 }))]);
  return found;
}

function isOtherUnit(node: ts.Node): boolean {
  if (ts.isSourceFile(node)) return false;
  if (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node)) return OTHER_UNIT.test(node.name.getText());
  return isOtherUnit(node.parent);
}

/** Where a number of the data stands once more. */
function literalsOf(source: ReturnType<typeof sourcesBelow>[number], numbers: ReadonlySet<number>): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (!ts.isNumericLiteral(node) || !numbers.has(Number(node.text)) || isOtherUnit(node)) return;
    found.push(`${source.path}:${lineOf(source, node)}: ${node.getText()}`);
  });
  return found;
}

describe('no number of the data stands elsewhere in src', () => {
  // The simulator keeps its own numbers on purpose: it is the judge.
  const others = sourcesBelow('src').filter(({ path }) => !DATA.includes(path) && !path.startsWith('src/tools/sim/'));
  const numbers = factNumbers();

  it('but by chance, with a reason', () => {
    const found = others.filter(({ path }) => !(path in BY_CHANCE)).flatMap((source) => literalsOf(source, numbers));
    expect(found).toEqual([]);
  });

  it('and each of these reasons is still needed', () => {
    const needed = others.filter((source) => literalsOf(source, numbers).length > 0).map(({ path }) => path);
    expect(Object.keys(BY_CHANCE).filter((path) => !needed.includes(path))).toEqual([]);
  });

  it('and there is one file for each kind of data', () => {
    const names = new Set(['BATCH_FACTOR', 'BYTES_PER_TOKEN', 'US_INFERENCE_FACTOR', 'CACHE_WRITE_FACTOR']);
    const again: string[] = [];
    for (const source of others) {
      walk(source, (node) => {
        if (ts.isVariableDeclaration(node) && names.has(node.name.getText()))
          again.push(`${source.path}: ${node.name.getText()}`);
      });
    }
    expect(again).toEqual([]);
  });
});
