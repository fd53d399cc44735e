/** Cuts of --truncate: whole characters, only what is too long, and only where it is put in. */
import { describe, expect, test } from 'vitest';
import { assertCuts, cutsOf, cutText } from '../../../../src/domain/row/cuts.ts';
import { compileTemplate } from '../../../../src/domain/row/template.ts';
import { integerBetween, pick, seededRng } from '../../../../src/base/random.ts';

describe('a cut text', () => {
  test('is its first characters as people count them, and never half of one', () => {
    const rng = seededRng('cuts');
    for (let nth = 0; nth < 2_000; nth++) {
      const text = Array.from({ length: integerBetween(rng, 0, 12) }, () =>
        pick(rng, ['a', 'ä', '💶', '\ud800', '\udc00', '👩‍👩‍👧']),
      ).join('');
      const chars = integerBetween(rng, 1, 14);
      expect(cutText(text, chars)).toBe(Array.from(text).slice(0, chars).join(''));
    }
  });
});

describe('a template with cuts', () => {
  const cuts = cutsOf({ body: 3, 'user.bio': 2 });
  const render = (text: string, record: Record<string, unknown>) =>
    compileTemplate(text, '--prompt', cuts).render(record);

  test('cuts what it puts in, by the name that stands there, and says what it cut', () => {
    expect(render('{{body}}|{{title}}|{{user.bio}}', { body: 'abcd', title: 'abcd', user: { bio: 'xyz' } })).toEqual({
      ...{ ok: true, text: 'abc|abcd|xy' },
      cut: [cuts.get('body'), cuts.get('user.bio')],
    });
    expect(render('{{body}}', { body: 'abc' })).toEqual({ ok: true, text: 'abc' });
    expect(render('{{body}}', { body: { k: 1 } })).toMatchObject({ text: '{"k' });
    expect(render('{{body}}', { body: '💶💶💶' })).toEqual({ ok: true, text: '💶💶💶' });
  });
});

test('a cut of what no template names is refused, with the name that is nearest', () => {
  const refused = (column: string, used: string[], columns: string[]): string => {
    try {
      assertCuts(cutsOf({ [column]: 5 }), used, columns);
    } catch (error) {
      const { message, hint } = error as { message: string; hint: string };
      return `${message} ${hint}`;
    }
    return '';
  };
  expect(refused('body', ['body'], [])).toBe('');
  expect(refused('bdoy', ['body'], ['id', 'body'])).toMatch(/names bdoy, but .* id, body .*Did you mean body\?/);
  expect(refused('title', ['body'], ['title', 'body'])).toMatch(/no effect: no template has \{\{title\}\}/);
  expect(refused('bodi', ['body'], [])).toMatch(/no effect.*Did you mean body\?/);
});
