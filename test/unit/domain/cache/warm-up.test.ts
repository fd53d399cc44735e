/**
 * The request that writes a prefix, made from a row that was marked; and what a run keeps of it.
 */
import { describe, expect, test } from 'vitest';
import { hitShare, withWarmUp, type CacheSettings, type WarmUpSum } from '../../../../src/domain/cache/settings.ts';
import { readMarkedRow, withOneToken } from '../../../../src/domain/cache/warm-up.ts';
import type { JsonObject } from '../../../../src/domain/row/shape.ts';
import { judgeParams } from '../../../../src/tools/sim/validate.ts';

const MARK = { cache_control: { type: 'ephemeral', ttl: '1h' } };
const TURN = { type: 'text', text: '.' };
const MODEL = 'claude-haiku-4-5';
const question = [{ role: 'user', content: 'question' }];
const text = { type: 'text', text: 'shared' };
const tool = { name: 't', input_schema: { type: 'object' } };
const schema = { format: { type: 'json_schema', schema: { type: 'object', additionalProperties: false } } };

const row = (more: JsonObject): JsonObject => ({ model: MODEL, max_tokens: 2_000, messages: question, ...more });

const CASES: readonly [string, JsonObject, JsonObject][] = [
  [
    'a system',
    row({ system: [{ ...text, ...MARK }] }),
    { max_tokens: 0, system: [{ ...text, ...MARK }], messages: [{ role: 'user', content: [TURN] }] },
  ],
  [
    'tools, and nothing of what follows',
    row({
      tools: [
        { ...tool, ...MARK },
        { ...tool, name: 'u' },
      ],
      system: 'of this row alone',
      tool_choice: { type: 'any' },
    }),
    { max_tokens: 0, tools: [{ ...tool, ...MARK }], messages: [{ role: 'user', content: [TURN] }] },
  ],
  [
    'the head of a message: the turn stands behind it',
    row({
      system: 'x',
      messages: [
        {
          role: 'user',
          content: [
            { ...text, ...MARK },
            { type: 'text', text: 'own' },
          ],
        },
      ],
    }),
    {
      ...{ max_tokens: 0, system: [{ type: 'text', text: 'x' }] },
      messages: [{ role: 'user', content: [{ ...text, ...MARK }, TURN] }],
    },
  ],
  [
    'what the assistant said',
    row({ messages: [...question, { role: 'assistant', content: [{ ...text, ...MARK }] }, ...question] }),
    {
      max_tokens: 0,
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'question' }] },
        { role: 'assistant', content: [{ ...text, ...MARK }] },
        { role: 'user', content: [TURN] },
      ],
    },
  ],
  [
    'thinking does not matter before the messages',
    row({ system: [{ ...text, ...MARK }], thinking: { type: 'enabled', budget_tokens: 1_024 } }),
    { max_tokens: 0, system: [{ ...text, ...MARK }], messages: [{ role: 'user', content: [TURN] }] },
  ],
  [
    'thinking matters in them, and needs room for its answer',
    row({
      thinking: { type: 'enabled', budget_tokens: 1_024 },
      messages: [{ role: 'user', content: [{ ...text, ...MARK }] }],
    }),
    {
      ...{ max_tokens: 2_000, thinking: { type: 'enabled', budget_tokens: 1_024 } },
      messages: [{ role: 'user', content: [{ ...text, ...MARK }, TURN] }],
    },
  ],
  [
    'an answer by a schema has one token',
    row({ system: [{ ...text, ...MARK }], output_config: schema }),
    {
      ...{ max_tokens: 1, system: [{ ...text, ...MARK }], output_config: schema },
      messages: [{ role: 'user', content: [TURN] }],
    },
  ],
];

