/**
 * The layers as a table, and what breaks them (src/README.md, "Layers"). layers.test.ts holds src to it.
 */
import { importsOf, resolveImport, type Source } from './sources.ts';

interface Layer {
  readonly name: string;
  /** The first layer whose folder is the beginning of a path is the path's layer. */
  readonly folder: string;
  /** Layers that it may import, beside itself. */
  readonly mayImport: readonly string[];
  /** Packages and rooms of Node that it may import; `node:*` is all of Node. */
  readonly packages: readonly string[];
}

export const LAYERS: readonly Layer[] = [
  { name: 'base', folder: 'src/base/', mayImport: [], packages: [] },
  // Hashing and looking at bytes are pure: no file, no socket, no clock.
  { name: 'domain', folder: 'src/domain/', mayImport: ['base'], packages: ['node:crypto', 'node:buffer', 'node:zlib'] },
  {
    name: 'engine',
    folder: 'src/engine/',
    mayImport: ['domain', 'base'],
    // p-limit is the cap on calls under way; node:crypto is for the checksum of a chunk while it is written; the
    // histogram is arithmetic.
    packages: ['p-limit', 'node:crypto', 'hdr-histogram-js/dist/Int32Histogram.js'],
  },
  {
    name: 'adapters',
    folder: 'src/adapters/',
    mayImport: ['domain', 'base'],
    packages: [
      'node:*',
      '@anthropic-ai/sdk',
      '@redis/client',
      'ajv',
      'ajv-formats',
      'ajv/dist/2019.js',
      'ajv/dist/2020.js',
      'better-sqlite3',
      'csv-parse',
      'csv-parse/sync',
      'prom-client',
      'stream-json/assembler.js',
      'stream-json/core/parser.js',
      'stream-json/core/utils/verifier.js',
    ],
  },
  {
    // The independent judge: it shares no number and no parser with what it judges.
    name: 'simulator',
    folder: 'src/tools/sim/',
    mayImport: ['base'],
    packages: ['node:buffer', 'node:crypto', 'node:events', 'node:http', 'node:zlib'],
  },
  {
    // The engine on the simulator: the one room that knows both, and judges neither.
    name: 'rehearsal',
    folder: 'src/tools/rehearse/',
    mayImport: ['simulator', 'tools', 'engine', 'domain', 'base'],
    packages: ['node:crypto'],
  },
  {
    name: 'tools',
    folder: 'src/tools/',
    mayImport: ['engine', 'domain', 'base'],
    packages: ['node:crypto', 'hdr-histogram-js/dist/Int32Histogram.js'],
  },
  {
    // What both ways in share, the command line and the library: the state folder and where outputs may go. It names
    // adapters and the machine, so that neither of them has to say it twice.
    name: 'host',
    folder: 'src/host/',
    mayImport: ['adapters', 'engine', 'domain', 'base'],
    packages: ['node:*'],
  },
  {
    // The second composition root, for programs that import batchrun: nothing of the command line is in it.
    name: 'library',
    folder: 'src/library/',
    mayImport: ['host', 'tools', 'simulator', 'adapters', 'engine', 'domain', 'base'],
    packages: ['node:*'],
  },
  {
    // The composition root: context.ts and context-files.ts alone know which adapter stands behind a port.
    name: 'context',
    folder: 'src/cli/context',
    mayImport: ['cli', 'host', 'tools', 'rehearsal', 'simulator', 'adapters', 'engine', 'domain', 'base'],
    packages: ['node:*'],
  },
  {
    name: 'cli',
    folder: 'src/cli/',
    mayImport: ['context', 'host', 'tools', 'rehearsal', 'simulator', 'engine', 'domain', 'base'],
    packages: ['node:*', 'commander', 'yaml'],
  },
];

export function layerOf(path: string): Layer | undefined {
  return LAYERS.find(({ folder }) => path.startsWith(folder));
}

/** One sentence for each import that the table does not allow. */
export function brokenImports(sources: readonly Source[]): string[] {
  const paths = new Set(sources.map(({ path }) => path));
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ specifier, line }) => {
      const complaint = complain(source.path, specifier, paths);
      return complaint === undefined ? [] : [`${source.path}:${line}: ${complaint}`];
    }),
  );
}

function complain(from: string, specifier: string, paths: ReadonlySet<string>): string | undefined {
  const layer = layerOf(from);
  if (layer === undefined) return `the file is in no layer; add its folder to test/meta/layers.ts`;
  const target = resolveImport(from, specifier);
  if (target === undefined) {
    const isAllowed =
      layer.packages.includes(specifier) || (specifier.startsWith('node:') && layer.packages.includes('node:*'));
    return isAllowed ? undefined : `${layer.name} may not import the package ${specifier}`;
  }
  // package.json is data: whoever may read files may import it.
  if (target === 'package.json')
    return layer.packages.includes('node:*') ? undefined : `${layer.name} may not read package.json`;
  if (!paths.has(target)) return `${specifier} points to no file of src`;
  const other = layerOf(target);
  if (other === undefined || other === layer || layer.mayImport.includes(other.name)) return undefined;
  return `${layer.name} may not import ${other.name} (${target})`;
}

/** Circles of imports, each once, as the paths on the way round. Imports of types count: a circle of rooms is a knot. */
export function circles(sources: readonly Source[]): string[][] {
  const next = new Map(sources.map((source) => [source.path, targetsOf(source)]));
  const found: string[][] = [];
  const finished = new Set<string>();
  const way: string[] = [];
  const visit = (path: string): void => {
    const start = way.indexOf(path);
    if (start >= 0) found.push([...way.slice(start), path]);
    if (start >= 0 || finished.has(path)) return;
    way.push(path);
    for (const target of next.get(path) ?? []) visit(target);
    way.pop();
    finished.add(path);
  };
  for (const path of next.keys()) visit(path);
  return found;
}

/** Everything that can be reached from the entries by imports, the entries included. */
export function reachable(sources: readonly Source[], entries: readonly string[]): Set<string> {
  const next = new Map(sources.map((source) => [source.path, targetsOf(source)]));
  const seen = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    waiting.push(...(next.get(path) ?? []));
  }
  return seen;
}

function targetsOf(source: Source): string[] {
  return importsOf(source).flatMap(({ specifier }) => resolveImport(source.path, specifier) ?? []);
}
