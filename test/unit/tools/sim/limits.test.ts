/**
 * Rate limits, the queue, caps, and accounts that cannot pay: facts/api.md sections 1.5 and 3.
 */
import { describe, expect, test } from 'vitest';
import { bench, HOUR_MS, MINUTE_MS, paramsOf, rows, type Reply } from './helpers.ts';

const BATCHES = '/v1/messages/batches';

describe('limits of batches', () => {
  test('the queue counts all rows until their batch has ended, foreign ones too', async () => {
    const { create, clock, world } = bench({ limits: { batchQueueMax: 10 } });
    expect((await create(rows(6, 'a'))).status).toBe(200);
    world.addForeignBatch({ count: 2, durationMs: HOUR_MS });
    const full = await create(rows(3, 'b'));
    expect(full).toMatchObject({ status: 429, errorType: 'rate_limit_error' });
    expect(full.headers['retry-after']).toBeDefined();
    expect((await create(rows(2, 'c'))).status).toBe(200);
    expect(world.ledger.peakQueued).toBe(10);
    clock.advance(10 * MINUTE_MS);
    expect((await create(rows(8, 'd'))).status).toBe(200);
    expect(world.ledger.peakBatches).toBe(3);
  });

  test('the queue may also empty row by row', async () => {
    const { create, clock } = bench({ limits: { batchQueueMax: 10 }, switches: { queueCounts: 'until_row_done' } });
    await create(rows(10, 'a'));
    expect((await create(rows(4, 'b'))).status).toBe(429);
    clock.advance(5 * MINUTE_MS);
    expect((await create(rows(4, 'b'))).status).toBe(200);
  });

  test('a cap on concurrent batches holds', async () => {
    const { create, clock } = bench({ limits: { batchesMax: 2 } });
    await create(rows(1, 'a'));
    await create(rows(1, 'b'));
    expect((await create(rows(1, 'c'))).status).toBe(429);
    clock.advance(HOUR_MS);
    expect((await create(rows(1, 'c'))).status).toBe(200);
  });

  test('all batch endpoints share one number of calls per minute', async () => {
    const { create, call, clock } = bench({ limits: { batchRpm: 3 } });
    await create(rows(1));
    await call('GET', BATCHES);
    await call('GET', `${BATCHES}/msgbatch_x`);
    const refused = await call('GET', BATCHES);
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('20');
    clock.advance(20_000);
    expect((await call('GET', BATCHES)).status).toBe(200);
  });

  test('rate headers stand on batch endpoints only where the switch says so', async () => {
    expect((await bench().call('GET', BATCHES)).headers['anthropic-ratelimit-requests-limit']).toBeUndefined();
    const { call } = bench({ switches: { rateHeadersOnBatches: true } });
    expect((await call('GET', BATCHES)).headers).toMatchObject({
      'anthropic-ratelimit-requests-limit': '1000',
      'anthropic-ratelimit-requests-remaining': '999',
    });
  });
});

describe('limits of messages', () => {
  const ask = (call: (m: string, p: string, b: unknown) => Promise<Reply>, text = 'hello') =>
    call('POST', '/v1/messages', paramsOf(text));

  test('requests per minute run out and come back with time', async () => {
    const { call, clock } = bench({ messageLatencyMs: [0, 0], limits: { messages: { rpm: 2, itpm: 1e6, otpm: 1e6 } } });
    const first = await ask(call);
    expect(first.headers).toMatchObject({
      'anthropic-ratelimit-requests-limit': '2',
      'anthropic-ratelimit-requests-remaining': '1',
      'anthropic-ratelimit-requests-reset': '2026-11-20T00:00:30.000Z',
      'anthropic-ratelimit-input-tokens-limit': '1000000',
      'anthropic-ratelimit-output-tokens-remaining': '1000000',
    });
    await ask(call);
    const refused = await ask(call);
    expect(refused).toMatchObject({ status: 429, errorType: 'rate_limit_error' });
    expect(refused.headers['retry-after']).toBe('30');
    clock.advance(30_000);
    expect((await ask(call)).status).toBe(200);
  });

  test('input tokens and output tokens have limits of their own, per class of model', async () => {
    const input = bench({ messageLatencyMs: [0, 0], limits: { messages: { rpm: 100, itpm: 100, otpm: 1e6 } } });
    expect((await ask(input.call, 'x'.repeat(360))).status).toBe(200);
    expect((await ask(input.call, 'x'.repeat(360))).message).toContain('100 input tokens per minute');
    const other = { ...paramsOf('x'.repeat(360)), model: 'claude-opus-5' };
    expect((await input.call('POST', '/v1/messages', other)).status).toBe(200);
    const output = bench({ messageLatencyMs: [0, 0], limits: { messages: { rpm: 100, itpm: 1e6, otpm: 4 } } });
    expect((await ask(output.call, 'x'.repeat(100))).status).toBe(200);
    expect((await ask(output.call)).message).toContain('output tokens per minute');
  });

  test('a body over 32 MB is too large for messages though a batch would take it', async () => {
    const { call } = bench({ limits: { messageBytesMax: 1_000 } });
    expect((await ask(call, 'x'.repeat(1_000))).status).toBe(413);
  });
});

describe('an account with a problem', () => {
  test.each([
    ['credit_too_low', 400, 'invalid_request_error', undefined],
    ['usage_limit', 400, 'invalid_request_error', undefined],
    ['on_hold', 400, 'invalid_request_error', 'organization_on_hold'],
    ['spend_limit', 429, 'rate_limit_error', 'enforced_spend_limit_reached'],
    ['billing', 402, 'billing_error', 'linked_organization_spend_limit_reached'],
    ['permission', 403, 'permission_error', undefined],
  ] as const)('%s refuses creates and messages, but not reading', async (problem, status, errorType, code) => {
    const { create, call, world } = bench({ accountProblem: problem });
    for (const reply of [await create(rows(1)), await call('POST', '/v1/messages', paramsOf('x'))]) {
      expect(reply).toMatchObject({ status, errorType });
      expect((reply.json['error'] as { details?: { error_code: string } }).details?.error_code).toBe(code);
      expect(reply.headers['retry-after']).toBeUndefined();
    }
    expect((await call('GET', BATCHES)).status).toBe(200);
    world.setAccountProblem(undefined);
    expect((await create(rows(1))).status).toBe(200);
  });
});
