/**
 * Answers, usage, prompt caching, and the promise that one seed is one world whatever the order of the calls.
 */
import { describe, expect, test } from 'vitest';
import { answerFor, composeAnswer } from '../../../../src/tools/sim/answer.ts';
import { paramsHashOf } from '../../../../src/tools/sim/prompt.ts';
import { bench, HOUR_MS, idOf, paramsOf, row, rows, textOf, type Json } from './helpers.ts';

describe('the answer', () => {
  test('names its prompt: other texts and other systems give other answers', () => {
    const answer = answerFor(paramsOf('What is up?'));
    expect(answer).toMatch(/^[0-9a-f]{8} What is up\?$/);
    expect(answerFor(paramsOf('What is up?', { system: 'x' }))).not.toBe(answer);
    expect(answerFor(paramsOf('What is up!'))).not.toBe(answer);
  });

  test('is cut by max_tokens and stop_sequences without breaking a character', () => {
    const short = composeAnswer(paramsOf('😀'.repeat(50), { max_tokens: 5 }), 'echo');
    expect(short).toMatchObject({ stopReason: 'max_tokens', outputTokens: 5 });
    expect(short.text).not.toContain('\ufffd');
    const stopped = composeAnswer(paramsOf('one STOP two', { stop_sequences: ['STOP'] }), 'echo');
    expect(stopped).toMatchObject({ stopReason: 'stop_sequence', stopSequence: 'STOP' });
    expect(stopped.text.endsWith('one ')).toBe(true);
  });

  test('follows a schema where one is asked for', () => {
    const schema = {
      type: 'object',
      properties: {
        label: { enum: ['a', 'b'] },
        score: { type: 'number' },
        tags: { type: 'array', items: { type: 'string' } },
      },
      additionalProperties: false,
    };
    const params = paramsOf('x', { output_config: { format: { type: 'json_schema', schema } } });
    expect(JSON.parse(answerFor(params))).toEqual({
      label: expect.stringMatching(/^[ab]$/),
      score: expect.any(Number),
      tags: [expect.any(String)],
    });
  });

  test('can be given by the test', async () => {
    const { call } = bench({ answer: (params) => `max ${String(params['max_tokens'])}` });
    const { json } = await call('POST', '/v1/messages', paramsOf('x'));
    expect(json['content']).toEqual([{ type: 'text', text: 'max 100', citations: null }]);
  });
});

describe('messages', () => {
  test('the answer comes after its latency and is in the ledger under the hash of its params', async () => {
    const { call, clock, world } = bench({ messageLatencyMs: [2_000, 2_000] });
    const started = clock.now();
    const { json } = await call('POST', '/v1/messages', paramsOf('hello', { stream: false }));
    expect(clock.now() - started).toBe(2_000);
    expect(json).toMatchObject({ role: 'assistant', stop_reason: 'end_turn', usage: { service_tier: 'standard' } });
    expect(world.ledger.messages).toMatchObject([{ id: json['id'], paramsHash: paramsHashOf(paramsOf('hello')) }]);
  });

  test('a row has the same hash in a batch and in realtime, so that paying twice can be seen', async () => {
    const { call, create, world } = bench();
    await create([{ custom_id: 'a', params: paramsOf('hello') }]);
    await call('POST', '/v1/messages', paramsOf('hello', { stream: true }));
    const inBatch = [...(world.ledger.batches[0]?.rows() ?? [])].map((found) => found.paramsHash);
    expect(inBatch).toEqual(world.ledger.messages.map((message) => message.paramsHash));
  });

  test('refusals come at their rate and have no content', async () => {
    const { call } = bench({ rates: { refusalRate: 1 } });
    const { json } = await call('POST', '/v1/messages', paramsOf('hello'));
    expect(json).toMatchObject({ stop_reason: 'refusal', content: [], stop_details: { type: 'refusal' } });
  });

  test('count_tokens counts without running, and needs no max_tokens', async () => {
    const { call, world } = bench();
    const params = { model: 'claude-haiku-5-5', messages: [{ role: 'user', content: 'x'.repeat(41) }] };
    expect((await call('POST', '/v1/messages/count_tokens', params)).json).toEqual({ input_tokens: 11 });
    expect((await call('POST', '/v1/messages/count_tokens', { ...params, max_tokens: 1 })).status).toBe(400);
    expect(world.ledger.messages).toHaveLength(0);
  });
});

