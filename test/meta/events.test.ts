/**
 * The names of events are one table (engine/views/log-events.ts), the documents have the same, and nothing in src logs or writes
 * another: scripts rely on them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { CHUNK_STATES, type RunState } from '../../src/domain/model.ts';
import { ENGINE_EVENTS, LEDGER_EVENTS, LOG_EVENTS } from '../../src/engine/views/log-events.ts';
import { RUN_MOVES } from '../../src/domain/transitions.ts';
import { lineOf, parse, ROOT, sourcesBelow, walk, type Source } from './sources.ts';

const page = readFileSync(join(ROOT, '.github/docs/events.md'), 'utf8');
const sources = sourcesBelow('src');
const LEVELS = ['debug', 'info', 'warn', 'error'];

/** Cells of the tables of the page, by the first. */
function rowsOf(cells: number): string[][] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').slice(1, -1))
    .map((row) => row.map((cell) => cell.trim().replaceAll('`', '')))
    .filter((row) => row.length === cells);
}

/** The first argument of every `log.warn(…)`, and of what writes an event of the log in main.ts. */
function loggedIn(source: Source): { readonly name: string; readonly level: string; readonly at: string }[] {
  const found: { name: string; level: string; at: string }[] = [];
  walk(source, (node) => {
    if (!ts.isCallExpression(node)) return;
    const at = `${source.path}:${lineOf(source, node)}`;
    const [first, second] = node.arguments;
    if (ts.isIdentifier(node.expression) && node.expression.text === 'saysJson' && second) {
      found.push({ name: textOf(second), level: first ? textOf(first) : '', at });
    }
    if (!ts.isPropertyAccessExpression(node.expression) || !first) return;
    const { expression: whose, name } = node.expression;
    if (LEVELS.includes(name.text) && /\b#?log$/.test(whose.getText())) {
      found.push({ name: textOf(first), level: name.text, at });
    }
  });
  return found;
}

function textOf(node: ts.Node): string {
  return ts.isStringLiteralLike(node) ? node.text : node.getText();
}

/** Names of ledger events that a source writes: in `kind`, and as the second argument of `note`. */
function writtenIn(source: Source): string[] {
  const found: string[] = [];
  const add = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    else if (ts.isTemplateExpression(node)) found.push(`${node.head.text}*`);
    else if (ts.isConditionalExpression(node)) [node.whenTrue, node.whenFalse].forEach(add);
  };
  walk(source, (node) => {
    if (source.path.startsWith('src/adapters/sqlite/')) {
      const isKind =
        (ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)) && node.name.getText() === 'kind';
      if (isKind && node.initializer) add(node.initializer);
    }
    const isNote = ts.isCallExpression(node) && /\b(driver|ledger|store)\.note$/.test(node.expression.getText());
    const kind = isNote ? node.arguments[1] : undefined;
    if (kind && ts.isIdentifier(kind)) found.push(constantOf(kind.text));
    else if (kind) add(kind);
  });
  return found.filter((name) => name.includes('.'));
}

/** The text of a constant that is exported somewhere in src. */
function constantOf(name: string): string {
  for (const { text } of sources) {
    const value = new RegExp(`export const ${name} = '([^']+)'`).exec(text)?.[1];
    if (value !== undefined) return value;
  }
  return `unknown.${name}`;
}

describe('the page of events', () => {
  it('has every event of the log with its level and its words, and no other', () => {
    const expected = Object.entries({ ...ENGINE_EVENTS, ...LOG_EVENTS }).map(([name, { level, text }]) => [
      name,
      level,
      text,
    ]);
    expect(rowsOf(3)).toEqual(expected);
  });

  it('has every event of the ledger, and no other', () => {
    expect(rowsOf(2)).toEqual(Object.entries(LEDGER_EVENTS));
  });

  it('has names of one form', () => {
    for (const name of [...Object.keys({ ...ENGINE_EVENTS, ...LOG_EVENTS }), ...Object.keys(LEDGER_EVENTS)]) {
      expect(name).toMatch(/^[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?$/);
    }
  });
});

describe('src', () => {
  it('logs events of the table at their levels, and all of them', () => {
    const logged = sources.filter(({ path }) => !path.startsWith('src/tools/sim/')).flatMap(loggedIn);
    const known: Readonly<Record<string, { readonly level: string }>> = { ...LOG_EVENTS, ...ENGINE_EVENTS };
    const wrong = logged.filter(({ name, level }) => known[name]?.level !== level && name !== 'event.kind');
    expect(wrong).toEqual([]);
    const names = new Set(logged.map(({ name }) => name));
    const told = sources.find(({ path }) => path === 'src/cli/terminal/json-telling.ts')?.text ?? '';
    expect(Object.keys(LOG_EVENTS).filter((name) => !names.has(name) && !told.includes(`'${name}'`))).toEqual([]);
  });

  it('writes events of the table into the ledger, and all of them', () => {
    const written = new Set(sources.flatMap(writtenIn));
    const states = {
      'run.*': [...Object.keys(RUN_MOVES)] as RunState[],
      'chunk.*': CHUNK_STATES,
    };
    for (const [pattern, names] of Object.entries(states)) {
      expect(written.delete(pattern)).toBe(true);
      for (const name of names) written.add(pattern.replace('*', name));
    }
    expect([...written].sort()).toEqual(Object.keys(LEDGER_EVENTS).sort());
  });
});

it('the checks fire', () => {
  const text = "log.warn('some prose', {});\nthis.#log.info(name);\nparts.log.error('a.b');\ncatalog.warn('x');";
  expect(loggedIn(parse('src/a.ts', text)).map(({ name, level }) => [name, level])).toEqual([
    ['some prose', 'warn'],
    ['name', 'info'],
    ['a.b', 'error'],
  ]);
  const step =
    "addEvent(db, { kind: yes ? 'run.a' : 'run.b' });\nconst kind = `chunk.${to}`;\nawait driver.note(id, 'x.y');";
  expect(writtenIn(parse('src/adapters/sqlite/a.ts', step))).toEqual(['run.a', 'run.b', 'chunk.*', 'x.y']);
});
