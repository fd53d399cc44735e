/**
 * Where things are for the benchmarks: the program that is measured (BENCH_DIST names another build than dist/), the
 * scripts beside this one, and folders for what they write.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const DIST = resolve(process.env.BENCH_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url)));

/** The program as it was built. */
export const MAIN = join(DIST, 'cli/main.js');

/** A script of this folder. */
export function script(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** A module of the built program. */
export function loadBuilt(path) {
  return import(builtUrl(path));
}

export function builtUrl(path) {
  return pathToFileURL(join(DIST, path)).href;
}

/** A new folder for one bench, to be removed by it. */
export function newFolder(parent = tmpdir()) {
  return mkdtempSync(join(resolve(parent), 'batchrun-bench-'));
}
