/** What the API, this version of it, or a batch refuses is found before anything is sent; the rest is let through. */
import { describe, expect, it } from 'vitest';
import { createRowReader } from '../../../../src/domain/row/reader.ts';
import type { RowDefaults } from '../../../../src/domain/row/reader.ts';
import type { RowReading } from '../../../../src/domain/source.ts';

const NOW_MS = Date.UTC(2026, 10, 20);
const PARAMS = { model: 'claude-sonnet-5-5', max_tokens: 2_000, messages: [{ role: 'user', content: 'hello' }] };

function read(params: Readonly<Record<string, unknown>>, defaults: Partial<RowDefaults> = {}): RowReading {
  return createRowReader({ nowMs: NOW_MS, ...defaults }).read({ file: 0, line: 1, value: { params } });
}

/** `code: message` of each problem, or of each notice of a good row with a `+`. */
function findings(extra: Readonly<Record<string, unknown>>, defaults?: Partial<RowDefaults>): string {
  const reading = read({ ...PARAMS, ...extra }, defaults);
  const list = reading.ok ? reading.notices : reading.problems;
  return list.map(({ code, message }) => `${reading.ok ? '+' : ''}${code}: ${message}`).join('; ');
}

function sent(extra: Readonly<Record<string, unknown>>, defaults?: Partial<RowDefaults>): Record<string, unknown> {
  const reading = read({ ...PARAMS, ...extra }, defaults);
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  return JSON.parse(reading.row.paramsJson) as Record<string, unknown>;
}

const user = (content: unknown): unknown => ({ messages: [{ role: 'user', content }] });

describe('required params', () => {
  it('are each named with the flag that gives them', () => {
    const reading = read({});
    expect(reading).toMatchObject({
      ok: false,
      problems: [{ code: 'no_model' }, { code: 'missing_param' }, { code: 'missing_param' }],
    });
    expect(JSON.stringify(reading)).toContain('--max-tokens N');
  });

  it.each([
    [{ model: 5 }, 'bad_param: model must be the name of a model, and is a number'],
    [{ model: '' }, 'bad_param: model must be the name of a model, and is empty'],
    [{ max_tokens: 0 }, 'unsupported_param: max_tokens is 0'],
    [{ max_tokens: -1 }, 'bad_param: max_tokens must be a whole number from 1, and is -1'],
    [{ max_tokens: 1.5 }, 'and is 1.5'],
    [{ max_tokens: '100' }, 'and is text'],
    [
      { max_tokens: 128_001 },
      'max_tokens: max_tokens is 128,001, and "claude-sonnet-5-5" writes 128,000 at most; up to 300,000 with --betas',
    ],
  ])('%j is refused', (extra, wanted) => {
    expect(findings(extra)).toContain(wanted);
  });

  it('may ask for 300,000 tokens with the beta, of a model that has it', () => {
    const betas = ['output-300k-2026-03-24'];
    expect(findings({ max_tokens: 300_000 }, { betas })).toBe('');
    expect(findings({ max_tokens: 300_000, model: 'claude-haiku-4-5' }, { betas })).toContain('64,000 at most');
    expect(findings({ max_tokens: 10_000_000, model: 'claude-of-tomorrow' })).toBe('');
  });
});

