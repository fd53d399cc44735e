/**
 * A project of somebody else's that has batchrun installed: what its compiler says, and what its programs do.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { tempFolder } from '../support/temp.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
/** What such a project has beside batchrun. */
const OTHERS = ['@anthropic-ai/sdk', '@types/node', 'undici-types'];

/** A folder with these files, in which `batchrun` is this checkout as it was built. */
export function consumer(files: Readonly<Record<string, string>>, others = OTHERS): string {
  const folder = tempFolder();
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  link(folder, 'batchrun', CHECKOUT);
  for (const name of others) link(folder, name, join(CHECKOUT, 'node_modules', name));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function link(folder: string, name: string, target: string): void {
  const path = join(folder, 'node_modules', name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

/** What a strict compiler says of these files, the declarations of libraries included. */
export function complaints(folder: string, names: readonly string[], more: ts.CompilerOptions = {}): string[] {
  const program = ts.createProgram(
    names.map((name) => join(folder, name)),
    {
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      types: ['node'],
      typeRoots: [join(folder, 'node_modules/@types')],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
      ...more,
    },
  );
  return ts.getPreEmitDiagnostics(program).map((problem) => {
    const at = problem.file ? `${problem.file.fileName.replace(CHECKOUT, '')}: ` : '';
    return `${at}${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`;
  });
}

/** The same as JavaScript, for Nodes that do not take types out. */
export function toJavaScript(text: string): string {
  return ts.transpileModule(text, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  }).outputText;
}
