/**
 * What is loaded before a command does anything: half a millisecond a file. Commands that people and scripts call all
 * the time must not load what only the long ones need.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { resolveImport, ROOT, sourcesBelow, type Source } from './sources.ts';

const sources = new Map(sourcesBelow('src').map((source) => [source.path, source]));

/** Files and packages that are loaded with this one: its imports, but not those of types and those on demand. */
function loadedWith(path: string): ReadonlySet<string> {
  const loaded = new Set<string>();
  const load = (one: string): void => {
    if (loaded.has(one)) return;
    loaded.add(one);
    const source = sources.get(one);
    if (source) for (const next of staticImports(source)) load(resolveImport(one, next) ?? next);
  };
  load(path);
  return loaded;
}

function staticImports({ tree }: Source): string[] {
  return tree.statements.flatMap((node) => {
    const isImport = ts.isImportDeclaration(node) && node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword;
    const isExport = ts.isExportDeclaration(node) && !node.isTypeOnly;
    if (!isImport && !isExport) return [];
    return node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier) ? [node.moduleSpecifier.text] : [];
  });
}

const HEAVY = [
  'src/engine/runner.ts',
  'src/engine/ingest/ingest.ts',
  'src/adapters/disk-files.ts',
  'src/adapters/sinks/formatter.ts',
  'src/adapters/sources/open-source.ts',
  'src/adapters/anthropic/api.ts',
  'src/adapters/sqlite/store.ts',
  '@anthropic-ai/sdk',
  'better-sqlite3',
  'csv-parse',
  'stream-json/core/parser.js',
  'node:http',
  'node:https',
  'node:worker_threads',
];

describe('what is loaded at once', () => {
  it.each([
    ['src/cli/main.ts', 7],
    ['src/cli/status.ts', 33],
    ['src/cli/list.ts', 29],
    ['src/cli/log.ts', 24],
    ['src/cli/limits.ts', 24],
  ])('with %s is nothing heavy, and at most %i files', (path, most) => {
    expect(existsSync(join(ROOT, path))).toBe(true);
    const loaded = loadedWith(path);
    expect(HEAVY.filter((heavy) => loaded.has(heavy))).toEqual([]);
    expect([...loaded].filter((one) => one.startsWith('src/')).length).toBeLessThanOrEqual(most);
  });

  it('with a command that drives is what it needs: the check can fail', () => {
    expect(loadedWith('src/cli/drive/drive-runs.ts').has('src/engine/runner.ts')).toBe(true);
  });
});
