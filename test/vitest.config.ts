/**
 * The suites (CONTRIBUTING, "The suites"). `npx vitest run --config test/vitest.config.ts --project unit` runs one.
 *
 * Every file runs in a process of its own (`forks`): better-sqlite3 is native code, and the crash suite kills what it
 * starts. An unhandled rejection anywhere fails the run; that is vitest's default and must stay so.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const SECOND_MS = 1_000;

interface Suite {
  readonly name: string;
  readonly testTimeout: number;
  /** False: one file after the other. */
  readonly fileParallelism?: boolean;
}

/** A bound finds what hangs; how fast something is, no test says: on a machine with other work it would be wrong. */
const SUITES: readonly Suite[] = [
  { name: 'unit', testTimeout: 60 * SECOND_MS },
  { name: 'contract', testTimeout: 60 * SECOND_MS },
  { name: 'sim', testTimeout: 180 * SECOND_MS },
  // Each file kills what it has started itself, and nothing else.
  { name: 'crash', testTimeout: 300 * SECOND_MS },
  { name: 'cli', testTimeout: 120 * SECOND_MS },
  { name: 'library', testTimeout: 120 * SECOND_MS },
  // Installs the packed program: one after the other, and a native module may have to be built.
  { name: 'package', testTimeout: 900 * SECOND_MS, fileParallelism: false },
  // A browser and a server that it looks at: one after the other.
  { name: 'browser', testTimeout: 90 * SECOND_MS, fileParallelism: false },
  { name: 'meta', testTimeout: 120 * SECOND_MS },
];

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    // Only while a suite has no folder yet: once all have, a filter that matches nothing is an error.
    passWithNoTests: SUITES.some(({ name }) => !existsSync(new URL(name, import.meta.url))),
    // One second unless told, which a busy machine lets pass between two looks.
    expect: { poll: { timeout: 50 * SECOND_MS } },
    reporters: ['default', './test/support/plain-reporter.ts'],
    // By default one core is left free; on machines with two that is half of them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: SUITES.map(({ name, testTimeout, fileParallelism }) => ({
      extends: true as const,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        environment: 'node' as const,
        pool: 'forks' as const,
        testTimeout,
        hookTimeout: testTimeout,
        ...(fileParallelism === undefined ? {} : { fileParallelism }),
      },
    })),
  },
});
