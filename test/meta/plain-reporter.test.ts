/**
 * The closing line of a test run tells the truth: what fails outside a test is counted, too.
 */
import { expect, it } from 'vitest';
import { count, totalsLine, type CountedModule } from '../support/plain-reporter.ts';

function module(state: string, ...tests: readonly string[]): CountedModule {
  return {
    state: () => state,
    children: { allTests: () => tests.map((test) => ({ result: () => ({ state: test }) })) },
  };
}

it.each([
  [
    'all is well',
    [module('passed', 'passed', 'passed'), module('passed', 'passed')],
    0,
    '3 passed, 0 failed, 0 skipped',
  ],
  ['a test failed', [module('failed', 'passed', 'failed')], 0, '1 passed, 1 failed, 0 skipped'],
  ['a file did not load', [module('failed')], 0, '0 passed, 1 failed, 0 skipped'],
  ['a hook failed after its tests', [module('failed', 'passed')], 0, '1 passed, 1 failed, 0 skipped'],
  ['a rejection was not handled', [module('passed', 'passed')], 1, '1 passed, 1 failed, 0 skipped'],
  [
    'a test was skipped, another never ran',
    [module('passed', 'skipped', 'pending')],
    0,
    '0 passed, 0 failed, 2 skipped',
  ],
])('%s', (_name, modules, unhandledErrors, line) => {
  expect(totalsLine(count(modules, unhandledErrors))).toBe(line);
});