describe('the warm-up', () => {
  test.each(CASES)('of %s', (_name, params, expected) => {
    const marked = readMarkedRow(params);
    expect(marked?.warmUp).toEqual({ model: MODEL, ...expected });
    expect(
      judgeParams(marked?.warmUp, {
        lane: 'message',
        version: '2026-10-21',
        betas: [],
        nowMs: 0,
        textBytes: Buffer.byteLength,
      }),
    ).toBeUndefined();
  });

  test('has one token where the API takes no answer without any', () => {
    const warmUp = readMarkedRow(row({ system: [{ ...text, ...MARK }] }))?.warmUp ?? {};
    expect(withOneToken(warmUp)).toEqual({ ...warmUp, max_tokens: 1 });
    const other = { ...warmUp, max_tokens: 2_000 };
    expect(withOneToken(other)).toBe(other);
  });

  test.each([
    ['no mark', row({ system: 'x' })],
    ['a mark on everything', row({ cache_control: { type: 'ephemeral' } })],
    ['no model', { messages: question }],
    ['messages that are none', { model: MODEL, messages: 'x' }],
  ])('is nothing with %s', (_name, params) => {
    expect(readMarkedRow(params)).toBeNull();
  });

  test('of one prefix has one key, whatever the lifetime and the row', () => {
    const brief = { ...text, cache_control: { type: 'ephemeral', ttl: '5m' } };
    const keys = [
      readMarkedRow(row({ system: [{ ...text, ...MARK }] })),
      readMarkedRow(row({ system: [brief], messages: [{ role: 'user', content: 'another' }] })),
    ].map((marked) => marked?.key);
    expect(new Set(keys).size).toBe(1);
    expect(readMarkedRow(row({ model: 'claude-opus-5-5', system: [brief] }))?.key).not.toBe(keys[0]);
  });
});

const SUM: WarmUpSum = {
  ...{ model: MODEL, calls: 1, inputTokens: 1, outputTokens: 1, cacheWrite5mTokens: 0, cacheWrite1hTokens: 5_000 },
  ...{ cacheReadTokens: 0, costUsd: 0.01, unpricedCalls: 0 },
};
const CACHE: CacheSettings = {
  ...{ mode: 'auto', refused: [], declined: null },
  prefixes: [
    { key: 'a', model: MODEL, ttl: '1h', tokens: 5_000 },
    { key: 'b', model: MODEL, ttl: '1h', tokens: 6_000 },
  ],
};

describe('a run remembers', () => {
  test('when a prefix was warmed, by workspace, and the sums', () => {
    const end = { key: 'a', used: SUM, useless: false };
    const once = withWarmUp(CACHE, { ...end, workspace: 'one', atMs: 5 });
    const twice = withWarmUp(once, { ...end, workspace: 'two', atMs: 9 });
    expect(twice.prefixes).toEqual([{ ...CACHE.prefixes[0], warmAtMs: { one: 5, two: 9 } }, CACHE.prefixes[1]]);
    expect(twice.warmUps).toEqual([
      { ...SUM, calls: 2, inputTokens: 2, outputTokens: 2, cacheWrite1hTokens: 10_000, costUsd: 0.02 },
    ]);
    const other = withWarmUp(twice, { ...end, used: { ...SUM, model: 'm' }, workspace: 'one', atMs: 9 });
    expect(other.warmUps).toHaveLength(2);
  });

  test('that there is no use in it', () => {
    const nothing = { ...SUM, cacheWrite1hTokens: 0 };
    const { prefixes } = withWarmUp(CACHE, { key: 'b', workspace: 'w', used: nothing, useless: true, atMs: 5 });
    expect(prefixes).toEqual([CACHE.prefixes[0], { ...CACHE.prefixes[1], useless: true }]);
    expect(withWarmUp(CACHE, { key: 'b', workspace: 'w', used: null, useless: false, atMs: 5 })).toBe(CACHE);
  });

  test.each([
    [[], null],
    [[{ cacheReadTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0 }], null],
    [[{ cacheReadTokens: 3, cacheWrite5mTokens: 1, cacheWrite1hTokens: 0 }], 0.75],
    [
      [
        { cacheReadTokens: 1, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0 },
        { cacheReadTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 3 },
      ],
      0.25,
    ],
  ])('which share of the cached tokens were hits (%#)', (usage, share) => {
    expect(hitShare(usage)).toBe(share);
  });
});
