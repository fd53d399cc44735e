/**
 * The error catalogue and the code agree: no code without a place that throws it, none outside the catalogue, and
 * every entry keeps the form that the README promises.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE } from '../../src/base/error-catalogue.ts';
import { parse, readText, sourcesBelow, walk, type Source } from './sources.ts';

const CATALOGUE = 'src/base/error-catalogue.ts';

/** Exit codes that an error can have (README, "Exit codes"); 0, 3, 130 and 143 are outcomes, not errors. */
const ERROR_EXITS = [1, 2, 4, 5, 6];

/** The table with a scenario for each code. */
const SCENARIOS = 'test/cli/error-catalogue.test.ts';

/** Codes that nothing throws, and why they are kept. */
const RESERVED: Readonly<Record<string, string>> = {};

const sources = sourcesBelow('src').filter(({ path }) => path !== CATALOGUE);
const codes = Object.keys(ERROR_CATALOGUE);

describe('the error catalogue', () => {
  it('has no code that nothing throws, unless it is reserved', () => {
    const thrown = new Set(sources.flatMap((source) => thrownCodes(source)));
    expect(codes.filter((code) => !thrown.has(code) && !(code in RESERVED))).toEqual([]);
    expect(Object.keys(RESERVED).filter((code) => thrown.has(code) || !codes.includes(code))).toEqual([]);
  });

  it('has every code that src names', () => {
    const named = new Set(sources.flatMap((source) => namedCodes(source)));
    expect([...named].filter((code) => !codes.includes(code))).toEqual([]);
  });

  it('has a scenario for every code, by which it is reached', () => {
    expect(codesOfTable(parse(SCENARIOS, readText(SCENARIOS)), 'SCENARIOS').sort()).toEqual(codes.toSorted());
  });

  it.each(Object.entries(ERROR_CATALOGUE))('%s has a documented exit code and a hint in sentences', (code, entry) => {
    expect(code).toMatch(/^E_[A-Z]+(_[A-Z]+)*$/);
    expect(ERROR_EXITS).toContain(entry.exit);
    expect(entry.hint).toMatch(/^\S.*[^.]\.$/);
    expect(entry.hint.split('`').length % 2, 'backticks come in pairs').toBe(1);
  });
});

/** Codes in the text of a file, wherever they stand. */
function namedCodes(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (ts.isStringLiteralLike(node) && /^E_[A-Z_]+$/.test(node.text)) found.push(node.text);
  });
  return found;
}

/** Codes that stand where an error is made: not in a comparison, not in a question to `isBatchrunError`, not in a type. */
function thrownCodes(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (!ts.isStringLiteralLike(node) || !/^E_[A-Z_]+$/.test(node.text)) return;
    if (!isQuestion(node.parent)) found.push(node.text);
  });
  return found;
}

/** The keys of a table that a file declares. */
function codesOfTable(source: Source, name: string): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (!ts.isVariableDeclaration(node) || node.name.getText() !== name || !node.initializer) return;
    if (!ts.isObjectLiteralExpression(node.initializer)) return;
    for (const entry of node.initializer.properties) found.push(entry.name?.getText() ?? entry.getText());
  });
  return found;
}

function isQuestion(parent: ts.Node): boolean {
  if (ts.isLiteralTypeNode(parent) || ts.isCaseClause(parent)) return true;
  if (ts.isBinaryExpression(parent)) return parent.operatorToken.getText().includes('==');
  return ts.isCallExpression(parent) && parent.expression.getText() === 'isBatchrunError';
}

describe('the checks fire:', () => {
  const codesIn = (text: string): [thrown: string[], named: string[]] => {
    const source = parse('src/a.ts', text);
    return [thrownCodes(source), namedCodes(source)];
  };

  it.each([
    ["throw new BatchrunError('E_FILE', 'no')", ['E_FILE'], ['E_FILE']],
    [
      "throw new BatchrunError(full ? 'E_DISK_FULL' : 'E_FILE', 'no')",
      ['E_DISK_FULL', 'E_FILE'],
      ['E_DISK_FULL', 'E_FILE'],
    ],
    ["if (isBatchrunError(error, 'E_LOCKED')) return", [], ['E_LOCKED']],
    ["if (error.code === 'E_LOCKED') return", [], ['E_LOCKED']],
    ["type Kept = 'E_LOCKED'", [], ['E_LOCKED']],
    ["// throw new BatchrunError('E_FILE')", [], []],
  ])('%s', (text, thrown, named) => {
    expect(codesIn(text)).toEqual([thrown, named]);
  });

  it('a table is read by its keys, and nothing else of its name is', () => {
    const text = 'const SCENARIOS = { E_FILE: { names: /E_API/ }, ...more };\nf(SCENARIOS, { E_BUG: 1 });';
    expect(codesOfTable(parse('test/a.ts', text), 'SCENARIOS')).toEqual(['E_FILE', '...more']);
  });
});
