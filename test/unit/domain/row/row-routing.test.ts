/** What a route does to a row: who goes before whom, for each of model, max_tokens, priority and lane. */
import { describe, expect, test } from 'vitest';
import { readRoutes } from '../../../../src/domain/routing/read-rules.ts';
import { createRowReader, type RowDefaults } from '../../../../src/domain/row/reader.ts';
import { compileTemplate } from '../../../../src/domain/row/template.ts';
import type { PreparedRow } from '../../../../src/domain/source.ts';
import { tokensFromBytes } from '../../../../src/domain/estimate/tokenizer.ts';

const MESSAGES = [{ role: 'user', content: 'hello' }];
const [HAIKU, SONNET, OPUS] = ['claude-haiku-5-5', 'claude-sonnet-5-5', 'claude-opus-5-5'] as const;
const USE = { model: SONNET, max_tokens: 500, priority: 'high', lane: 'realtime' };

function read(
  value: object,
  rules: readonly object[],
  more: Partial<RowDefaults> = {},
): PreparedRow & { params: unknown } {
  const routing = { routes: readRoutes({ routes: rules }, 'r.yaml') };
  const defaults = { nowMs: 0, model: HAIKU, maxTokens: 100, routing, ...more };
  const reading = createRowReader(defaults).read({ file: 0, line: 1, value, plain: true });
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  return { ...reading.row, params: JSON.parse(reading.row.paramsJson) as unknown };
}

const prompt = compileTemplate('Say {{text}}');
const all = { name: 'all', use: USE };

describe('a row that a route takes', () => {
  test('gets what the rule says, in place of the flags', () => {
    expect(read({ text: 'x' }, [all], { prompt })).toMatchObject({
      ...{ model: SONNET, maxTokens: 500, priority: 'high', lane: 'realtime', route: 'all' },
      params: { model: SONNET, max_tokens: 500, messages: [{ content: 'Say x' }] },
    });
  });

  test('keeps what the rule does not say', () => {
    const row = read({ text: 'x', priority: 'low' }, [{ name: 'a', use: { lane: 'auto' } }], { prompt });
    expect(row).toMatchObject({ model: HAIKU, maxTokens: 100, priority: 'low', lane: null, route: 'a' });
  });

  test.each([
    ['a request', (own: object, more: object) => ({ params: { messages: MESSAGES, ...own }, ...more })],
    ['bare params', (own: object, more: object) => ({ messages: MESSAGES, ...own, ...more })],
    [
      'a request as other tools write it',
      (own: object, more: object) => ({ body: { messages: MESSAGES, ...own }, url: '/v1/messages', ...more }),
    ],
  ])('and is %s keeps its own, unless the rule overrides', (_what, make) => {
    const value = make({ model: OPUS, max_tokens: 7 }, { priority: 'low' });
    expect(read(value, [all])).toMatchObject({
      model: OPUS,
      maxTokens: 7,
      priority: 'low',
      lane: 'realtime',
      route: 'all',
    });
    const over = { ...all, override: true };
    expect(read(value, [over])).toMatchObject({ model: SONNET, maxTokens: 500, priority: 'high', lane: 'realtime' });
    // Each of them for itself.
    expect(read(make({ model: OPUS }, {}), [all])).toMatchObject({ model: OPUS, maxTokens: 500, priority: 'high' });
  });

  test('goes before --params', () => {
    const row = read({ text: 'x' }, [all], { prompt, params: { model: OPUS, max_tokens: 9, stop_sequences: ['END'] } });
    expect(row.params).toMatchObject({ model: SONNET, max_tokens: 500, stop_sequences: ['END'] });
  });

  test('is the same row as one without rules where the rule changes nothing', () => {
    const value = { params: { model: OPUS, max_tokens: 7, messages: MESSAGES } };
    const routing = { routes: readRoutes({ routes: [all] }, 'r.yaml') };
    const reading = createRowReader({ nowMs: 0, routing }).read({ file: 0, line: 1, value, plain: true });
    const paramsJson = JSON.stringify(value.params);
    expect(reading).toMatchObject({ ok: true, row: { plain: true, paramsJson, route: 'all' } });
  });

  test('is checked with what the rule gave it', () => {
    const routes = [{ name: 'a', use: { max_tokens: 999_999_999 } }];
    expect(() => read({ text: 'x' }, routes, { prompt })).toThrow(/max_tokens is 999,999,999/);
  });

  test('may be larger by the model of the rule, and is not made larger by asking for it', () => {
    const text = 'x'.repeat(4_000);
    const bytes = Buffer.byteLength(
      JSON.stringify({ model: HAIKU, max_tokens: 100, messages: [{ role: 'user', content: `Say ${text}` }] }),
    );
    const tokens = tokensFromBytes(HAIKU, bytes);
    const asks = (above: number): PreparedRow =>
      read({ text }, [{ name: 'a', when: { estimate: 'tokens', above }, use: { model: OPUS } }], { prompt });
    expect([asks(tokens - 1).route, asks(tokens).route]).toEqual(['a', null]);
  });
});

test('without rules a row has neither route nor lane', () => {
  const reading = createRowReader({ nowMs: 0 }).read({
    file: 0,
    line: 1,
    value: { model: HAIKU, max_tokens: 1, messages: MESSAGES },
  });
  expect(reading).toMatchObject({ ok: true, row: { lane: null, route: null } });
});
