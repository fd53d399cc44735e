/**
 * One validator judges messages and batch rows: every case here is asked both ways and must be told the same.
 * The cases are the rules of facts/api.md sections 0 to 2.
 */
import { describe, expect, test } from 'vitest';
import { bench, errorOf, HOUR_MS, idOf, paramsOf, row, type Json } from './helpers.ts';

const hello = [{ role: 'user', content: 'hello' }];
const withModel = (model: string, more: Json = {}): Json => ({ model, max_tokens: 100, messages: hello, ...more });
const turns = (...messages: Json[]): Json => withModel('claude-haiku-5-5', { messages });
const tool = { name: 'look', input_schema: { type: 'object' } };
const assistant = { role: 'assistant', content: 'well' };

/** Params that /v1/messages refuses, with the text: the same in realtime and as the errored line of a batch. */
const CLOSED = { type: 'object', additionalProperties: false } as const;
const withSchema = (schema: Json): Json =>
  paramsOf('x', { output_config: { format: { type: 'json_schema', schema } } });

const REFUSED: readonly (readonly [string, Json, string])[] = [
  ['no model', { max_tokens: 1, messages: hello }, 'model: Field required'],
  ['no max_tokens', { model: 'claude-haiku-5-5', messages: hello }, 'max_tokens: Field required'],
  ['no messages', { model: 'claude-haiku-5-5', max_tokens: 1 }, 'messages: Field required'],
  ['empty messages', turns(), 'messages: at least one message is required'],
  ['a field that does not exist', paramsOf('x', { temprature: 1 }), 'temprature: Extra inputs are not permitted'],
  ['temperature', paramsOf('x', { temperature: 0 }), 'temperature: Extra inputs are not permitted'],
  ['top_p', paramsOf('x', { top_p: 0.5 }), 'top_p: Extra inputs are not permitted'],
  ['max_tokens as text', paramsOf('x', { max_tokens: '100' }), 'max_tokens: Input should be a valid integer'],
  [
    'max_tokens over the cap',
    withModel('claude-haiku-4-5-20251001', { max_tokens: 100_000 }),
    'max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-haiku-4-5-20251001',
  ],
  ['a role that does not exist', turns({ role: 'human', content: 'x' }), 'messages.0.role: Input should be'],
  ['an assistant turn first', turns(assistant, ...hello), 'first message must use the "user" role'],
  ['a system turn first', turns({ role: 'system', content: 'x' }), "messages.0: use the top-level 'system' parameter"],
  [
    'a system turn on an old model',
    withModel('claude-haiku-4-5', { messages: [...hello, { role: 'system', content: 'x' }] }),
    "role 'system' is not supported",
  ],
  ['empty content', turns({ role: 'user', content: '' }), 'non-empty content'],
  ['an empty text block', turns({ role: 'user', content: [{ type: 'text', text: '' }] }), 'must be non-empty'],
  ['a block that does not exist', turns({ role: 'user', content: [{ type: 'txt' }] }), "Input tag 'txt'"],
  ['an image without source', turns({ role: 'user', content: [{ type: 'image' }] }), 'image.source: Field required'],
  [
    'citations in a user text',
    turns({ role: 'user', content: [{ type: 'text', text: 'x', citations: [{}] }] }),
    'citations are not permitted',
  ],
  ['a name in a message', turns({ role: 'user', content: 'x', name: 'me' }), 'messages.0.name: Extra inputs'],
  ['prefill on a new model', turns(...hello, assistant), 'does not support assistant message prefill'],
  ['a number as system', paramsOf('x', { system: 1 }), 'system: Input should be a valid string'],
  [
    'thinking enabled on 4.7',
    withModel('claude-opus-4-7', { thinking: { type: 'enabled', budget_tokens: 1024 } }),
    'thinking.type.enabled',
  ],
  [
    'adaptive thinking on 4.5',
    withModel('claude-sonnet-4-5', { thinking: { type: 'adaptive' } }),
    'adaptive thinking is not supported',
  ],
  [
    'thinking off on Opus 5.5',
    withModel('claude-opus-5-5', { thinking: { type: 'disabled' } }),
    'thinking.type.disabled',
  ],
  [
    'a thinking budget over max_tokens',
    withModel('claude-sonnet-4-6', { max_tokens: 1500, thinking: { type: 'enabled', budget_tokens: 2000 } }),
    'must be greater than `thinking.budget_tokens`',
  ],
  [
    'a small thinking budget',
    withModel('claude-sonnet-4-6', { max_tokens: 1500, thinking: { type: 'enabled', budget_tokens: 10 } }),
    'greater than or equal to 1024',
  ],
  ['an effort that does not exist', paramsOf('x', { output_config: { effort: 'huge' } }), 'output_config.effort'],
  ['a schema that is open', withSchema({ type: 'object' }), "'additionalProperties' must be explicitly set to false"],
  [
    'a bound in a schema',
    withSchema({ ...CLOSED, properties: { a: { type: 'number', minimum: 0 } } }),
    "schema.properties.a: property 'minimum' is not supported",
  ],
  ['a list with a least', withSchema({ ...CLOSED, properties: { a: { type: 'array', minItems: 2 } } }), "'minItems'"],
  ['an unknown format', withSchema({ ...CLOSED, properties: { a: { type: 'string', format: 'x' } } }), 'format "x"'],
  [
    'a schema of itself',
    withSchema({ $ref: '#/$defs/a', $defs: { a: { ...CLOSED, properties: { b: { $ref: '#/$defs/a' } } } } }),
    'Recursive schemas are not supported',
  ],
  ['another file in a schema', withSchema({ ...CLOSED, properties: { a: { $ref: 'x.json' } } }), 'External references'],
  ['a tool without schema', paramsOf('x', { tools: [{ name: 'a' }] }), 'tools.0.custom.input_schema: Field required'],
  ['two tools of one name', paramsOf('x', { tools: [tool, tool] }), 'Tool names must be unique'],
  ['a tool_choice without tools', paramsOf('x', { tool_choice: { type: 'auto' } }), 'while providing tools'],
  [
    'a forced tool on Sonnet 5.5',
    withModel('claude-sonnet-5-5', { tools: [tool], tool_choice: { type: 'any' } }),
    "tool_choice: type 'any' is not supported",
  ],
  [
    'five cache breakpoints',
    turns({ role: 'user', content: Array(5).fill({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }) }),
    'A maximum of 4 blocks with cache_control may be provided. Found 5.',
  ],
  [
    'a prompt that does not fit',
    withModel('claude-haiku-4-5', { messages: [{ role: 'user', content: 'x'.repeat(900_000) }] }),
    'prompt is too long: 225000 tokens > 200000 maximum',
  ],
];

