/**
 * The method of estimates against what the real API was seen to count (fixtures/token-pairs): every recorded request lies
 * inside the band that its estimate states, and the ratios of the method are those that others measured.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requestText } from '../../../../src/domain/chunk-text.ts';
import { addedTokensMost } from '../../../../src/domain/estimate/added-tokens.ts';
import { addText, measureRequest, noBytes } from '../../../../src/domain/estimate/request-text.ts';
import { NO_USAGE } from '../../../../src/domain/model.ts';
import { costUsd } from '../../../../src/domain/pricing.ts';
import { worstCostUsd } from '../../../../src/domain/reserve.ts';
import { requestTokens, textTokens } from '../../../../src/domain/estimate/request-tokens.ts';
import { COUNT_ERROR } from '../../../../src/domain/estimate/total.ts';
import { BYTES_PER_TOKEN, KIND_ERROR, type TextKind } from '../../../../src/domain/estimate/tokenizer.ts';

const FOLDER = join(import.meta.dirname, '../../../../fixtures/token-pairs');

interface Message {
  readonly role: string;
  readonly content: readonly { readonly type: string; readonly text?: string }[];
}

interface Pair {
  readonly repository: string;
  readonly path: string;
  readonly commit: string;
  readonly counted_by: 'count_tokens' | 'usage';
  readonly model: string;
  readonly input_tokens: number;
  readonly params: { readonly messages: readonly Message[] };
  readonly repeat_last_text?: number;
}

interface Published {
  readonly chars_per_token: readonly { readonly content: string; readonly older: number; readonly newer: number }[];
  readonly newer_over_older: readonly {
    readonly content: string;
    readonly kind: TextKind | 'code';
    readonly ratios: readonly number[];
  }[];
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(FOLDER, name), 'utf8'));
const pairs = read('pairs.json') as readonly Pair[];
const published = read('published-ratios.json') as Published;

function paramsOf({ params, repeat_last_text: times = 1 }: Pair): unknown {
  const messages = params.messages.map((message, at) => ({
    ...message,
    content: message.content.map((block) =>
      at === params.messages.length - 1 && block.text !== undefined
        ? { ...block, text: block.text.repeat(times) }
        : block,
    ),
  }));
  return { ...params, messages };
}

const nameOf = (pair: Pair): string =>
  `${pair.model}, ${pair.input_tokens} tokens by ${pair.counted_by} (${pair.path.split('/').at(-1) ?? ''})`;

describe('recorded requests', () => {
  it('are of both generations of tokenizers, and say where they are from', () => {
    expect(pairs.length).toBeGreaterThanOrEqual(16);
    for (const pair of pairs) expect(pair.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(new Set(pairs.map(({ repository }) => repository)).size).toBeGreaterThan(1);
  });

  it.each(pairs.map((pair) => [nameOf(pair), pair] as const))('%s', (_, pair) => {
    const { low, high } = requestTokens(pair.model, measureRequest(paramsOf(pair)));
    // Of a few words nobody can tell to a token how they are cut.
    expect(pair.input_tokens).toBeGreaterThanOrEqual(Math.floor(low) - WORDS_SLACK);
    expect(pair.input_tokens).toBeLessThanOrEqual(Math.ceil(high) + WORDS_SLACK);
  });

  it.each(pairs.map((pair) => [nameOf(pair), pair] as const))('cost no more than is set aside: %s', (_, pair) => {
    const params = paramsOf(pair) as Record<string, unknown>;
    const bytes = Buffer.byteLength(requestText('br000000-1-0', JSON.stringify(params)));
    const sizes = { rows: 1, bytes, maxTokens: 0, largestBytes: bytes, cachingRows: 0 };
    const mix = { 'claude-haiku-5-5': { ...sizes, addedTokens: addedTokensMost(params) } };
    const billed = costUsd({
      model: 'claude-haiku-5-5',
      lane: 'realtime',
      usage: { ...NO_USAGE, inputTokens: pair.input_tokens },
    });
    expect(worstCostUsd(mix, 'realtime')).toBeGreaterThanOrEqual(billed ?? NaN);
  });

  it('are on average neither above nor below the estimate by more than a tenth', () => {
    const sum = (of: (pair: Pair) => number): number => pairs.reduce((total, pair) => total + of(pair), 0);
    const estimated = sum((pair) => requestTokens(pair.model, measureRequest(paramsOf(pair))).expected);
    expect(estimated / sum((pair) => pair.input_tokens)).toBeGreaterThan(0.9);
    expect(estimated / sum((pair) => pair.input_tokens)).toBeLessThan(1.1);
  });

  it('were billed what count_tokens said, within what it may be off', () => {
    const both = pairs
      .filter((pair) => pair.counted_by === 'count_tokens')
      .flatMap((counted) => {
        const billed = pairs.find((pair) => pair.counted_by === 'usage' && pair.path === counted.path);
        return billed ? [[counted.input_tokens, billed.input_tokens] as const] : [];
      });
    expect(both.length).toBeGreaterThanOrEqual(2);
    for (const [counted, billed] of both) expect(Math.abs(counted / billed - 1)).toBeLessThanOrEqual(COUNT_ERROR);
  });
});

const WORDS_SLACK = 3;

/** Shares of letters and of symbols as they are in such texts. */
const TEXTS: Readonly<Record<string, number>> = { 'English prose': 0.04, TypeScript: 0.25 };

describe('published numbers', () => {
  it.each(published.chars_per_token)('$content: $older and $newer characters a token', ({ content, older, newer }) => {
    const symbols = TEXTS[content] ?? 0;
    const bytes = { ...noBytes(), latin: 10_000 * (1 - symbols), symbols: 10_000 * symbols };
    for (const [model, chars] of [
      ['claude-opus-4-6', older],
      ['claude-opus-4-7', newer],
    ] as const) {
      const { low, expected, high } = textTokens(model, bytes);
      expect(10_000 / chars).toBeGreaterThan(low);
      expect(10_000 / chars).toBeLessThan(high);
      expect(Math.abs(10_000 / chars / expected - 1)).toBeLessThan(0.12);
    }
  });

  it.each(published.newer_over_older)('$content: $ratios times as many tokens', ({ kind, ratios }) => {
    const ratioOf = (one: TextKind): number => BYTES_PER_TOKEN.older[one] / BYTES_PER_TOKEN.newer[one];
    const ours = kind === 'code' ? (ratioOf('latin') + ratioOf('symbols')) / 2 : ratioOf(kind);
    const error = kind === 'code' ? KIND_ERROR.latin : KIND_ERROR[kind];
    for (const ratio of ratios) {
      expect(ratio).toBeGreaterThan(ours / (1 + error));
      expect(ratio).toBeLessThan(ours * (1 + error));
    }
  });
});

describe('kinds of text', () => {
  it.each([
    ['plain words', { latin: 11 }],
    ['{"a":1}\n', { latin: 1, symbols: 7 }],
    ['über naïve', { latin: 12 }],
    ['你好 世界', { cjk: 12, latin: 1 }],
    ['こんにちは', { cjk: 15 }],
    ['안녕', { cjk: 6 }],
    ['Привет', { other: 12 }],
    ['नमस्ते', { other: 18 }],
    ['👍', { other: 4 }],
    ['', {}],
  ])('%s', (text, kinds) => {
    const bytes = noBytes();
    addText(bytes, text);
    expect(bytes).toEqual({ ...noBytes(), ...kinds });
    expect(Object.values(bytes).reduce((sum, one) => sum + one, 0)).toBe(Buffer.byteLength(text));
  });
});
