/**
 * Room sizes and manners of the code (CONTRIBUTING, "Style"). What a formatter or the linter can hold is not here.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { reachable } from './layers.ts';
import { filesBelow, lineCount, lineOf, parse, readText, ROOT, sourcesBelow, walk, type Source } from './sources.ts';

const FILE_LINES_MAX = 300;
/** Tests are lists of cases and may be longer; above this a room has two subjects. */
const TEST_FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

/** Files that are one table: they grow by entries, not by thoughts. */
const TABLES: Readonly<Record<string, string>> = {
  'src/cli/flags/option-table.ts': 'one entry for each flag',
  'src/domain/prices.ts': 'one entry for each model that was ever priced',
};

const MAIN = 'src/cli/main.ts';

/** Files that nothing in src imports, and why they are there all the same. */
const ENTRIES: Readonly<Record<string, string>> = {
  [MAIN]: 'the command line',
  'src/library/index.ts': 'import from batchrun',
  'src/library/sim.ts': 'import from batchrun/sim',
  'src/library/limiter.ts': 'import from batchrun/limiter',
  'src/cli/submit/reading-thread.ts': 'started by cli/submit/read-rows.ts',
  'src/cli/drive/proving-thread.ts': 'started by cli/drive/prove-results.ts',
  'src/cli/loadtest/thread.ts': 'started by cli/loadtest/sim.ts',
  'src/engine/pacing/latency.ts': 'the pacer records the latencies of its calls in it',
  'src/adapters/redis/limiter.ts': 'what --limiter opens; wired up with the flag',
  'src/domain/pacing/local-limiter.ts': 'the limiter of one process; wired up with the pacing',
  'src/base/virtual-clock.ts': 'the clock of the simulation and of tests; rehearsals will run on it',
  'src/adapters/anthropic/admin.ts': 'what the Admin API says of limits; the pacer will ask',
  'src/domain/pacing/refusal.ts': 'what a 429 is about; the pacer will ask',
  'src/domain/pacing/tiers.ts': 'the limits of tiers; the pacer will ask',
  'src/tools/sim/fetch.ts': 'the simulator without sockets, for the simulation; rehearsals will run on it',
};

/** Split in two, so that this file does not find itself. */
const word = (...parts: readonly string[]): string => parts.join('');
const UNFINISHED = new RegExp(
  `\\b(${[word('TO', 'DO'), word('FIX', 'ME'), word('XX', 'X'), word('HA', 'CK')].join('|')})\\b`,
);
const SILENCED = /\b(?:it|test|describe)(?:\.\w+)*\.(?:only|skip|todo)\b(?!If)/;
const LOCAL = new RegExp([word('(?<![\\w.])/wo', 'rk/'), word('registry', '\\.npmjs')].join('|'));

const sources = sourcesBelow('src');
const tests = sourcesBelow('test');

describe('every file of src', () => {
  it(`has at most ${FILE_LINES_MAX} lines, unless it is a table`, () => {
    const tooLong = sources.filter(({ path, text }) => !(path in TABLES) && lineCount(text) > FILE_LINES_MAX);
    expect(tooLong.map(({ path, text }) => `${path}: ${lineCount(text)} lines`)).toEqual([]);
  });

  it('that is excepted as a table exists and is still too long', () => {
    const needed = Object.keys(TABLES).filter((path) => lineCount(readText(path)) > FILE_LINES_MAX);
    expect(needed).toEqual(Object.keys(TABLES));
  });

  it(`has no function of more than ${FUNCTION_LINES_MAX} lines`, () => {
    expect(sources.flatMap((source) => longFunctions(source))).toEqual([]);
  });

  it('opens with a comment that says what the room is', () => {
    expect(sources.filter(({ text }) => !opensWithHeader(text)).map(({ path }) => path)).toEqual([]);
  });

  it.skipIf(!existsSync(join(ROOT, MAIN)))('is used: it is reached from the command line or listed as an entry', () => {
    const used = reachable(sources, Object.keys(ENTRIES));
    expect(sources.map(({ path }) => path).filter((path) => !used.has(path))).toEqual([]);
  });
});

describe('every test file', () => {
  it(`has at most ${TEST_FILE_LINES_MAX} lines`, () => {
    const tooLong = tests.filter(({ text }) => lineCount(text) > TEST_FILE_LINES_MAX);
    expect(tooLong.map(({ path, text }) => `${path}: ${lineCount(text)} lines`)).toEqual([]);
  });

  it('leaves no test out and runs no test alone', () => {
    expect(
      places(
        tests.filter(({ path }) => !path.startsWith('test/meta/')),
        SILENCED,
      ),
    ).toEqual([]);
  });
});

describe('every tracked file', () => {
  const texts = filesBelow('')
    .filter((path) => !path.startsWith('fixtures/'))
    .map((path) => ({ path, text: readText(path) }));

  it('is finished', () => {
    expect(places(texts, UNFINISHED)).toEqual([]);
  });

  it('names no folder of one machine and no package registry', () => {
    expect(places(texts, LOCAL)).toEqual([]);
  });
});

/** `path:line` of everything that matches. */
function places(files: readonly { readonly path: string; readonly text: string }[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

function opensWithHeader(text: string): boolean {
  return text.replace(/^#!.*\n/, '').startsWith('/**');
}

function longFunctions(source: Source): string[] {
  const found: string[] = [];
  walk(source, (node) => {
    if (!ts.isFunctionLike(node)) return;
    const { line: lastLine } = source.tree.getLineAndCharacterOfPosition(node.end);
    const length = lastLine + 2 - lineOf(source, node);
    if (length > FUNCTION_LINES_MAX) found.push(`${source.path}:${lineOf(source, node)}: ${length} lines`);
  });
  return found;
}

describe('the checks fire:', () => {
  it('a function of 71 lines is too long, one of 70 is not', () => {
    const body = (lines: number): string => `\nconst run = () => {\n${'  next();\n'.repeat(lines - 2)}};\n`;
    expect(longFunctions(parse('src/a.ts', body(71)))).toEqual(['src/a.ts:2: 71 lines']);
    expect(longFunctions(parse('src/a.ts', body(70)))).toEqual([]);
  });

  it('lines are counted with and without a last newline', () => {
    expect([lineCount('a\nb\n'), lineCount('a\nb'), lineCount('a')]).toEqual([2, 2, 1]);
  });

  it.each([
    ['an unfinished place', UNFINISHED, word('// TO', 'DO later'), '// todos and hacks are words'],
    ['a test that runs alone', SILENCED, word('it', '.only("x")'), 'it.each([])("x")'],
    ['a silenced table of tests', SILENCED, word('describe', '.skip.each([])'), 'it.skipIf(process.platform)("x")'],
    ['a folder of one machine', LOCAL, word('see /wo', 'rk/main'), 'src/network/work/main'],
    ['a registry', LOCAL, word('https://registry', '.npmjs.org'), 'npm registries'],
  ])('%s', (_name, pattern, bad, good) => {
    const files = [{ path: 'a', text: `fine\n${bad}\n${good}` }];
    expect(places(files, pattern)).toEqual([`a:2: ${bad}`]);
  });

  it('a missing header, and a header after the line for the shell', () => {
    expect([opensWithHeader("import 'a';\n/** late */"), opensWithHeader('#!/usr/bin/env node\n/** fine */')]).toEqual([
      false,
      true,
    ]);
  });
});
