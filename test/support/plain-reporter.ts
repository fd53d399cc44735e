/**
 * The last line of a test run: `N passed, N failed, N skipped`, alone and without colour.
 *
 * The default reporter draws a table for people; scripts and logs want one line of a fixed form that they can search.
 * What fails outside a test (a file that does not load, an unhandled rejection, a hook) counts as failed as well,
 * so that the line never says `0 failed` of a run that did fail.
 */
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export default class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    process.stdout.write(`${totalsLine(count(modules, unhandledErrors.length))}\n`);
  }
}

export function totalsLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** What the reporter needs of a module: less than the whole, so that a test can make one. */
export interface CountedModule {
  readonly children: { allTests(): Iterable<{ result(): { readonly state: string } }> };
  state(): string;
}

export function count(modules: readonly CountedModule[], unhandledErrors: number): Totals {
  const totals = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    const failedBefore = totals.failed;
    for (const test of module.children.allTests()) {
      const state = test.result().state;
      if (state === 'passed') totals.passed++;
      else if (state === 'failed') totals.failed++;
      // A test that never came to run (`pending`) was cut off: it is not counted as passed.
      else totals.skipped++;
    }
    // The file itself failed, in its imports or in a hook, and no test of it says so.
    if (module.state() === 'failed' && totals.failed === failedBefore) totals.failed++;
  }
  return totals;
}
