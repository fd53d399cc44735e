/**
 * What a create refuses at once, and how its body is read: the texts are those of facts/api.md section 1.6.
 * The scanner is held against JSON.parse on random bodies.
 */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { seededRng, pick, integerBetween } from '../../../../src/base/random.ts';
import { readBatchBody } from '../../../../src/tools/sim/body.ts';
import { bench, errorOf, HOUR_MS, idOf, paramsOf, row, rows } from './helpers.ts';

const PATH = '/v1/messages/batches';

describe('what refuses a whole create', () => {
  const params = paramsOf('hello');
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['no JSON', '{"requests":[', 'The request body is not valid JSON'],
    ['two values', '{"requests":[]} {}', 'The request body is not valid JSON'],
    ['a comma too many', `{"requests":[${JSON.stringify(row('a'))},]}`, 'The request body is not valid JSON'],
    ['an empty body', '', 'The request body is not valid JSON'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'invalid utf-8'],
    ['half a surrogate pair', '{"requests":[{"custom_id":"a","params":{"x":"\\ud83d"}}]}', 'no low surrogate'],
    ['a list', [], 'Input should be a valid dictionary'],
    ['no requests', {}, 'requests: Field required'],
    ['requests that are no list', { requests: {} }, 'requests: Input should be a valid list'],
    ['an empty list', { requests: [] }, 'requests: List should have at least 1 item'],
    ['further fields', { requests: [row('a')], endpoint: '/v1' }, 'endpoint: Extra inputs are not permitted'],
    ['a request that is no object', { requests: [row('a'), 7] }, 'requests.1: Input should be a valid dictionary'],
    ['no custom_id', { requests: [{ params }] }, 'requests.0.custom_id: Field required'],
    [
      'a number as custom_id',
      { requests: [{ custom_id: 1, params }] },
      'requests.0.custom_id: Input should be a valid string',
    ],
    ['an empty custom_id', { requests: [row('')] }, 'requests.0.custom_id: String should have at least 1 character'],
    [
      'a long custom_id',
      { requests: [row('x'.repeat(65))] },
      'requests.0.custom_id: String should have at most 64 characters',
    ],
    [
      'a custom_id with a dot',
      { requests: [row('a.b')] },
      "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
    ],
    ['the same custom_id twice', { requests: [row('a'), row('b'), row('a')] }, 'unique'],
    ['no params', { requests: [{ custom_id: 'a' }] }, 'requests.0.params: Field required'],
    [
      'params that are no object',
      { requests: [{ custom_id: 'a', params: 'x' }] },
      'requests.0.params: Input should be',
    ],
    [
      'fields beside params',
      { requests: [{ custom_id: 'a', params, method: 'POST' }] },
      'requests.0.method: Extra inputs are not permitted',
    ],
  ];

  test.each(cases)('%s', async (_name, body, message) => {
    const { call, world } = bench();
    const reply = await call('POST', PATH, body);
    expect(reply).toMatchObject({ status: 400, errorType: 'invalid_request_error' });
    expect(reply.message).toContain(message);
    expect(world.ledger.batches).toHaveLength(0);
  });

  test('more rows than a batch may have, and exactly as many', async () => {
    const { create } = bench({ limits: { batchRowsMax: 3 } });
    expect((await create(rows(3))).status).toBe(200);
    expect((await create(rows(4))).message).toBe('requests: List should have at most 3 items after validation, not 4');
  });

  test('a body over the cap is answered as the edge does it, without type and request id', async () => {
    const { create, world } = bench({ limits: { batchBytesMax: 500 } });
    const reply = await create(rows(20));
    expect(reply.status).toBe(413);
    expect(reply.json).toEqual({ error: { type: 'request_too_large', message: 'Request exceeds the maximum size' } });
    expect(reply.headers['request-id']).toBeUndefined();
    expect(world.ledger.batches).toHaveLength(0);
    expect(world.ledger.refusals.get('413 request_too_large')).toBe(1);
  });

  test('gzip and chunked bodies, as the switches say', async () => {
    const body = gzipSync(JSON.stringify({ requests: rows(2) }));
    const gzip = { 'content-encoding': 'gzip' };
    const refusing = bench({ switches: { chunkedUpload: 'refuse' } });
    const refused = await refusing.call('POST', PATH, body, gzip);
    expect(refused.json).toMatchObject({ error: { details: { error_code: 'request_body_encoding_unsupported' } } });
    const accepting = bench({ switches: { gzipBatchUpload: 'accept' } });
    expect((await accepting.call('POST', PATH, body, gzip)).status).toBe(200);
    expect((await accepting.call('POST', PATH, body, { 'content-encoding': 'br' })).status).toBe(400);
    const withoutLength = {
      ...{ method: 'POST', path: PATH, body: Buffer.from(JSON.stringify({ requests: rows(1) })) },
      headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
    };
    expect((await refusing.world.handle(withoutLength)).status).toBe(400);
    expect((await accepting.world.handle(withoutLength)).status).toBe(200);
  });

  test('stream, fast mode and max_tokens 0 refuse the create or the row, as the switch says', async () => {
    for (const more of [{ stream: true }, { speed: 'fast' }, { max_tokens: 0 }]) {
      const early = await bench({ switches: { unsupportedParams: 'sync' } }).create([row('a', more)]);
      expect(early.message).toMatch(/^requests\.0\.params\.\w+: .*message batches$/);
      const { create, clock, results } = bench();
      const id = idOf(await create([row('a', more), row('b')]));
      clock.advance(HOUR_MS);
      const lines = await results(id);
      const errored = lines.find((line) => line['custom_id'] === 'a');
      expect(errorOf(errored)).toMatchObject({ type: 'invalid_request_error' });
    }
  });

  test('a row over the largest request becomes an errored line', async () => {
    const { create, clock, results } = bench({ switches: { rowBytesMax: 400 } });
    const id = idOf(await create([{ custom_id: 'big', params: paramsOf('x'.repeat(500)) }]));
    clock.advance(HOUR_MS);
    expect(errorOf((await results(id))[0]).type).toBe('request_too_large');
  });
});

