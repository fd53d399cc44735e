/** From a record to a row: shapes, precedence, ids, betas, columns. The checks of params are in check-params.test.ts. */
import { describe, expect, it } from 'vitest';
import { DEPTH_MAX } from '../../../../src/domain/row/depth.ts';
import { createRowReader } from '../../../../src/domain/row/reader.ts';
import type { RowDefaults } from '../../../../src/domain/row/reader.ts';
import { compileTemplate } from '../../../../src/domain/row/template.ts';
import type { PreparedRow, RowReading } from '../../../../src/domain/source.ts';

const NOW_MS = Date.UTC(2026, 10, 20);
const MESSAGES = [{ role: 'user', content: 'hello' }];
const PARAMS = { model: 'claude-sonnet-5-5', max_tokens: 100, messages: MESSAGES };

function read(value: unknown, defaults: Partial<RowDefaults> = {}): RowReading {
  return createRowReader({ nowMs: NOW_MS, ...defaults }).read({ file: 0, line: 1, value });
}

function row(value: unknown, defaults: Partial<RowDefaults> = {}): PreparedRow & { readonly params: unknown } {
  const reading = read(value, defaults);
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  return { ...reading.row, params: JSON.parse(reading.row.paramsJson) as unknown };
}

function codes(value: unknown, defaults: Partial<RowDefaults> = {}): string[] {
  const reading = read(value, defaults);
  return reading.ok ? [] : reading.problems.map((problem) => problem.code);
}

describe('the priority of a row', () => {
  const prompt = compileTemplate('Say {{text}}', '--prompt');

  it.each([
    ['a request', { params: PARAMS, priority: 'high' }, {}],
    ['bare params', { ...PARAMS, priority: ' HIGH ' }, {}],
    ['a record with a column', { text: 'x', priority: 'High' }, { ...PARAMS, prompt, maxTokens: 9 }],
    ['a request as other tools write it', { body: PARAMS, url: '/v1/messages', priority: 'high' }, {}],
  ])('is read from %s, and carried on', (_what, value, defaults) => {
    const read = row(value, defaults);
    expect(read.priority).toBe('high');
    expect(read.columns).toHaveProperty('priority');
    expect(read.params).not.toHaveProperty('priority');
  });

  it.each([undefined, null, ''])('is that of the run where it is %j', (priority) => {
    const reading = read({ params: PARAMS, ...(priority === undefined ? {} : { priority }) });
    expect(reading).toMatchObject({ ok: true, row: { priority: null }, notices: [] });
  });

  it('that is another word is noted, and the row goes all the same', () => {
    const reading = read({ params: PARAMS, priority: 'P1' });
    expect(reading).toMatchObject({ ok: true, row: { priority: null }, notices: [{ code: 'priority' }] });
  });
});

describe('a prompt', () => {
  const fixed = compileTemplate('Classify: text');
  const filled = compileTemplate('Classify {{text}}');
  const flags = { model: 'claude-sonnet-5-5', maxTokens: 9 };

  it.each([
    ['that takes nothing from the row', { prompt: fixed }, ['same_request']],
    ['beside a system text that takes nothing either', { prompt: fixed, system: fixed }, ['same_request']],
    ['beside a system text that differs', { prompt: fixed, system: filled }, []],
    ['that takes a column', { prompt: filled }, []],
  ])('%s', (_what, templates, noted) => {
    const reading = read({ text: 'x' }, { ...flags, ...templates });
    expect(reading).toMatchObject({ ok: true, notices: noted.map((code) => ({ code })) });
  });

  it('is not used for a row with messages of its own, and that is noted', () => {
    const reading = read({ params: PARAMS }, { prompt: filled });
    expect(reading).toMatchObject({ ok: true, row: { paramsJson: expect.stringContaining('hello') } });
    expect(reading).toMatchObject({ notices: [{ code: 'prompt_unused' }] });
  });
});

