/**
 * The names that programs can import are a promise: what comes, goes or changes its kind is changed here on purpose,
 * in fixtures/library-api.txt (`UPDATE_API=1` writes it).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { RUN_EVENT_KINDS } from '../../src/library/events.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REPORT = join(ROOT, 'fixtures/library-api.txt');
const ENTRIES = { batchrun: 'index.ts', 'batchrun/sim': 'sim.ts', 'batchrun/limiter': 'limiter.ts' } as const;

const program = ts.createProgram(
  Object.values(ENTRIES).map((name) => join(ROOT, 'src/library', name)),
  {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    allowImportingTsExtensions: true,
    noEmit: true,
  },
);
const checker = program.getTypeChecker();

interface Exported {
  readonly name: string;
  readonly kind: string;
  readonly members: readonly string[];
  readonly isDocumented: boolean;
}

function exportsOf(entry: string): Exported[] {
  const source = program.getSourceFile(join(ROOT, 'src/library', entry));
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`there is no ${entry}`);
  return checker
    .getExportsOfModule(module)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .map((symbol) => ({
      name: symbol.name,
      kind: kindOf(symbol),
      members: [...(symbol.members?.keys() ?? [])].map(String).filter((name) => !name.startsWith('__')),
      isDocumented: symbol.getDocumentationComment(checker).length > 0,
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

function kindOf({ flags }: ts.Symbol): string {
  if (flags & ts.SymbolFlags.Function) return 'function';
  if (flags & ts.SymbolFlags.Class) return 'class';
  if (flags & ts.SymbolFlags.Variable) return 'value';
  return flags & ts.SymbolFlags.Interface ? 'interface' : 'type';
}

function report(): string {
  const parts = Object.entries(ENTRIES).map(([name, entry]) => {
    const lines = exportsOf(entry).map(({ name: exported, kind, members }) => {
      return `  ${kind} ${exported}${members.length > 0 ? `: ${members.join(', ')}` : ''}`;
    });
    return `${name}\n${lines.join('\n')}\n`;
  });
  return `${parts.join('\n')}\nkinds of events\n  ${RUN_EVENT_KINDS.join(', ')}\n`;
}

describe('what can be imported', () => {
  it('is what the fixture lists', () => {
    const now = report();
    if (process.env['UPDATE_API'] === '1') writeFileSync(REPORT, now);
    expect(now).toBe(readFileSync(REPORT, 'utf8'));
  });

  it('is documented, every name of it', () => {
    const bare = Object.values(ENTRIES).flatMap((entry) =>
      exportsOf(entry).filter(({ isDocumented }) => !isDocumented),
    );
    expect([...new Set(bare.map(({ name }) => name))]).toEqual([]);
  });

  it('is documented with every kind of event', () => {
    const page = readFileSync(join(ROOT, '.github/docs/library.md'), 'utf8');
    expect(RUN_EVENT_KINDS.filter((kind) => !page.includes(`\`${kind}\``))).toEqual([]);
  });
});
