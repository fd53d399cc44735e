/**
 * Every failpoint of src/base/failpoint.ts stands somewhere, and every call names one of them with a plain string:
 * a failpoint that is declared but not placed makes the crash suite look more thorough than it is.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { FAILPOINTS } from '../../src/base/failpoint.ts';
import { lineOf, parse, sourcesBelow, walk, type Source } from './sources.ts';

const NAMES = Object.keys(FAILPOINTS);

const sources = sourcesBelow('src');

describe('failpoints', () => {
  it('are all placed in src', () => {
    const placed = new Set(sources.flatMap((source) => placedIn(source)).map(({ name }) => name));
    expect(NAMES.filter((name) => !placed.has(name))).toEqual([]);
  });

  it('are placed under names that exist', () => {
    const unknown = sources.flatMap((source) => placedIn(source)).filter(({ name }) => !NAMES.includes(name));
    expect(unknown).toEqual([]);
  });

  it.each(Object.entries(FAILPOINTS))('%s says what is durable before it and what is not yet', (name, meaning) => {
    expect(name).toMatch(/^[a-z]+\.[a-z]+(_[a-z]+)*$/);
    expect(meaning).toContain('; ');
  });
});

/** Calls of `failpoint`; an argument that is not a plain string is shown as it is written, and so is unknown. */
function placedIn(source: Source): { readonly name: string; readonly at: string }[] {
  const found: { name: string; at: string }[] = [];
  walk(source, (node) => {
    if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression) || node.expression.text !== 'failpoint') return;
    const argument = node.arguments[0];
    const name = argument && ts.isStringLiteralLike(argument) ? argument.text : (argument?.getText() ?? '');
    found.push({ name, at: `${source.path}:${lineOf(source, node)}` });
  });
  return found;
}

it('the check sees calls, and neither comments nor names that it cannot read', () => {
  const text = "failpoint('poll.ended');\n// failpoint('a.b')\nfailpoint(someName);";
  expect(placedIn(parse('src/a.ts', text))).toEqual([
    { name: 'poll.ended', at: 'src/a.ts:1' },
    { name: 'someName', at: 'src/a.ts:3' },
  ]);
});
