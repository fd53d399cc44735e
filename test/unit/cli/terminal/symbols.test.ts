import { describe, expect, test } from 'vitest';
import { fitted } from '../../../../src/cli/terminal/fitted-line.ts';
import { folded, harmless, symbolsOf, takesColor, takesUnicode } from '../../../../src/cli/terminal/symbols.ts';
import { bar } from '../../../../src/cli/terminal/ui.ts';

describe('UTF-8', () => {
  test.each([
    [{ LANG: 'en_US.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'C' }, false],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{}, false],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'C.UTF-8' }, true],
    [{ LANG: 'en_US.UTF-8', LC_ALL: '' }, true],
    [{ LANG: 'en_US.UTF-8', TERM: 'linux' }, false],
  ])('%j on Linux: %s', (env, expected) => {
    expect(takesUnicode(env, 'linux')).toBe(expected);
  });

  test('without a locale macOS takes it, and Windows in terminals that are known to', () => {
    expect(takesUnicode({}, 'darwin')).toBe(true);
    expect(takesUnicode({}, 'win32')).toBe(false);
    expect(takesUnicode({ WT_SESSION: 'a' }, 'win32')).toBe(true);
    expect(takesUnicode({ TERM_PROGRAM: 'vscode' }, 'win32')).toBe(true);
  });

  test('our own signs are folded, those of users are not', () => {
    expect(folded('a, … → “b” ×2 · Grüße 🙂')).toBe('a, ... -> "b" x2 - Grüße 🙂');
  });

  test('nothing but colours may steer the terminal', () => {
    expect(harmless('a\u001b[1mb\u001b[0m\tc\n')).toBe('a\u001b[1mb\u001b[0m\tc\n');
    expect(harmless('a\u001b[2Jb\u001b]0;t\u0007c\r\u009b2Jd\u202ee\u001b[1;31mf\u001b')).toBe(
      'a[2Jb]0;tc2Jde\u001b[1;31mf',
    );
  });

  test('signs for terminals without it are ASCII', () => {
    expect(JSON.stringify(symbolsOf(false))).toMatch(/^[\x00-\x7f]*$/);
  });
});

describe('colours', () => {
  const tty = { flag: true, isTty: true };
  const file = { flag: true, isTty: false };
  test.each([
    [{}, tty, true],
    [{}, file, false],
    [{}, { flag: false, isTty: true }, false],
    [{ NO_COLOR: '1' }, tty, false],
    [{ NO_COLOR: '' }, tty, true],
    [{ TERM: 'dumb' }, tty, false],
    [{ CLICOLOR: '0' }, tty, false],
    [{ FORCE_COLOR: '1' }, file, true],
    [{ FORCE_COLOR: '' }, file, true],
    [{ FORCE_COLOR: '0' }, tty, false],
    [{ CLICOLOR_FORCE: '1' }, file, true],
    [{ CLICOLOR_FORCE: '0' }, file, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, tty, false],
    [{ FORCE_COLOR: '1' }, { flag: false, isTty: true }, false],
  ])('%j %j: %s', (env, how, expected) => {
    expect(takesColor(env, how)).toBe(expected);
  });
});

describe('a bar', () => {
  test('what has begun shows, and only all of it is full', () => {
    const drawn = [0, 0.0001, 0.5, 0.55, 0.9999, 1, 2, NaN].map((share) => bar(share, 10, symbolsOf(true)));
    expect(drawn).toEqual([
      '──────────',
      '╸─────────',
      '━━━━━─────',
      '━━━━━╸────',
      '━━━━━━━━━╸',
      '━━━━━━━━━━',
      '━━━━━━━━━━',
      '──────────',
    ]);
    expect(bar(0.999, 10, symbolsOf(false))).toBe('#########.');
  });
});

test('a line leaves the least telling parts out first', () => {
  const parts = [
    { text: 'first', rank: 0 },
    { text: 'later', rank: 2 },
    { text: '', rank: 9 },
    { text: 'end', rank: 1, paint: (text: string) => `<${text}>` },
  ];
  expect(fitted(parts, 80)).toBe('first  later  <end>');
  expect(fitted(parts, 12)).toBe('first  <end>');
  expect(fitted(parts, 3)).toBe('first');
});
