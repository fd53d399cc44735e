/** `--schema` in the params of rows: beside what they have, and never instead of a format of their own. */
import { describe, expect, test } from 'vitest';
import { isBatchrunError } from '../../../../src/base/errors.ts';
import { createRowReader, type RowDefaults } from '../../../../src/domain/row/reader.ts';
import { outputFormat } from '../../../../src/domain/schema/request-schema.ts';

const FORMAT = outputFormat({ type: 'object', properties: { a: { type: 'string' } }, required: ['a'] });
const PARAMS = { model: 'claude-haiku-5-5', max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] };
const OWN = { type: 'json_schema', schema: { type: 'object', properties: {}, additionalProperties: false } };

function read(outputConfig: unknown, defaults: Partial<RowDefaults> = {}) {
  const reader = createRowReader({ nowMs: Date.UTC(2026, 10, 20), format: FORMAT, ...defaults });
  const params = outputConfig === undefined ? PARAMS : { ...PARAMS, output_config: outputConfig };
  const reading = reader.read({ file: 0, line: 1, value: { custom_id: 'a', params } });
  if (!reading.ok) return { problems: reading.problems.map(({ message }) => message) };
  const { output_config: config } = JSON.parse(reading.row.paramsJson) as { output_config?: unknown };
  return { config, notices: reading.notices.map(({ code }) => code) };
}

describe('a row', () => {
  test.each([
    ['without an output_config', undefined, { format: FORMAT }],
    ['with null in its place', null, { format: FORMAT }],
    ['with an effort', { effort: 'low' }, { effort: 'low', format: FORMAT }],
    ['with a format that is null', { format: null, effort: 'low' }, { format: FORMAT, effort: 'low' }],
  ])('%s is asked for the schema', (_what, own, config) => {
    expect(read(own)).toEqual({ config, notices: [] });
  });

  test('with a format of its own keeps it, and that is said', () => {
    expect(read({ format: OWN, effort: 'low' })).toEqual({
      config: { format: OWN, effort: 'low' },
      notices: ['own_format'],
    });
  });

  test('whose output_config is no object is refused for that', () => {
    expect(read([])).toEqual({ problems: ['output_config must be an object, and is a list'] });
  });

  test('has the rest of --params under its own', () => {
    const params = { output_config: { effort: 'high' } };
    expect(read(undefined, { params })).toMatchObject({ config: { effort: 'high', format: FORMAT } });
    expect(read({ effort: 'low' }, { params })).toMatchObject({ config: { effort: 'low', format: FORMAT } });
  });
});

test('its text is the same as if it stood in the row, whatever the row and the schema are made of', () => {
  const texts = ['plain', 'Köln', 'a "quote"', 'back\\slash', '\u2028'];
  for (const description of texts) {
    for (const content of texts) {
      const format = outputFormat({ type: 'object', properties: { a: { type: 'string', description } } });
      const bare = { model: 'claude-haiku-5-5', max_tokens: 100, messages: [{ role: 'user', content }] };
      const record = { file: 0, line: 1, value: { custom_id: 'a', params: bare }, plain: content === 'plain' };
      const reading = createRowReader({ nowMs: 0, format }).read(record);
      if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
      const { paramsJson, plain } = reading.row;
      expect(paramsJson).toBe(JSON.stringify({ ...bare, output_config: { format } }));
      // Where it says that no text in it needs a look, none does.
      if (plain) expect(paramsJson).toMatch(/^[\x20-\x5b\x5d-\x7e]*$/);
    }
  }
});

test('a row that is refused is shown with it', () => {
  const value = { custom_id: 'a', params: { ...PARAMS, max_tokens: 0 } };
  const reading = createRowReader({ nowMs: 0, format: FORMAT }).read({ file: 0, line: 1, value });
  expect(reading).toMatchObject({ ok: false, params: { output_config: { format: FORMAT } } });
});

test('a format in --params contradicts it', () => {
  const params = { output_config: { format: OWN } };
  const make = () => createRowReader({ nowMs: 0, format: FORMAT, params });
  expect(make).toThrow(/--schema and the output_config.format of --params/);
  try {
    make();
  } catch (error) {
    expect(isBatchrunError(error, 'E_USAGE')).toBe(true);
  }
});

test('without --schema a row stays as it came', () => {
  const reader = createRowReader({ nowMs: Date.UTC(2026, 10, 20) });
  const reading = reader.read({
    file: 0,
    line: 1,
    value: { custom_id: 'a', params: { ...PARAMS, output_config: {} } },
  });
  expect(reading.ok && reading.row.paramsJson).toBe(JSON.stringify({ ...PARAMS, output_config: {} }));
});
