/**
 * The simulations' disk in memory (test/support/memory-files.ts) for benchmarks, on the built program: its types are taken
 * away, and its imports from src are turned to the build. A real disk would be overtaken by a time that jumps.
 */
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { builtUrl } from './places.mjs';

const SOURCE = new URL('../support/memory-files.ts', import.meta.url);

const { outputText } = ts.transpileModule(readFileSync(SOURCE, 'utf8'), {
  compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
});
const onBuild = outputText.replace(/'\.\.\/\.\.\/src\/([^']+)\.ts'/g, (_, path) => `'${builtUrl(`${path}.js`)}'`);

export const { createMemoryFiles } = await import(`data:text/javascript,${encodeURIComponent(onBuild)}`);