describe('the prompt cache', () => {
  const cached = { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } };

  it.each([
    ['a block of the system prompt', { ...PARAMS, system: [cached] }, true],
    ['a block of a message', { ...PARAMS, messages: [{ role: 'user', content: [cached] }] }, true],
    ['the params themselves', { ...PARAMS, cache_control: { type: 'ephemeral' } }, true],
    ['blocks without it', { ...PARAMS, system: [{ type: 'text', text: 'x' }] }, false],
    ['a text that names it', { ...PARAMS, messages: [{ role: 'user', content: '"cache_control"' }] }, false],
  ])('is found in %s', (_where, params, caches) => {
    expect(row({ params }).caches).toBe(caches);
  });
});

describe('what the API puts before a request', () => {
  const tools = [{ name: 'look', input_schema: { type: 'object' } }];
  const outputConfig = { format: { type: 'json_schema', schema: { type: 'object', additionalProperties: false } } };

  it('is known of rows with tools and with a schema, and is nothing for others', () => {
    const of = (more: object): number => row({ params: { ...PARAMS, ...more } }).addedTokens;
    expect([of({}), of({ tools: [] }), of({ output_config: { effort: 'low' } })]).toEqual([0, 0, 0]);
    expect(of({ tools })).toBeGreaterThanOrEqual(550);
    expect(of({ output_config: outputConfig })).toBeGreaterThanOrEqual(160);
    expect(of({ tools, output_config: outputConfig })).toBe(of({ tools }) + of({ output_config: outputConfig }));
  });
});

describe('the shape of a row', () => {
  it('may be a request as the API takes it', () => {
    expect(row({ custom_id: 'a', params: PARAMS })).toMatchObject({
      customId: 'a',
      params: PARAMS,
      model: 'claude-sonnet-5-5',
      maxTokens: 100,
      betas: [],
      columns: undefined,
    });
    expect(row({ params: PARAMS }).customId).toBeUndefined();
  });

  it('carries the extra keys of a request, but not the error of a row that is sent again', () => {
    const value = { custom_id: 'a', params: PARAMS, error: { type: 'x' }, betas: ['b'], label: 1, __proto: 2 };
    expect(row(value).columns).toEqual({ label: 1, __proto: 2 });
  });

  it('may be bare params, and keys that are no params are carried, not sent, with a notice', () => {
    const reading = read({ ...PARAMS, custom_id: 'b', label: 'x', prompt: 'old' });
    expect(reading).toMatchObject({ ok: true, notices: [{ code: 'carried_keys' }] });
    expect(row({ ...PARAMS, custom_id: 'b', label: 'x' })).toMatchObject({
      customId: 'b',
      params: PARAMS,
      columns: { label: 'x' },
    });
    expect(row(PARAMS).columns).toBeUndefined();
  });

  it('may be a request as other tools write it, for the one url that a batch has', () => {
    const value = { custom_id: 'c', method: 'POST', url: '/v1/messages', body: PARAMS };
    expect(row(value)).toMatchObject({ customId: 'c', params: PARAMS, columns: undefined });
    const wrong = read({ ...value, url: '/v1/chat/completions' });
    expect(wrong).toMatchObject({
      ok: false,
      customId: 'c',
      problems: [{ code: 'url', message: expect.stringContaining('/v1/chat/completions') }],
    });
    expect(codes({ ...value, method: 'GET' })).toEqual(['method']);
  });

  it('may be any object with a template, all of whose keys are carried', () => {
    const defaults = { model: 'claude-sonnet-5-5', maxTokens: 5, prompt: compileTemplate('Say {{text}}') };
    expect(row({ text: 'hi', model: 'Ford', params: 'p', messages: 'm' }, defaults)).toMatchObject({
      params: { model: 'claude-sonnet-5-5', max_tokens: 5, messages: [{ role: 'user', content: 'Say hi' }] },
      columns: { text: 'hi', model: 'Ford', params: 'p', messages: 'm' },
    });
  });

  it('without messages needs a --prompt', () => {
    expect(codes({ text: 'hi' })).toEqual(['no_prompt']);
  });

  it('is an object', () => {
    for (const value of [1, 'secret', null, [1], true]) {
      const reading = read(value);
      expect(reading).toMatchObject({ ok: false, problems: [{ code: 'not_object' }] });
      expect(JSON.stringify(reading)).not.toContain('secret');
    }
  });

  it('that could not be read keeps its problem', () => {
    const problem = { code: 'json', message: 'broken' };
    const reading = createRowReader({ nowMs: NOW_MS }).read({ file: 0, line: 3, value: undefined, problem });
    expect(reading).toMatchObject({ ok: false, problems: [problem] });
  });
});

