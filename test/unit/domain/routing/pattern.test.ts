/** Patterns of rules: they answer as the engine's own regular expressions do, and no text makes them slow. */
import { describe, expect, it } from 'vitest';
import { integerBetween, pick, seededRng, type Rng } from '../../../../src/base/random.ts';
import { compilePattern } from '../../../../src/domain/routing/pattern.ts';

const isIn = (pattern: string, text: string, ignoreCase = false): boolean =>
  compilePattern(pattern, { ignoreCase }).isIn(text);

describe('a pattern', () => {
  it.each([
    ['refund', 'a refund please', true],
    ['^refund', 'a refund', false],
    ['refund$', 'a refund', true],
    ['\\bcat\\b', 'a cat.', true],
    ['\\bcat\\b', 'concat', false],
    ['\\Bcat', 'concat', true],
    ['^$', '', true],
    ['^$', 'x', false],
    ['', 'anything', true],
    ['a{2,3}b', 'xaab', true],
    ['^a{2,3}b', 'aaaab', false],
    ['(?:red|green|blue)+', 'dark green', true],
    ['(?<year>\\d{4})-\\d\\d', 'on 2026-11', true],
    ['[^a-c]', 'abcabc', false],
    ['[\\d.,-]+ ?€', 'for 1.299,00 €', true],
    ['^.$', '😀', true],
    ['[\\u{1F600}-\\u{1F64F}]', 'ok 😀', true],
    ['\\x41\\u0042', 'AB', true],
    ['a.c', 'a\nc', false],
    ['a\\.c', 'abc', false],
    ['{x}', 'a{x}', true],
    ['[]', 'a', false],
    ['[^]', '\n', true],
    ['[-a]', '-', true],
    ['ß', 'SS', false],
  ])('%j in %j: %s', (pattern, text, found) => {
    expect(isIn(pattern, text)).toBe(found);
    expect(new RegExp(pattern, /\\u\{|😀/.test(pattern + text) ? 'u' : '').test(text)).toBe(found);
  });

  it('may leave the case of letters aside', () => {
    expect(isIn('^GRÖSSE [a-c]', 'größe', true)).toBe(false);
    expect(isIn('^gröSSe [a-c]$', 'GRÖsse B', true)).toBe(true);
    expect(isIn('[^a]', 'AAA', true)).toBe(false);
  });

  it.each([
    ['(a', 'the ( is never closed with ) (character 1)'],
    ['a)', 'there is a ) without its ( (character 2)'],
    ['[a', 'the [ is never closed with ] (character 1)'],
    ['*a', 'nothing before the * that could be repeated (character 1)'],
    ['a**', 'two repetitions follow each other'],
    ['^*', 'a place (^, $, \\b) cannot be repeated'],
    ['a{3,2}', 'the wrong way round'],
    ['a{1,5000}', 'at most 1000 repetitions'],
    ['((a{900}){900})', 'more than 5000 steps'],
    ['[z-a]', 'the wrong way round'],
    ['[\\d-z]', 'a range goes from one character to another'],
    ['a\\', 'it ends with a backslash'],
    ['(?=a)', 'not supported (character 1)'],
    ['(?<!a)b', 'not supported'],
    ['(a)\\1', 'back references (\\1, \\k<name>) are not supported (character 4)'],
    ['\\p{L}', '\\p is not supported'],
    ['\\u12', 'needs the number of a character in hex'],
    ['('.repeat(60), 'nested more than 50 deep'],
  ])('%j is refused: %s', (pattern, message) => {
    expect(() => isIn(pattern, '')).toThrow(message);
  });
});

/** A small pattern and texts of the same few letters. */
function draw(rng: Rng, deep = 0): string {
  const atoms = ['a', 'b', '.', '[ab]', '[^a]', '\\w', '\\s', '\\b', ' ', '-'];
  const one = (): string => {
    const atom = deep < 2 && rng.next() < 0.35 ? `(?:${draw(rng, deep + 1)})` : pick(rng, atoms);
    return atom === '\\b' ? atom : atom + pick(rng, ['', '', '', '*', '+', '?', '{2}', '{1,3}', '*?', '{0,2}']);
  };
  const sequence = (): string => Array.from({ length: integerBetween(rng, 0, 3) }, one).join('');
  const text = Array.from({ length: integerBetween(rng, 1, 3) }, sequence).join('|');
  return deep === 0 ? pick(rng, ['', '^']) + `(?:${text})` + pick(rng, ['', '$']) : text;
}

describe('as the engine answers', () => {
  it('for patterns and texts that are drawn', () => {
    const rng = seededRng('patterns');
    let found = 0;
    for (let nth = 0; nth < 3_000; nth++) {
      const pattern = draw(rng);
      const ignoreCase = rng.next() < 0.3;
      const ours = compilePattern(pattern, { ignoreCase });
      const theirs = new RegExp(pattern, ignoreCase ? 'i' : '');
      for (let text = 0; text < 10; text++) {
        const drawn = Array.from({ length: integerBetween(rng, 0, 6) }, () => pick(rng, Array.from('aabbAB -\n'))).join(
          '',
        );
        const is = theirs.test(drawn);
        if (is) found++;
        expect(ours.isIn(drawn), `/${pattern}/ in ${JSON.stringify(drawn)}`).toBe(is);
      }
    }
    // Neither answer is a rarity.
    expect(found).toBeGreaterThan(3_000);
    expect(found).toBeLessThan(29_000);
  });

  it.each(['(a+)+$', '^(a|a)*$', '(a|ab)*c', 'a*a*a*a*a*a*c', '(?:a?){30}a{30}b', '^(?:.*a){12}$'])(
    '%s is not slow, whatever the text',
    (pattern) => {
      // The engine's own would take longer than the sun has left.
      expect(isIn(pattern, `${'a'.repeat(200_000)}!`)).toBe(false);
    },
  );

  it('also where a text needs more states than are kept', () => {
    const rng = seededRng('states');
    const text = Array.from({ length: 5_000 }, () => pick(rng, ['a', 'b'])).join('');
    const pattern = '(?:a|b)*a(?:a|b){14}c';
    expect(isIn(pattern, text)).toBe(false);
    expect(isIn(pattern, `${text}a${'b'.repeat(14)}c`)).toBe(true);
  });
});