describe('prompt caching', () => {
  const cached = (ttl: string): Json => ({
    system: [{ type: 'text', text: 's'.repeat(8_000), cache_control: { type: 'ephemeral', ttl } }],
  });
  const usageOf = (line: Json): Json => (line['result'] as { message: { usage: Json } }).message.usage;

  test('a cold batch writes in every row, the next one reads, and after the TTL it is cold again', async () => {
    const { create, clock, results } = bench();
    const run = async (prefix: string): Promise<Json> => {
      const id = idOf(await create([row(`${prefix}1`, cached('1h')), row(`${prefix}2`, cached('1h'))]));
      clock.advance(10 * 60_000);
      const [one, other] = (await results(id)).map(usageOf);
      expect(one?.['cache_read_input_tokens']).toBe(other?.['cache_read_input_tokens']);
      return one ?? {};
    };
    expect(await run('a')).toMatchObject({ cache_creation_input_tokens: 2_000, cache_read_input_tokens: 0 });
    expect(await run('b')).toMatchObject({ cache_creation_input_tokens: 0, cache_read_input_tokens: 2_000 });
    clock.advance(2 * HOUR_MS);
    expect(await run('c')).toMatchObject({
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 2_000 },
    });
  });

  test('one message warms the cache for a batch', async () => {
    const { call, create, clock, results } = bench();
    await call('POST', '/v1/messages', paramsOf('warm', cached('1h')));
    const id = idOf(await create([row('a', cached('1h'))]));
    clock.advance(HOUR_MS);
    expect((await results(id)).map(usageOf)).toMatchObject([{ cache_read_input_tokens: 2_000 }]);
  });

  test('a create that is refused warms nothing', async () => {
    const { create, clock, results, world } = bench({ limits: { batchQueueMax: 5 } });
    world.addForeignBatch({ count: 5, durationMs: 60_000 });
    expect((await create([row('a', cached('1h'))])).status).toBe(429);
    clock.advance(15 * 60_000);
    const id = idOf(await create([row('a', cached('1h'))]));
    clock.advance(HOUR_MS);
    expect((await results(id)).map(usageOf)).toMatchObject([{ cache_read_input_tokens: 0 }]);
  });

  test('a prefix under the minimum of the model is not cached', async () => {
    const { call } = bench();
    const small = { system: [{ type: 'text', text: 's'.repeat(400), cache_control: { type: 'ephemeral' } }] };
    const { json } = await call('POST', '/v1/messages', paramsOf('x', small));
    expect(json['usage']).toMatchObject({ input_tokens: 101, cache_creation_input_tokens: 0 });
  });
});

describe('one seed, one world', () => {
  const rates = { errorRate: 0.3, expireRate: 0.1 };
  const story = async (seed: string, order: readonly string[]): Promise<Map<string, string[]>> => {
    const { create, clock, results } = bench({ seed, rates, batchDurationMs: [1_000, HOUR_MS] });
    const ids = new Map<string, string>();
    for (const name of order) ids.set(name, idOf(await create(rows(30, name))));
    clock.advance(2 * HOUR_MS);
    const lines = new Map<string, string[]>();
    for (const [name, id] of ids)
      lines.set(
        name,
        (await results(id)).map((line) => JSON.stringify(line)),
      );
    return lines;
  };

  test('gives the same results whatever the order of the uploads', async () => {
    const one = await story('s', ['a', 'b', 'c']);
    const other = await story('s', ['c', 'a', 'b']);
    for (const name of ['a', 'b', 'c']) expect(other.get(name)).toEqual(one.get(name));
  });

  test('and another seed another world', async () => {
    expect((await story('s', ['a'])).get('a')).not.toEqual((await story('t', ['a'])).get('a'));
  });

  test('the ledger sums what would be billed, without errored and expired rows', async () => {
    const { create, clock, results, world } = bench({ rates });
    const id = idOf(await create(rows(100)));
    expect(world.ledger.tokens().batch.output).toBe(0);
    clock.advance(HOUR_MS);
    const billed = (await results(id)).filter((line) => textOf(line) !== '');
    expect(billed.length).toBeLessThan(80);
    const outcomes = [...(world.ledger.batches[0]?.rows() ?? [])].map((found) => found.outcome);
    expect(outcomes.filter((outcome) => outcome === 'succeeded')).toHaveLength(billed.length);
    const sum = billed.reduce((total, line) => {
      const { usage } = (line['result'] as { message: { usage: { output_tokens: number } } }).message;
      return total + usage.output_tokens;
    }, 0);
    expect(world.ledger.tokens().batch.output).toBe(sum);
  });
});