describe('defaults', () => {
  it('give way to the row, and --params to the other flags', () => {
    const defaults = {
      model: 'claude-haiku-5-5',
      maxTokens: 7,
      system: 'flag',
      params: { model: 'x', system: 'params', metadata: { user_id: 'u' } },
    };
    expect(row({ params: { messages: MESSAGES, max_tokens: 9 } }, defaults).params).toEqual({
      model: 'claude-haiku-5-5',
      system: 'flag',
      metadata: { user_id: 'u' },
      max_tokens: 9,
      messages: MESSAGES,
    });
    expect(row({ params: { ...PARAMS, system: 'own' } }, defaults).params).toMatchObject({
      model: PARAMS.model,
      system: 'own',
    });
  });

  it('leave a row with messages of its own alone, whatever --prompt says', () => {
    expect(row({ params: PARAMS, text: 'x' }, { prompt: compileTemplate('{{text}}') }).params).toEqual(PARAMS);
    const { messages: _own, ...without } = PARAMS;
    expect(row({ params: without, text: 'x' }, { prompt: compileTemplate('{{text}}') }).params).toMatchObject({
      messages: [{ role: 'user', content: 'x' }],
    });
  });

  it('may be a system prompt with placeholders', () => {
    const defaults = {
      model: 'claude-haiku-5-5',
      maxTokens: 7,
      system: compileTemplate('In {{lang}}.'),
      prompt: compileTemplate('{{text}}'),
    };
    expect(row({ lang: 'French', text: 'x' }, defaults).params).toMatchObject({ system: 'In French.' });
    expect(codes({ text: 'x' }, defaults)).toEqual(['missing_column']);
  });

  it('that come to nothing for a row are a problem of the row', () => {
    const defaults = { model: 'claude-haiku-5-5', maxTokens: 7, prompt: compileTemplate(' {{text}}') };
    expect(codes({ text: ' ' }, defaults)).toEqual(['empty_prompt']);
    expect(codes({ text: null }, defaults)).toEqual(['missing_column']);
  });

  it('never change the row or what was given with a flag', () => {
    const value = Object.freeze({ params: Object.freeze({ messages: Object.freeze([...MESSAGES]), temperature: 1 }) });
    const params = Object.freeze({ model: 'claude-haiku-5-5', max_tokens: 5, betas: ['x'] });
    expect(row(value, { params, dropUnsupported: true }).betas).toEqual(['x']);
  });
});

describe('the id', () => {
  it('is any text or number of up to 4,096 characters', () => {
    expect(row({ custom_id: 'Ünï 😀/ö', params: PARAMS }).customId).toBe('Ünï 😀/ö');
    expect(row({ custom_id: 42, params: PARAMS }).customId).toBe('42');
    expect(row({ custom_id: null, params: PARAMS }).customId).toBeUndefined();
    for (const custom_id of ['', 'x'.repeat(4_097), {}, true])
      expect(codes({ custom_id, params: PARAMS })).toEqual(['custom_id']);
    expect(codes({ custom_id: '\ud800', params: PARAMS })).toEqual(['utf8']);
  });

  it('comes from the column that was named, which is not carried', () => {
    const defaults = { idColumn: 'key', model: 'claude-haiku-5-5', maxTokens: 7, prompt: compileTemplate('{{text}}') };
    expect(row({ key: 7, custom_id: 'other', text: 'x' }, defaults)).toMatchObject({
      customId: '7',
      columns: { custom_id: 'other', text: 'x' },
    });
    expect(codes({ custom_id: 'other', text: 'x' }, defaults)).toEqual(['custom_id']);
    expect(row({ custom_id: 'a', text: 'x' }, { ...defaults, idColumn: 'custom_id' })).toMatchObject({
      customId: 'a',
      columns: { text: 'x' },
    });
  });
});

