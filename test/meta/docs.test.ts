/**
 * README and src/README are true to the program: commands, flags, exit codes, npm scripts and package versions. A flag
 * that is added without a line in the README, or a line without a flag, fails here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { COMMAND_FLAGS, FLAG_SPECS } from '../../src/cli/flags/option-table.ts';
import { METRICS } from '../../src/domain/metrics.ts';
import { createProgram } from '../../src/cli/program.ts';
import { flagLine } from './flag-line.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const flagsPage = readFileSync(join(ROOT, '.github/docs/flags.md'), 'utf8');
const operations = readFileSync(join(ROOT, '.github/docs/operations.md'), 'utf8');
const inside = readFileSync(join(ROOT, 'src/README.md'), 'utf8');
const packageJson = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
};
const program = createProgram({
  version: '0',
  argv: [],
  signal: new AbortController().signal,
  finished: () => undefined,
  started: () => undefined,
});

/** Commands for shells and for the build are in no document. */
function isHidden(command: Command): boolean {
  return !program.createHelp().visibleCommands(program).includes(command);
}

/** A table as its cells, so that the formatter's padding does not matter. */
function rowsOf(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replace(/\s+/g, ' '));
}

describe('the README', () => {
  it('opens with two commands that exist as npm scripts', () => {
    for (const script of ['demo', 'test']) {
      expect(packageJson.scripts[script]).toBeDefined();
      expect(readme).toMatch(new RegExp(`^npm ci && npm (?:run )?${script}\\b`, 'm'));
    }
  });

  it('is short enough to be read', () => {
    expect(readme.split('\n').length).toBeLessThan(400);
  });

  it('lists every command of the program, and no other', () => {
    const known = program.commands.filter((command) => !isHidden(command)).map((command) => command.name());
    const named = [...readme.matchAll(/^\| `batchrun ([a-z]+)/gm)].map((match) => match[1] ?? '');
    expect(named.sort()).toEqual(known.sort());
  });

  it('gives the exit codes that the help gives', () => {
    let help = '';
    program.configureOutput({ writeOut: (text) => (help += text) });
    program.outputHelp();
    const inHelp = [...help.matchAll(/^ {2}(\d+(?:, \d+)*) {2}/gm)].map((match) => match[1]);
    const inReadme = [...readme.matchAll(/^\| (\d+(?:, \d+)*) +\|/gm)].map((match) => match[1]);
    expect(inReadme).toEqual(inHelp);
    expect(inHelp).toEqual(['0', '1', '2', '3', '4', '5', '6', '129, 130, 143']);
  });

  it('uses only flags that exist in its examples', () => {
    const known = new Set(
      program.commands.flatMap((command) => command.options.flatMap((option) => option.long ?? [])),
    );
    const texts = [readme, flagsPage, operations].join('\n');
    const used = [...texts.matchAll(/(?<![\w-])(--[a-z][a-z-]+)/g)].map((match) => match[1] ?? '');
    const othersOwn = ['--rows', '--help', '--import'];
    expect(used.filter((flag) => !known.has(flag) && !othersOwn.includes(flag))).toEqual([]);
  });

  it('has no place left to be filled in', () => {
    expect(readme).not.toMatch(/^(?:SESSION|FLAGS|FIGURES)$/m);
  });
});

describe('the pages beside it', () => {
  it('have a line for every flag as the program knows it, and no other (npm run docs)', () => {
    const expected = Object.keys(FLAG_SPECS).map((flag) =>
      flagLine(flag, FLAG_SPECS, COMMAND_FLAGS).replace(/\s+/g, ' '),
    );
    const found = rowsOf(flagsPage).filter((line) => line.startsWith('| `-'));
    expect(found).toEqual(expected);
  });

  it('name every metric with its labels, and no other', () => {
    const lines = rowsOf(operations).filter((line) => line.startsWith('| `batchrun_'));
    const found = lines.flatMap((line) => {
      const [, names = '', labels = ''] = line.split('|').map((cell) => cell.trim());
      // Where metrics that share a line have labels of their own, these stand in the same order.
      return [...names.matchAll(/`(batchrun_\w+)`/g)].map((match, at) => [
        match[1],
        labels.includes(';') ? labels.split('; ')[at] : labels,
      ]);
    });
    const expected = Object.entries(METRICS).map(([name, { labels }]) => [name, labels.join(', ')]);
    expect(found.sort()).toEqual(expected.sort());
  });
});

describe('src/README', () => {
  it('says why for every package that the program needs, with its version', () => {
    for (const [name, version] of Object.entries(packageJson.dependencies)) {
      expect(inside, name).toContain(`\`${name}\` ${version}`);
    }
  });

  it('names rooms that exist', () => {
    const rooms = [...inside.matchAll(/`((?:base|domain|adapters|engine|tools|cli)\/[a-z0-9-/]+\.ts)`/g)];
    expect(rooms.length).toBeGreaterThan(5);
    for (const [, room = ''] of rooms) expect(() => readFileSync(join(ROOT, 'src', room)), room).not.toThrow();
  });
});
