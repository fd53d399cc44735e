import { describe, expect, it } from 'vitest';
import { isBatchrunError } from '../../../src/base/errors.ts';
import { NO_USAGE } from '../../../src/domain/model.ts';
import {
  jsonOnOneLine,
  localErrorLine,
  messageText,
  NOTABLE_STOP_REASONS,
  parseResultLine,
  parseWireId,
  readResultLine,
  realtimeResultLine,
  renameResultLine,
  wireId,
} from '../../../src/domain/result-line.ts';

// The lines of the facts file (section 1.7): the usage block and the error are from real files.
const SUCCEEDED =
  '{"custom_id":"0a1b2c-1-0","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":7,"cache_read_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":2},"output_tokens":12,"service_tier":"batch","inference_geo":"not_available"}}}}';
const ERRORED =
  '{"custom_id":"0a1b2c-1-1","result":{"type":"errored","error":{"type":"error","error":{"details":{"error_visibility":"user_facing","error_code":"some_code"},"type":"invalid_request_error","message":"max_tokens: 100000 > 64000"},"request_id":"req_1"}}}';

function withUsage(usage: unknown): string {
  const message = { model: 'm', content: [], stop_reason: 'end_turn', usage };
  return JSON.stringify({ custom_id: 'x', result: { type: 'succeeded', message } });
}

describe('reading a result line', () => {
  it('finds model, stop reason and usage of an answer', () => {
    expect(parseResultLine(SUCCEEDED)).toEqual({
      wireId: '0a1b2c-1-0',
      type: 'succeeded',
      model: 'claude-haiku-4-5',
      stopReason: 'end_turn',
      inferenceGeo: 'not_available',
      usage: {
        inputTokens: 10,
        outputTokens: 12,
        cacheWrite5mTokens: 5,
        cacheWrite1hTokens: 2,
        cacheReadTokens: 3,
      },
    });
  });

  it('finds the inner error, its code and the request id', () => {
    expect(parseResultLine(ERRORED)).toEqual({
      wireId: '0a1b2c-1-1',
      type: 'errored',
      errorType: 'invalid_request_error',
      errorMessage: 'max_tokens: 100000 > 64000',
      errorCode: 'some_code',
      requestId: 'req_1',
    });
  });

  it.each(['canceled', 'expired'])('takes a %s line, which has nothing but its type', (type) => {
    expect(parseResultLine(`{"custom_id":"a","result":{"type":"${type}"}}`)).toEqual({ wireId: 'a', type });
  });

  it('takes an errored line without details, request id or even an error', () => {
    const bare =
      '{"custom_id":"a","result":{"type":"errored","error":{"type":"error","error":{"type":"api_error","message":"m"},"request_id":null}}}';
    expect(parseResultLine(bare)).toMatchObject({ errorType: 'api_error', errorMessage: 'm' });
    expect(parseResultLine(bare)?.requestId).toBeUndefined();
    expect(parseResultLine('{"custom_id":"a","result":{"type":"errored"}}')?.errorType).toBe('unknown_error');
  });

  it('treats a result type that it does not know as an error with a type of its own', () => {
    const line = parseResultLine('{"custom_id":"a","result":{"type":"deferred"}}');
    expect(line).toMatchObject({ type: 'errored', errorType: 'unknown_result_type' });
    expect(line?.errorMessage).toContain('deferred');
  });

  it('treats a succeeded line without a message as an error, so that its row is not lost', () => {
    expect(parseResultLine('{"custom_id":"a","result":{"type":"succeeded"}}')).toMatchObject({
      type: 'errored',
      errorType: 'missing_message',
    });
  });

  it.each([
    '',
    'null',
    '[]',
    '"text"',
    '{',
    SUCCEEDED.slice(0, -1),
    '{"custom_id":1,"result":{"type":"canceled"}}',
    '{"result":{"type":"canceled"}}',
    '{"custom_id":"a"}',
    '{"custom_id":"a","result":null}',
    '{"custom_id":"a","result":[]}',
    '{"custom_id":"a","result":{"type":7}}',
  ])('refuses %j as no line of a results file', (text) => {
    expect(parseResultLine(text)).toBeNull();
  });

  it('ignores keys that it does not know and a line end', () => {
    const more = SUCCEEDED.replace('{"custom_id"', '{"new":{"a":[1]},"custom_id"');
    expect(parseResultLine(`${more}\r\n`)).toEqual(parseResultLine(SUCCEEDED));
  });

  it('hands the message on to those who need its content', () => {
    expect(readResultLine(SUCCEEDED)?.message?.['id']).toBe('msg_1');
    expect(readResultLine(ERRORED)?.message).toBeNull();
  });

  it('reads lines at the speed of JSON.parse', () => {
    const started = performance.now();
    for (let at = 0; at < 20_000; at++) parseResultLine(SUCCEEDED);
    // Far above what it takes (about 0.1 s), so that a busy machine does not fail it.
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe('usage', () => {
  it.each([
    ['nothing', undefined, {}],
    ['null', null, {}],
    [
      'nulls',
      { input_tokens: 1, output_tokens: 2, cache_creation: null, cache_read_input_tokens: null },
      { inputTokens: 1, outputTokens: 2 },
    ],
    ['a total of cache writes only: 5 minutes', { cache_creation_input_tokens: 9 }, { cacheWrite5mTokens: 9 }],
    [
      'a break-down only',
      { cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 } },
      { cacheWrite5mTokens: 4, cacheWrite1hTokens: 6 },
    ],
    [
      'a total above its break-down: the rest is 5 minutes',
      { cache_creation_input_tokens: 12, cache_creation: { ephemeral_1h_input_tokens: 10 } },
      { cacheWrite5mTokens: 2, cacheWrite1hTokens: 10 },
    ],
    ['nonsense', { input_tokens: '5', output_tokens: -3, cache_read_input_tokens: {} }, {}],
  ])('of %s is read without a fault', (_what, usage, expected) => {
    expect(parseResultLine(withUsage(usage))?.usage).toEqual({ ...NO_USAGE, ...expected });
  });
});

describe('the text of a message', () => {
  it('is its text blocks, one after the other', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'tool_use', input: {} },
      { type: 'text', text: 'b' },
      null,
      7,
    ];
    expect(messageText({ content })).toBe('ab');
  });
  it.each([null, undefined, 'text', {}, { content: 'text' }, { content: [{ type: 'text' }] }])(
    'is empty for %j',
    (message) => {
      expect(messageText(message)).toBe('');
    },
  );
});

