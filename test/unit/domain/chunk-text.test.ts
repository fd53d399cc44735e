/**
 * The one form of a chunk's body: what is written can be taken apart again to the byte, and it is the JSON the API takes.
 */
import { describe, expect, test } from 'vitest';
import { addMix, bodyBytes, paramsOf, requestText, type MixSums } from '../../../src/domain/chunk-text.ts';
import { BODY_HEAD, BODY_TAIL } from '../../../src/domain/limits.ts';

const PARAMS = [
  '{}',
  '{"model":"m","max_tokens":1,"messages":[]}',
  '{"text":"quotes \\" and \\\\ and }]} and \\u2028"}',
  '{"text":"ünïcödé 😀"}',
  // A prompt that looks like our own frame.
  '{"text":"{\\"custom_id\\":\\"x\\",\\"params\\":{}}"}',
];

describe('a request', () => {
  test.each(PARAMS)('with params %s comes back as it was', (params) => {
    const text = requestText('tag-1-0', params);
    expect(JSON.parse(text)).toEqual({ custom_id: 'tag-1-0', params: JSON.parse(params) as unknown });
    expect(paramsOf(text, null)).toBe(params);
    expect(paramsOf(text, 'tag-1-0')).toBe(params);
    // Another row's, after its file was damaged.
    for (const other of ['tag-1-1', 'tag-1-', 'tag-1-00']) {
      expect(() => paramsOf(text, other)).toThrow(expect.objectContaining({ code: 'E_STATE_CORRUPT' }));
    }
  });

  test.each(['', '{}', '{"custom_id":"a"}', '{"params":{},"custom_id":"a"}', ' {"custom_id":"a","params":{}}'])(
    'of another form (%s) is a bug, not a guess',
    (text) => {
      expect(() => paramsOf(text, null)).toThrow(expect.objectContaining({ code: 'E_STATE_CORRUPT' }));
    },
  );
});

describe('a body', () => {
  test('has as many bytes as were counted, from no row to many', () => {
    for (const count of [0, 1, 2, 3, 100]) {
      const requests = Array.from({ length: count }, (_, at) =>
        requestText(`tag-1-${at}`, PARAMS[at % PARAMS.length] ?? '{}'),
      );
      const body = `${BODY_HEAD}${requests.join(',')}${BODY_TAIL}`;
      const sum = requests.reduce((bytes, request) => bytes + Buffer.byteLength(request), 0);
      expect(bodyBytes(sum, count)).toBe(Buffer.byteLength(body));
      expect((JSON.parse(body) as { requests: unknown[] }).requests).toHaveLength(count);
    }
  });

  test('is no JSON without its tail, nor with a part of it', () => {
    const body = `${BODY_HEAD}${requestText('a', '{}')}${BODY_TAIL}`;
    for (let cut = 1; cut <= BODY_TAIL.length; cut++)
      expect(() => JSON.parse(body.slice(0, -cut)) as unknown).toThrow();
  });
});

test('mixes of models add up, and what is added is left alone', () => {
  const sums: MixSums = {};
  const part = Object.freeze({
    a: Object.freeze({ rows: 1, bytes: 10, maxTokens: 100, largestBytes: 10, cachingRows: 0 }),
  });
  addMix(sums, part);
  // One of an old state does not say what its largest row is, nor which rows are cached: then the most is taken.
  addMix(sums, { ...part, b: { rows: 2, bytes: 20, maxTokens: 200 } });
  addMix(sums, {});
  expect(sums).toEqual({
    a: { rows: 2, bytes: 20, maxTokens: 200, largestBytes: 10, cachingRows: 0 },
    b: { rows: 2, bytes: 20, maxTokens: 200, largestBytes: 20, cachingRows: 2 },
  });
});
