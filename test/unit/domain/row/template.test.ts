/** Templates: what a row puts in is text and stays text. */
import { describe, expect, it } from 'vitest';
import { integerBetween, pick, seededRng } from '../../../../src/base/random.ts';
import { assertNoSingleBraces, assertPlaceholders, compileTemplate } from '../../../../src/domain/row/template.ts';

function render(text: string, record: Readonly<Record<string, unknown>>): string {
  const rendering = compileTemplate(text).render(record);
  return rendering.ok ? rendering.text : `missing ${rendering.missing}`;
}

describe('a placeholder', () => {
  it('takes the value of its column, with or without spaces, as often as it stands there', () => {
    expect(render('{{a}} and {{ b }}, {{a}}', { a: 'x', b: 'y' })).toBe('x and y, x');
    expect(compileTemplate('{{a}} {{ b }} {{a}}').placeholders).toEqual(['a', 'b']);
  });

  it('reaches into JSON values, and a column of exactly that name goes first', () => {
    const record = { user: { name: 'Ann', tags: ['x', { y: 1 }] } };
    expect(render('{{user.name}} {{user.tags.0}} {{user.tags.1.y}}', record)).toBe('Ann x 1');
    expect(render('{{user.name}}', { ...record, 'user.name': 'exact' })).toBe('exact');
  });

  it('writes what is not text as JSON, and an empty cell as nothing', () => {
    expect(render('{{n}} {{b}} {{o}} [{{e}}]', { n: 1.5, b: false, o: { a: [1] }, e: '' })).toBe(
      '1.5 false {"a":[1]} []',
    );
  });

  it('without a value is missing, and null is no value', () => {
    for (const record of [{}, { a: null }, { a: undefined }]) expect(render('{{a}}', record)).toBe('missing a');
    expect(render('{{a.b}}', { a: 'text' })).toBe('missing a.b');
    expect(render('{{a.5}}', { a: [1] })).toBe('missing a.5');
  });

  it('finds only what the row itself says', () => {
    const record = { list: [1], text: 'abc', object: {} };
    for (const name of [
      'constructor',
      '__proto__',
      'toString',
      'list.length',
      'text.length',
      'object.constructor',
      'object.__proto__',
    ]) {
      expect(render(`{{${name}}}`, record)).toBe(`missing ${name}`);
    }
    expect(render('{{__proto__}}', JSON.parse('{"__proto__":"own"}') as Record<string, unknown>)).toBe('own');
  });
});

describe('braces', () => {
  it('that are only text stay, and four write two', () => {
    expect(render('{"a": {"b": 1}} {{{{x}} {', { x: 'no' })).toBe('{"a": {"b": 1}} {{x}} {');
    expect(render('{"k":{{{x}}}}', { x: '1' })).toBe('{"k":{1}}');
    expect(render('{{{{{{x}}', { x: 'yes' })).toBe('{{yes');
    expect(render('', {})).toBe('');
  });

  it('that are never closed, or hold nothing, are refused with the place', () => {
    expect(() => compileTemplate('say {{text')).toThrow(/character 5 .* never closed/);
    expect(() => compileTemplate('say {{ }}', '--system')).toThrow(/--system has an empty/);
  });

  it('in values are never taken for placeholders, whatever the values and the template', () => {
    const rng = seededRng('template');
    const shards = ['{', '{{', '}}', '}', '{{a}}', '{{b}}', '{{{{', 'x', ' ', '$&', '$1', '\\', '"', 'é', '😀'];
    const word = (): string => Array.from({ length: integerBetween(rng, 0, 6) }, () => pick(rng, shards)).join('');
    for (let round = 0; round < 5_000; round++) {
      const record = { a: word(), b: word(), secret: 'S3CRET' };
      const parts = Array.from({ length: integerBetween(rng, 1, 6) }, () => pick(rng, ['a', 'b', 'lit '] as const));
      const text = parts.map((part) => (part === 'lit ' ? part : `{{${part}}} `)).join('');
      const wanted = parts.map((part) => (part === 'lit ' ? part : `${record[part]} `)).join('');
      expect(render(text, record)).toBe(wanted);
      // Any literal text comes back as it was once its braces are doubled twice.
      const literal = word().replaceAll('{', '');
      expect(render(`${literal}{{{{${literal}`, record)).toBe(`${literal}{{${literal}`);
    }
  });
});

describe('assertPlaceholders', () => {
  it('refuses a name that is no column, with the columns and the nearest one', () => {
    const columns = ['text', 'category'];
    expect(() => assertPlaceholders(compileTemplate('{{text}}'), columns)).not.toThrow();
    expect(() => assertPlaceholders(compileTemplate('{{txt}}'), columns)).toThrow(
      expect.objectContaining({
        code: 'E_TEMPLATE',
        message: '--prompt names {{txt}}, but the input has the columns: text, category',
        hint: expect.stringContaining('Did you mean {{text}}?'),
      }),
    );
    expect(() => assertPlaceholders(compileTemplate('{{text.inner}}'), columns)).toThrow(/text\.inner/);
  });

  it('leaves rows without a header to answer for themselves', () => {
    expect(() => assertPlaceholders(compileTemplate('{{anything}}'), [])).not.toThrow();
  });
});

describe('assertNoSingleBraces', () => {
  it('refuses a column in single braces where nothing is filled in', () => {
    expect(() => assertNoSingleBraces(compileTemplate('Classify: {text}'), ['id', 'text'])).toThrow(
      expect.objectContaining({ code: 'E_TEMPLATE', hint: 'Write {{text}} to put the column in.' }),
    );
  });

  it.each(['Write a template that prints {{{{text}}}}', '{{{{text}}', '{{{{text}'])(
    'leaves escapes alone: %s',
    (prompt) => {
      expect(() => assertNoSingleBraces(compileTemplate(prompt), ['text'])).not.toThrow();
    },
  );

  it('leaves other braces alone', () => {
    const template = compileTemplate('Answer as {"label": "…"} or {other}');
    expect(() => assertNoSingleBraces(template, ['id', 'text'])).not.toThrow();
  });
});