const NOT_FOUND: readonly string[] = ['claude-haiku-9', 'claude-3-opus-20240229', 'gpt-4o', 'claude-sonnet-4-20250514'];

describe('params that are refused', () => {
  test.each(REFUSED)('%s', async (_name, params, message) => {
    const { call, create, clock, results } = bench();
    const direct = await call('POST', '/v1/messages', params);
    expect(direct).toMatchObject({ status: 400, errorType: 'invalid_request_error' });
    expect(direct.message).toContain(message);
    const id = idOf(await create([{ custom_id: 'bad', params }, row('good')]));
    clock.advance(HOUR_MS);
    const lines = await results(id);
    expect(lines.map((line) => (line['result'] as { type: string }).type).toSorted()).toEqual(['errored', 'succeeded']);
    expect(errorOf(lines.find((line) => line['custom_id'] === 'bad'))).toMatchObject({
      type: 'invalid_request_error',
      message: direct.message,
    });
  });

  test.each(NOT_FOUND)('the model %s is not found', async (model) => {
    const { call, create, clock, results } = bench();
    expect(await call('POST', '/v1/messages', withModel(model))).toMatchObject({
      status: 404,
      errorType: 'not_found_error',
      message: `model: ${model}`,
    });
    const id = idOf(await create([{ custom_id: 'a', params: withModel(model) }]));
    clock.advance(HOUR_MS);
    expect(errorOf((await results(id))[0]).type).toBe('not_found_error');
  });
});