describe('wire ids', () => {
  it('are written and read back', () => {
    expect(wireId('0r5k2m9x1qabcdef', 12, 9_999)).toBe('0r5k2m9x1qabcdef-12-9999');
    expect(parseWireId('0r5k2m9x1qabcdef-12-9999')).toEqual({ tag: '0r5k2m9x1qabcdef', chunkNo: 12, index: 9_999 });
  });

  it('fit into 64 characters even with the longest tag and the largest numbers', () => {
    const id = wireId('a'.repeat(24), Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(parseWireId(id)?.index).toBe(Number.MAX_SAFE_INTEGER);
  });

  it.each([
    '',
    'abcdef',
    'abcdef-1',
    'abcde-1-1',
    `${'a'.repeat(25)}-1-1`,
    'ABCDEF-1-1',
    'abcdef-01-1',
    'abcdef-1-00',
    'abcdef-1--1',
    'abcdef-1-1-1',
    'abcdef-1-1 ',
    'abcdef-1-1\n',
    'abcdef-1-1e3',
    'abcdef-1-9999999999999999',
  ])('%j is not one of ours', (id) => {
    expect(parseWireId(id)).toBeNull();
  });

  it('refuse what could not be read back', () => {
    expect(() => wireId('short', 1, 1)).toThrow(/tag/);
    expect(() => wireId('abcdef', -1, 1)).toThrow(/chunk -1/);
    expect(() => wireId('abcdef', 1, 0.5)).toThrow(/row 0.5/);
  });
});

describe('renaming a line', () => {
  it('changes nothing but the id', () => {
    // Numbers, spaces and escapes that parsing and writing again would change.
    const tail = ',"result":{"type":"succeeded", "message":{"n":1.0,"big":12345678901234567890,"t":"\\u00e9\\/"}}}';
    const renamed = renameResultLine(Buffer.from(`{"custom_id":"abcdef-1-2"${tail}`), 'abcdef-1-2', 'my "id" é\n');
    expect(renamed).toBe(`{"custom_id":"my \\"id\\" é\\n"${tail}`);
  });

  it('finds the id elsewhere in the line too', () => {
    const line = '{ "result":{"type":"canceled"}, "custom_id":"abcdef-1-2" }';
    expect(renameResultLine(line, 'abcdef-1-2', 'x')).toBe('{"result":{"type":"canceled"},"custom_id":"x"}');
  });

  it('never gives out the line of another row, whose id may begin the same', () => {
    const line = '{"custom_id":"abcdef-1-22","result":{"type":"canceled"}}';
    for (const wrong of [line, 'not json', '[]']) {
      const act = (): string => renameResultLine(wrong, 'abcdef-1-2', 'x');
      expect(act).toThrow(expect.toSatisfy((error: unknown) => isBatchrunError(error, 'E_STATE_CORRUPT')));
    }
  });
});

describe('lines that batchrun writes itself', () => {
  it('have the shape of an errored line', () => {
    const line = localErrorLine('a"b', 'batchrun_results_lost', 'gone');
    expect(line).toBe(
      '{"custom_id":"a\\"b","result":{"type":"errored","error":{"type":"error","error":{"type":"batchrun_results_lost","message":"gone"},"request_id":null}}}',
    );
    expect(parseResultLine(line)).toMatchObject({ wireId: 'a"b', errorType: 'batchrun_results_lost' });
  });

  it('wrap an answer of the Messages API without touching its text', () => {
    const message = '{"id":"msg_1","n":1.0,"content":[{"type":"text","text":"a\\nb"}]}';
    expect(realtimeResultLine('abcdef-1-2', message)).toBe(
      `{"custom_id":"abcdef-1-2","result":{"type":"succeeded","message":${message}}}`,
    );
  });

  it('stay one line where a proxy answers with pretty JSON', () => {
    const line = realtimeResultLine('abcdef-1-2', '{\r\n  "content": []\n}\n');
    expect(line).not.toMatch(/[\r\n]/);
    expect(parseResultLine(line)?.type).toBe('succeeded');
    expect(jsonOnOneLine('{"a":1}')).toBe('{"a":1}');
  });
});

it('names the stop reasons that deserve a look', () => {
  expect([...NOTABLE_STOP_REASONS]).toEqual(['max_tokens', 'refusal', 'pause_turn', 'model_context_window_exceeded']);
});