describe('messages', () => {
  it.each([
    [{ messages: 'hi' }, 'messages must be a list, and is text'],
    [{ messages: [] }, 'messages is empty'],
    [{ messages: ['hi'] }, 'messages[0] must be an object, and is text'],
    [{ messages: [{ role: 'assistant', content: 'x' }] }, 'messages[0].role must be "user", and is "assistant"'],
    [{ messages: [{ role: 'bot', content: 'x' }] }, 'messages[0].role must be "user" or "assistant", and is "bot"'],
    [{ messages: [{ content: 'x' }] }, 'and is missing'],
    [user(5), 'messages[0].content must be text or a list of blocks, and is a number'],
    [user(''), 'messages[0].content is empty'],
    [user([]), 'messages[0].content is empty'],
    [user(['x']), 'messages[0].content[0] must be an object with a type, and is text'],
    [user([{ text: 'x' }]), 'messages[0].content[0].type must be text, and is missing'],
    [user([{ type: 'text' }]), 'messages[0].content[0].text must be text, and is missing'],
    [user([{ type: 'text', text: ' \n' }]), 'messages[0].content[0].text is empty'],
    [user([{ type: 'image_url', image_url: {} }]), "which is OpenAI's"],
    [{ messages: Array.from({ length: 100_001 }, () => PARAMS.messages[0]) }, 'the most is 100000'],
  ])('%# of a wrong form are refused with the place', (extra, wanted) => {
    expect(findings(extra as Record<string, unknown>)).toContain(`bad_param: `);
    expect(findings(extra as Record<string, unknown>)).toContain(wanted);
  });

  it.each([
    [[{ role: 'user', content: [{ type: 'image', source: {} }] }]],
    [
      [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: '' },
      ],
    ],
    [
      [
        { role: 'user', content: 'a' },
        { role: 'system', content: 'b' },
        { role: 'user', content: 'c' },
      ],
    ],
    [
      [
        { role: 'user', content: 'a' },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'x' }] },
      ],
    ],
  ])('%# that the API takes are let through as they are', (messages) => {
    // A model that takes an answer that was begun, and one that takes all the rest.
    const model = messages.at(-1)?.role === 'assistant' ? 'claude-opus-4-5' : PARAMS.model;
    expect(sent({ messages, model })['messages']).toEqual(messages);
    expect(findings({ messages, model })).toBe('');
  });

  it.each([
    [
      [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
        { role: 'system', content: 'c' },
        { role: 'user', content: 'd' },
      ],
      'messages[2] is a system message, which may follow a user message only',
    ],
    [
      [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: [{ type: 'document', source: {} }] },
        { role: 'user', content: 'd' },
      ],
      'messages[1].content[0] is a document in an assistant message',
    ],
    [
      [{ role: 'user', content: [{ type: 'text', text: 'a', citations: [{ type: 'char_location' }] }] }],
      'messages[0].content[0].citations must be left out',
    ],
  ])('%# that this version of the API refuses are named', (messages, wanted) => {
    expect(findings({ messages })).toContain(wanted);
  });

  it('with an empty list of citations are as without', () => {
    const content = [{ type: 'text', text: 'a', citations: [] }];
    expect(findings({ messages: [{ role: 'user', content }] })).toBe('');
  });

  it('that are all wrong are ten problems, not a hundred thousand', () => {
    const reading = read({ ...PARAMS, messages: Array.from({ length: 1_000 }, () => 5) });
    expect(reading.ok ? 0 : reading.problems.length).toBe(10);
  });

  it('are never quoted', () => {
    const text = findings({
      ...(user([{ type: 'text', text: 5, secret: 'S3CRET' }]) as object),
      system: { text: 'S3CRET' },
      stop: 'S3CRET',
    });
    expect(text).not.toContain('S3CRET');
  });
});

describe('a leading system message', () => {
  const turn = PARAMS.messages[0];

  it('moves into system, after what stands there', () => {
    expect(sent({ messages: [{ role: 'system', content: 'A' }, { role: 'system', content: 'B' }, turn] })).toEqual({
      ...PARAMS,
      system: 'A\n\nB',
    });
    expect(sent({ system: 'Top', messages: [{ role: 'system', content: 'A' }, turn] })['system']).toBe('Top\n\nA');
    expect(findings({ messages: [{ role: 'system', content: 'A' }, turn] })).toMatch(/^\+system_moved/);
  });

  it('takes its cache_control along, onto its last block', () => {
    const cache_control = { type: 'ephemeral' };
    expect(
      sent({ system: 'Top', messages: [{ role: 'system', content: 'A', cache_control }, turn] })['system'],
    ).toEqual([
      { type: 'text', text: 'Top' },
      { type: 'text', text: 'A', cache_control },
    ]);
    const blocks = [
      { type: 'text', text: 'A' },
      { type: 'text', text: 'B' },
    ];
    expect(sent({ messages: [{ role: 'system', content: blocks, cache_control }, turn] })['system']).toEqual([
      blocks[0],
      { ...blocks[1], cache_control },
    ]);
  });

  it('that is all there is leaves no message to answer', () => {
    expect(findings({ messages: [{ role: 'system', content: 'A' }] })).toContain('messages is empty');
  });

  it('does not hide a system of the wrong type', () => {
    expect(findings({ system: 5, messages: [{ role: 'system', content: 'A' }, turn] })).toContain(
      'system must be text',
    );
  });

  it('without content is refused', () => {
    expect(findings({ messages: [{ role: 'system', content: null }, turn] })).toContain(
      'messages[0].content must be text',
    );
  });
});

describe('cache_control', () => {
  it('of a message moves onto its last block, with a notice', () => {
    const cache_control = { type: 'ephemeral', ttl: '1h' };
    const messages = [{ role: 'user', content: 'long', cache_control }];
    expect(sent({ messages })['messages']).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'long', cache_control }] },
    ]);
    expect(findings({ messages })).toMatch(/^\+cache_control_moved/);
  });

  it('at the top is an object, not a list', () => {
    expect(findings({ cache_control: { type: 'ephemeral' } })).toBe('');
    expect(findings({ cache_control: [{ type: 'ephemeral' }] })).toContain(
      'write "cache_control": {"type":"ephemeral"}',
    );
  });
});