describe('betas', () => {
  it('of flags, row and params are joined, sorted, and taken out of the params', () => {
    const value = { params: { ...PARAMS, betas: ['c', 'a'] }, betas: ['b', 'a'] };
    expect(row(value, { betas: ['d', 'a'], params: { betas: ['e'] } })).toMatchObject({
      betas: ['a', 'b', 'c', 'd', 'e'],
      params: PARAMS,
    });
    expect(row({ ...PARAMS, betas: ['x'], mcp_servers: [] })).toMatchObject({
      betas: ['x'],
      params: { ...PARAMS, mcp_servers: [] },
    });
  });

  it('must be names', () => {
    expect(codes({ params: PARAMS, betas: ['a b'] })).toEqual(['betas']);
    expect(codes({ params: PARAMS, betas: [1] })).toEqual(['betas']);
    expect(() => createRowReader({ nowMs: NOW_MS, betas: ['a\nb'] })).toThrow(/betas/);
  });
});

describe('what is sent', () => {
  it('keeps odd keys and every character', () => {
    const value = JSON.parse(
      '{"params":{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\\\\ud800 é😀"}],"__proto__":{"x":1}},"__proto__":5}',
    ) as unknown;
    const found = row(value, { model: 'other' });
    expect(found.paramsJson).toContain('"__proto__":{"x":1}');
    expect(found.paramsJson).toContain('\\\\ud800 é😀');
    expect(Object.keys(found.columns ?? {})).toEqual(['__proto__']);
  });

  it('is valid UTF-8: half a character is refused', () => {
    for (const content of ['\ud800', 'x\\\udc00', '\\\\\ud83d']) {
      expect(codes({ params: { ...PARAMS, messages: [{ role: 'user', content }] } })).toEqual(['utf8']);
    }
    expect(codes({ params: { ...PARAMS, messages: [{ role: 'user', content: '\\ud800 \\\\ud800' }] } })).toEqual([]);
  });

  it('can be written as JSON again: a row that is nested too deeply is refused', () => {
    const deep = JSON.parse(`{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`) as Record<string, unknown>;
    expect(codes({ params: { ...PARAMS, ...deep } })).toEqual(['too_deep']);
  });

  it('is refused from the same depth on, whatever holds it and whatever the stack would take', () => {
    const nested = (levels: number): unknown => JSON.parse(`${'[0,'.repeat(levels)}1${']'.repeat(levels)}`);
    // The row, its params and the tools are three levels themselves.
    const inParams = (levels: number): string[] => codes({ params: { ...PARAMS, tools: [{ x: nested(levels) }] } });
    expect([inParams(DEPTH_MAX - 4), inParams(DEPTH_MAX - 3)]).toEqual([[], ['too_deep']]);
    expect(codes({ params: PARAMS, topic: nested(DEPTH_MAX - 1) })).toEqual([]);
    expect(codes({ params: PARAMS, topic: nested(DEPTH_MAX) })).toEqual(['too_deep']);
    expect(codes({ params: { ...PARAMS, temperature: 1 }, topic: nested(5_000) })).toEqual(['too_deep']);
  });

  it('is no larger than a batch, and said to be too large for the realtime lane', () => {
    const large = (length: number): RowReading =>
      read({ params: { ...PARAMS, messages: [{ role: 'user', content: 'x'.repeat(length) }] } });
    expect(large(11_000_000)).toMatchObject({ ok: true, notices: [] });
    expect(large(32_000_000)).toMatchObject({ ok: true, notices: [{ code: 'realtime_too_large' }] });
    expect(large(256_000_000)).toMatchObject({ ok: false, problems: [{ code: 'too_large' }] });
  });
});
