/** What of an answer is checked, how the ledger says what is wrong with it, and what that leads to. */
import { describe, expect, test } from 'vitest';
import { deviantType, type AnswerCheck } from '../../../src/domain/answer-check.ts';
import { routeResult } from '../../../src/domain/failure-router.ts';
import { describeLocalError } from '../../../src/domain/local-errors.ts';
import {
  deviationKind,
  deviationOf,
  hasDeviant,
  publicErrorType,
  schemaErrorType,
} from '../../../src/domain/schema-error.ts';
import { viewFailures } from '../../../src/engine/views/schema-view.ts';

const check: AnswerCheck = (value) => (value === 1 ? null : { keyword: 'type', path: '/a/3' });
const message = (...texts: string[]) => ({
  content: [{ type: 'thinking', thinking: 'x' }, ...texts.map((text) => ({ type: 'text', text }))],
});

describe('an answer', () => {
  test.each([
    ['follows', message('1'), 'end_turn', null],
    ['in several blocks', message(' ', '1', '\n'), 'end_turn', null],
    ['deviates', message('2'), 'end_turn', 'batchrun_schema:type:/a/3'],
    ['at a stop sequence', message('2'), 'stop_sequence', 'batchrun_schema:type:/a/3'],
    ['is no JSON', message('{"secret":'), 'end_turn', 'batchrun_schema:json:'],
    ['has no text', message(), 'end_turn', 'batchrun_schema:text:'],
    ['was cut', message('{"secret":'), 'max_tokens', 'batchrun_schema:max_tokens:'],
    ['was cut where it was whole', message('1'), 'max_tokens', null],
    ['was refused', message(), 'refusal', 'batchrun_schema:refusal:'],
    ['is a call of a tool', message(), 'tool_use', 'batchrun_schema:tool_use:'],
    ['stopped for a reason of tomorrow', message('2'), 'New: one', 'batchrun_schema:_ew__one:'],
    ['does not say why it stopped', message('2'), undefined, 'batchrun_schema:type:/a/3'],
  ])('%s', (_what, said, stopReason, type) => {
    expect(deviantType(check, said, stopReason)).toBe(type);
  });
});

describe('the type in the ledger', () => {
  test('comes back as what it was, and is one type outside', () => {
    for (const deviation of [
      { keyword: 'minimum', path: '/a:b/c' },
      { keyword: 'json', path: '' },
    ]) {
      const type = schemaErrorType(deviation);
      expect(deviationOf(type)).toEqual(deviation);
      expect(publicErrorType(type)).toBe('batchrun_schema');
    }
    for (const type of ['overloaded_error', 'batchrun_schema', null]) {
      expect(deviationOf(type)).toBeNull();
      expect(publicErrorType(type)).toBe(type);
    }
    expect(schemaErrorType({ keyword: 'type', path: '/x'.repeat(5_000) }).length).toBeLessThan(250);
  });

  test('says what is wrong in a sentence', () => {
    const said = (keyword: string, path = ''): string => describeLocalError(schemaErrorType({ keyword, path }));
    expect(said('minimum', '/items/3/price')).toBe('the answer does not follow the schema: minimum at /items/3/price');
    expect(said('type')).toBe('the answer does not follow the schema: type at the top');
    expect(said('json')).toContain('it is not JSON');
    expect(said('max_tokens')).toContain('--retry-truncated');
    expect(said('toString')).toContain('toString at the top');
    expect(describeLocalError('batchrun_schema')).toBe('batchrun_schema');
  });

  test('is counted by kind, the places of items together and the most frequent first', () => {
    const counts = {
      'batchrun_schema:minimum:/items/3/price': 2,
      'batchrun_schema:minimum:/items/4/price': 3,
      'batchrun_schema:json:': 4,
      overloaded_error: 1,
    };
    expect(viewFailures(counts)).toEqual({
      failures: { batchrun_schema: 9, overloaded_error: 1 },
      schema_errors: { 'minimum at /items/*/price': 5, 'it is not JSON': 4 },
    });
    expect(Object.keys(viewFailures(counts).schema_errors)[0]).toBe('minimum at /items/*/price');
    expect(deviationKind({ keyword: 'type', path: '/2024/x1' })).toBe('type at /*/x1');
    const many = Object.fromEntries(Array.from({ length: 50 }, (_unused, at) => [`batchrun_schema:k${at}:`, 50 - at]));
    expect(Object.keys(viewFailures(many).schema_errors)).toHaveLength(21);
    expect(viewFailures({})).toEqual({ failures: {}, schema_errors: {} });
  });

  test('belongs to a row only with the answer', () => {
    const result = { chunkNo: 1, offset: 0, length: 5 };
    expect(hasDeviant({ errorType: 'batchrun_schema:json:', result })).toBe(true);
    expect(hasDeviant({ errorType: 'batchrun_schema:json:', result: null })).toBe(false);
    expect(hasDeviant({ errorType: 'batchrun_truncated', result })).toBe(false);
    expect(hasDeviant(undefined)).toBe(false);
  });
});

describe('the router', () => {
  const line = (stopReason: string) => ({ type: 'succeeded', stopReason, deviation: 'batchrun_schema:x:' }) as const;

  test('asks again for what came whole, as long as there are attempts and somebody wants it', () => {
    const kinds = (stopReason: string, asksAgain: boolean): string[] =>
      [1, 2, 3, 4].map((attempt) => routeResult(line(stopReason), attempt, 3, asksAgain).kind);
    expect(kinds('end_turn', true)).toEqual(['retry', 'retry', 'failed', 'failed']);
    expect(kinds('stop_sequence', true)[0]).toBe('retry');
    expect(kinds('end_turn', false)).toEqual(['failed', 'failed', 'failed', 'failed']);
    for (const reason of ['max_tokens', 'refusal', 'tool_use', 'pause_turn', 'model_context_window_exceeded'])
      expect(kinds(reason, true)[0]).toBe('failed');
    expect(routeResult(line('end_turn'), 1, 3)).toEqual({ kind: 'failed', errorType: 'batchrun_schema:x:' });
  });
});