describe('what batches and this version refuse', () => {
  it.each(['temperature', 'top_p', 'top_k', 'speed'])('%s is a problem, or dropped with a notice', (name) => {
    expect(findings({ [name]: 1 })).toMatch(new RegExp(`^unsupported_param: ${name} .*--drop-unsupported`));
    expect(findings({ [name]: 1 }, { dropUnsupported: true })).toMatch(new RegExp(`^\\+${name}_dropped`));
    expect(sent({ [name]: 1 }, { dropUnsupported: true })).toEqual(PARAMS);
  });

  it('"stream": true is a problem, and false goes by itself', () => {
    expect(findings({ stream: true })).toContain('stream is refused in a batch');
    expect(findings({ stream: false })).toMatch(/^\+stream_dropped/);
    expect(sent({ stream: false })).toEqual(PARAMS);
    expect(sent({ stream: true }, { dropUnsupported: true })).toEqual(PARAMS);
  });

  it.each([
    ['max_completion_tokens', 'max_tokens'],
    ['stop', 'stop_sequences'],
    ['response_format', 'output_config.format'],
    ['user', 'metadata.user_id'],
  ])('%s is refused with the name to use', (name, instead) => {
    expect(findings({ [name]: 'x' })).toContain(
      `foreign_param: "${name}" is not a parameter of Claude: use ${instead}`,
    );
  });

  it('a name that is not known is sent, with a notice and what may be meant', () => {
    expect(findings({ max_token: 5 })).toMatch(/^\+unknown_param: .*"max_token".*did you mean max_tokens\?$/);
    expect(sent({ of_tomorrow: 5 })['of_tomorrow']).toBe(5);
  });

  it.each([
    [{ workspace_id: 'w' }, 'workspace_id'],
    [{ system: 5 }, 'system must be text or a list'],
    [{ system: [{ type: 'image' }] }, 'system[0].type must be "text", and is "image"'],
    [{ stop_sequences: 'x' }, 'stop_sequences must be a list of strings'],
    [{ stop_sequences: [1] }, 'stop_sequences must be a list of strings'],
    [{ tools: {} }, 'tools must be a list, and is an object'],
    [{ tools: [1] }, 'tools must be a list of objects'],
    [{ tools: [{ type: 'function', function: {} }] }, 'input_schema'],
    [{ tool_choice: 'auto' }, 'tool_choice must be an object, and is text'],
    [{ metadata: 'x' }, 'metadata must be an object'],
    [{ output_config: [] }, 'output_config must be an object, and is a list'],
    [{ thinking: true }, 'thinking must be an object with a type'],
    [{ thinking: { type: 'enabled', budget_tokens: 1_023 } }, 'from 1,024'],
    [{ thinking: { type: 'enabled', budget_tokens: 2_000 } }, 'must be less than max_tokens (2000)'],
  ])('%j is refused', (extra, wanted) => {
    expect(findings(extra)).toContain(wanted);
  });

  it('thinking that is allowed is let through', () => {
    const model = 'claude-opus-4-6';
    expect(findings({ model, thinking: { type: 'enabled', budget_tokens: 1_024 } })).toBe('');
    expect(findings({ thinking: { type: 'adaptive' } })).toBe('');
    expect(
      findings(
        { model, thinking: { type: 'enabled', budget_tokens: 5_000 } },
        { betas: ['interleaved-thinking-2025-05-14'] },
      ),
    ).toBe('');
  });
});

describe('the model', () => {
  it('that is gone is refused with one to use instead', () => {
    expect(findings({ model: 'claude-3-haiku-20240307' })).toMatch(/^model_retired: .*2026-04-20.*claude-haiku-5-5/);
  });

  it('that ends soon is a notice with the day', () => {
    expect(findings({ model: 'claude-sonnet-4-5' })).toMatch(/^\+model_ending: .*2026-11-30.*claude-sonnet-5-5/);
  });

  it('of the row before is not taken for the model of this one', () => {
    const reader = createRowReader({ nowMs: NOW_MS });
    const ok = ['claude-3-opus', 'claude-opus-5', 'claude-3-opus', 'new-model'].map(
      (model) => reader.read({ file: 0, line: 1, value: { params: { ...PARAMS, model } } }).ok,
    );
    expect(ok).toEqual([false, true, false, true]);
  });

  it('that is gone is sent with a word where the rules about models are switched off', () => {
    const off = { modelRules: false };
    expect(findings({ model: 'claude-3-haiku-20240307' }, off)).toMatch(/^\+model_retired: .*it ended 2026-04-20/);
    expect(findings({ model: 'claude-sonnet-4-5' }, off)).toMatch(/^\+model_ending/);
    expect(findings({ max_tokens: 1_000_000 }, off)).toBe('');
  });
});