describe('the scanner of bodies', () => {
  const pieces = ['"', '\\', '[', ']', '{', '}', ',', ':', 'é', '😀', 'requests', '\n', ' '];

  test('reads what JSON.parse reads, whatever stands in the texts', () => {
    const rng = seededRng('scanner');
    for (let round = 0; round < 300; round++) {
      const text = (): string => Array.from({ length: integerBetween(rng, 0, 8) }, () => pick(rng, pieces)).join('');
      const value = {
        ...(pick(rng, [true, false]) ? { before: text() } : {}),
        ...(pick(rng, [true, false]) ? { nested: { requests: [text()] } } : {}),
        requests: Array.from({ length: integerBetween(rng, 0, 4) }, () => ({
          [text()]: [text(), { a: text() }],
          n: 1,
        })),
        after: text(),
      };
      const indent = pick(rng, [0, 2, '\t']);
      const read = readBatchBody(Buffer.from(JSON.stringify(value, null, indent)), 'refuse');
      expect([...(read.requests ?? [])].map((request) => request.value)).toEqual(value.requests);
      expect(read.frame).toEqual({ ...value, requests: [] });
    }
  });

  test('refuses every body that is cut short', () => {
    const body = Buffer.from(JSON.stringify({ requests: rows(2) }));
    for (let bytes = 0; bytes < body.length; bytes++) {
      expect(() => [...(readBatchBody(body.subarray(0, bytes), 'refuse').requests ?? [])]).toThrow('not valid JSON');
    }
  });

  test('a backslash before u that is itself escaped is no surrogate', () => {
    const body = Buffer.from(JSON.stringify({ requests: [{ text: '\\ud83d' }, { text: '😀' }] }));
    expect([...(readBatchBody(body, 'refuse').requests ?? [])]).toHaveLength(2);
  });
});
