/**
 * Who may import whom (src/README.md, "Layers"): the real files obey, and each rule fires on a file that does not.
 */
import { describe, expect, it } from 'vitest';
import { brokenImports, circles, layerOf, LAYERS } from './layers.ts';
import { parse, readText, sourcesBelow, type Source } from './sources.ts';

const sources = sourcesBelow('src');

describe('src', () => {
  it('imports only what its layer may', () => {
    expect(brokenImports(sources)).toEqual([]);
  });

  it('has no circles of imports', () => {
    expect(circles(sources).map((circle) => circle.join(' -> '))).toEqual([]);
  });

  it('has files in every layer that must exist', () => {
    const inUse = new Set(sources.map(({ path }) => layerOf(path)?.name));
    expect([...inUse]).toEqual(expect.arrayContaining(['base', 'domain', 'engine', 'adapters', 'simulator']));
  });

  it('imports only packages that package.json lists as dependencies', () => {
    const { dependencies } = JSON.parse(readText('package.json')) as { dependencies: Record<string, string> };
    const named = LAYERS.flatMap(({ packages }) => packages).filter((name) => !name.startsWith('node:'));
    const roots = named.map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining([...new Set(roots)]));
  });
});

/** A small tree in which everything is allowed, and one file added to it. */
function treeWith(path: string, text: string): Source[] {
  const files: Record<string, string> = {
    'src/base/clock.ts': 'export interface Clock { now(): number }',
    'src/domain/model.ts': "import type { Clock } from '../base/clock.ts'; export type Model = Clock;",
    'src/engine/ingest.ts': "import type { Model } from '../domain/model.ts'; export type Ingest = Model;",
    'src/adapters/sqlite/store.ts': "import Database from 'better-sqlite3'; export const store = Database;",
    'src/tools/planner.ts': "import type { Ingest } from '../engine/ingest.ts'; export type Planner = Ingest;",
    'src/tools/sim/world.ts': "import type { Clock } from '../../base/clock.ts'; export type World = Clock;",
    'src/cli/context.ts': "import { store } from '../adapters/sqlite/store.ts'; export const context = store;",
    [path]: text,
  };
  return Object.entries(files).map(([name, content]) => parse(name, content));
}

describe('the rules fire:', () => {
  it.each([
    ['src/base/bad.ts', "import type { Model } from '../domain/model.ts';", 'base may not import domain'],
    ['src/base/bad.ts', "import { once } from 'node:events';", 'base may not import the package node:events'],
    ['src/domain/bad.ts', "import { readFileSync } from 'node:fs';", 'domain may not import the package node:fs'],
    ['src/domain/bad.ts', "export * from '../engine/ingest.ts';", 'domain may not import engine'],
    ['src/engine/bad.ts', "import { store } from '../adapters/sqlite/store.ts';", 'engine may not import adapters'],
    ['src/engine/bad.ts', "const sdk = await import('@anthropic-ai/sdk');", 'engine may not import the package'],
    ['src/engine/bad.ts', "type T = import('../tools/planner.ts').Planner;", 'engine may not import tools'],
    ['src/adapters/bad.ts', "import type { Ingest } from '../engine/ingest.ts';", 'adapters may not import engine'],
    ['src/tools/sim/bad.ts', "import type { Model } from '../../domain/model.ts';", 'simulator may not import domain'],
    ['src/tools/bad.ts', "import { store } from '../adapters/sqlite/store.ts';", 'tools may not import adapters'],
    ['src/tools/bad.ts', "import type { World } from './sim/world.ts';", 'tools may not import simulator'],
    ['src/cli/main.ts', "import { store } from '../adapters/sqlite/store.ts';", 'cli may not import adapters'],
    ['src/cli/bad.ts', "const Database = require('better-sqlite3');", 'cli may not import the package better-sqlite3'],
    ['src/cli/bad.ts', "import '../domain/none.ts';", '../domain/none.ts points to no file of src'],
    ['src/other/bad.ts', "import 'node:fs';", 'the file is in no layer'],
  ])('%s with %s', (path, text, complaint) => {
    expect(brokenImports(treeWith(path, text))).toEqual([expect.stringContaining(`${path}:1: ${complaint}`)]);
  });

  it('a tree without a bad file is fine, and an import in a comment or a string is none', () => {
    const text = "// import '../domain/model.ts'\nexport const text = \"import '../domain/model.ts'\";";
    expect(brokenImports(treeWith('src/base/good.ts', text))).toEqual([]);
  });

  it('a circle is found, also of types', () => {
    const sources = [
      parse('src/base/a.ts', "import './b.ts';"),
      parse('src/base/b.ts', "import type { C } from './c.ts';"),
      parse('src/base/c.ts', "export { a } from './b.ts';"),
    ];
    expect(circles(sources)).toEqual([['src/base/b.ts', 'src/base/c.ts', 'src/base/b.ts']]);
  });
});
