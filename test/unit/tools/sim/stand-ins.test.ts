/**
 * What makes the simulator cheap for rehearsals: texts that stand for longer ones, answers that are handed in whole,
 * durations and latencies from any function, limits by class.
 */
import { expect, test } from 'vitest';
import { bench, MINUTE_MS, MODEL } from './helpers.ts';

const paramsOf = (content: string): Record<string, unknown> => ({
  model: MODEL,
  max_tokens: 50,
  messages: [{ role: 'user', content }],
});

test('texts count as many bytes as they are said to', async () => {
  const { call } = bench({ textBytes: (text) => Number(text) });
  const counted = await call('POST', '/v1/messages/count_tokens', {
    model: MODEL,
    messages: [{ role: 'user', content: '4000' }],
  });
  expect(counted.json).toEqual({ input_tokens: 1_000 });
  const message = await call('POST', '/v1/messages', paramsOf('400'));
  expect(message.json['usage']).toMatchObject({ input_tokens: 100 });
  const tooLong = await call('POST', '/v1/messages', paramsOf('9000000'));
  expect(tooLong).toMatchObject({ status: 400 });
  expect(tooLong.message).toMatch(/prompt is too long: 2250000 tokens/);
});

test('an answer that is handed in whole is taken as it is', async () => {
  const answer = { text: '', stopReason: 'max_tokens', stopSequence: null, outputTokens: 4_711 } as const;
  const { call } = bench({ answer: () => answer });
  const { json } = await call('POST', '/v1/messages', paramsOf('x'));
  expect(json).toMatchObject({ stop_reason: 'max_tokens', content: [], usage: { output_tokens: 4_711 } });
});

test('durations and latencies may come from a function of chance and size', async () => {
  const { create, call, world, clock } = bench({
    batchDurationMs: (_rng, rows) => rows * MINUTE_MS,
    messageLatencyMs: (_rng, tokens) => tokens * 1_000,
    answer: () => ({ text: '', stopReason: 'end_turn', stopSequence: null, outputTokens: 7 }),
  });
  await create([1, 2, 3].map((id) => ({ custom_id: `r-${id}`, params: paramsOf('x') })));
  const [batch] = world.ledger.batches;
  expect((batch?.endsAtMs ?? 0) - (batch?.createdAtMs ?? 0)).toBe(3 * MINUTE_MS);
  const before = clock.now();
  await call('POST', '/v1/messages', paramsOf('x'));
  expect(clock.now() - before).toBe(7_000);
});

test('a class of models may have limits of its own', async () => {
  const { call } = bench({ limits: { byClass: { 'haiku_5.5': { rpm: 1 } } }, messageLatencyMs: [0, 0] });
  expect((await call('POST', '/v1/messages', paramsOf('x'))).status).toBe(200);
  expect((await call('POST', '/v1/messages', paramsOf('x'))).status).toBe(429);
  const other = { ...paramsOf('x'), model: 'claude-sonnet-5' };
  for (let nth = 0; nth < 3; nth++) expect((await call('POST', '/v1/messages', other)).status).toBe(200);
});
