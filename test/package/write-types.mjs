/**
 * Part of the build: of all declarations that the compiler wrote, those stay that the entries of package.json need. What
 * is in none of them is nobody's to import, and the package is half as large.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'dist');
const { exports: entries } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** Files that a declaration imports. Of packages there must be none: types of Node alone are expected of users. */
function importsOf(path) {
  const found = ts.preProcessFile(readFileSync(path, 'utf8')).importedFiles.map(({ fileName }) => fileName);
  const foreign = found.filter((name) => !name.startsWith('.') && !name.startsWith('node:'));
  if (foreign.length > 0) throw new Error(`${path} needs the types of ${foreign.join(', ')}`);
  return found
    .filter((name) => name.startsWith('.'))
    .map((name) => resolve(dirname(path), name.replace(/\.[jt]s$/, '.d.ts')));
}

const waiting = Object.values(entries).flatMap((entry) => (entry.types === undefined ? [] : [join(ROOT, entry.types)]));
const needed = new Set();
for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
  if (needed.has(path)) continue;
  if (!existsSync(path)) throw new Error(`there is no ${path}`);
  needed.add(path);
  waiting.push(...importsOf(path));
}
for (const name of readdirSync(DIST, { recursive: true })) {
  const path = join(DIST, String(name));
  if (path.endsWith('.d.ts') && !needed.has(path)) rmSync(path);
}