describe('params that are taken', () => {
  const taken: readonly (readonly [string, Json])[] = [
    ['system as text', paramsOf('x', { system: 'be kind' })],
    ['a system turn after a user turn on a new model', turns(...hello, { role: 'system', content: 'x' })],
    ['a prefill on 4.5', withModel('claude-sonnet-4-5', { messages: [...hello, assistant] })],
    [
      'thinking enabled on 4.6',
      withModel('claude-sonnet-4-6', { max_tokens: 2048, thinking: { type: 'enabled', budget_tokens: 1024 } }),
    ],
    ['tools', paramsOf('x', { tools: [tool], tool_choice: { type: 'tool', name: 'look' } })],
    ['a server tool', paramsOf('x', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] })],
    ['a schema', withSchema({ ...CLOSED, properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: { type: 'string' } } })],
    ['cache_control at the top', paramsOf('x', { cache_control: { type: 'ephemeral' } })],
    [
      'everything optional',
      paramsOf('x', {
        metadata: { user_id: 'u' },
        service_tier: 'auto',
        stop_sequences: ['END'],
        inference_geo: 'us',
        container: null,
        diagnostics: null,
        speed: null,
      }),
    ],
  ];

  test.each(taken)('%s', async (_name, params) => {
    const { call } = bench();
    expect((await call('POST', '/v1/messages', params)).message).toBe('');
  });

  test('temperature under 2023-06-01: any value on old models, the default on new ones', async () => {
    const { call } = bench();
    const old = { 'anthropic-version': '2023-06-01' };
    const ask = async (model: string, temperature: number): Promise<number> =>
      (await call('POST', '/v1/messages', withModel(model, { temperature }), old)).status;
    expect(await ask('claude-haiku-4-5', 0.2)).toBe(200);
    expect(await ask('claude-opus-4-8', 1)).toBe(200);
    expect(await ask('claude-opus-4-8', 0.2)).toBe(400);
  });

  test('300,000 tokens of output need the beta header, a batch, and a model that has it', async () => {
    const beta = { 'anthropic-beta': 'output-300k-2026-03-24' };
    const outcome = async (model: string, headers: Record<string, string>): Promise<string> => {
      const { create, clock, results } = bench();
      const id = idOf(await create([{ custom_id: 'a', params: withModel(model, { max_tokens: 300_000 }) }], headers));
      clock.advance(HOUR_MS);
      return errorOf((await results(id))[0]).message;
    };
    expect(await outcome('claude-haiku-5-5', beta)).toBe('');
    expect(await outcome('claude-haiku-5-5', {})).toContain('300000 > 128000');
    expect(await outcome('claude-fable-5', beta)).toContain('300000 > 128000');
    const { call } = bench();
    const direct = await call('POST', '/v1/messages', paramsOf('x', { max_tokens: 300_000 }), beta);
    expect(direct.message).toContain('300000 > 128000');
  });

  test('a deprecated model goes on the day of its retirement', async () => {
    const { call, clock } = bench();
    expect((await call('POST', '/v1/messages', withModel('claude-sonnet-4-5'))).status).toBe(200);
    clock.advance(Date.UTC(2026, 10, 30) - clock.now());
    expect((await call('POST', '/v1/messages', withModel('claude-sonnet-4-5'))).status).toBe(404);
    expect((await call('GET', '/v1/models/claude-sonnet-4-5')).json).toMatchObject({
      id: 'claude-sonnet-4-5-20250929',
      lifecycle: 'retired',
      capabilities: { batch: { supported: false } },
    });
  });
});
