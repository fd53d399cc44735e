/**
 * The bans of eslint.config.js fire, each in the folders it is for, and allow what they must: a guard that nobody has
 * seen fire may be switched off by a slip in the configuration.
 *
 * The texts are checked under the names of files that exist, because typed rules know only files of the project.
 */
import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';
import { ROOT } from './sources.ts';

const eslint = new ESLint({ cwd: ROOT });

/** The rules, without the name of their plugin, that a text breaks at this place. */
async function broken(path: string, text: string): Promise<string[]> {
  const [result] = await eslint.lintText(`/** A room. */\n${text}\n`, { filePath: `${ROOT}/${path}` });
  const rules = (result?.messages ?? []).map(({ ruleId, message }) => ruleId?.replace(/^.*\//, '') ?? message);
  return [...new Set(rules)].sort();
}

const BASE = 'src/base/clock.ts';
const DOMAIN = 'src/domain/limits.ts';
const ADAPTER = 'src/adapters/disk-files.ts';
const ENGINE = 'src/engine/engine.ts';
const SIMULATOR = 'src/tools/sim/world.ts';
const TEST = 'test/meta/layers.test.ts';
const SUPPORT = 'test/support/plain-reporter.ts';

// The first text pays for the start of the type checker.
describe('eslint', { timeout: 300_000 }, () => {
  it.each([
    [ENGINE, 'export const at = Date.now();', ['no-restricted-properties']],
    [ENGINE, 'export const at = new Date();', ['no-restricted-syntax']],
    [DOMAIN, 'export const at = Date();', ['no-restricted-syntax']],
    [DOMAIN, 'export const at = Math.random();', ['no-restricted-properties']],
    [ENGINE, 'setTimeout(() => undefined, 5);', ['no-restricted-globals']],
    [SIMULATOR, 'setImmediate(() => undefined);', ['no-restricted-globals']],
    [SIMULATOR, 'globalThis.setTimeout(() => undefined, 5);', ['no-restricted-properties']],
    [ENGINE, 'export const at = performance.now();', ['no-restricted-globals']],
    [ENGINE, "export { setTimeout } from 'node:timers/promises';", ['no-restricted-imports']],
    [ADAPTER, "export const home = process.env['HOME'];", ['no-restricted-properties']],
    [BASE, "console.log('hello');", ['no-restricted-globals']],
    [ADAPTER, "process.stdout.write('hello');", ['no-restricted-properties']],
    [ADAPTER, 'process.exit(1);', ['no-restricted-properties']],
    [ENGINE, 'process.exitCode = 1;', ['no-restricted-properties']],
    [ENGINE, 'export const count = 1 as unknown as string;', ['no-restricted-syntax']],
    [TEST, 'setTimeout(() => undefined, 5);', ['no-restricted-globals']],
    [TEST, "export { setTimeout as sleep } from 'node:timers/promises';", ['no-restricted-imports']],
    [TEST, "import { vi } from 'vitest';\nvi.useFakeTimers();", ['no-restricted-syntax']],
  ])('refuses in %s: %s', async (path, text, rules) => {
    expect(await broken(path, text)).toEqual(rules);
  });

  it.each([
    [
      ENGINE,
      'void 0;\nasync function work(): Promise<void> { await Promise.resolve(); }\nwork();',
      'no-floating-promises',
    ],
    [ENGINE, 'export const list = [1].filter(async () => Promise.resolve(true));', 'no-misused-promises'],
    [ENGINE, 'export async function work(): Promise<number> { return 1; }', 'require-await'],
    [
      ENGINE,
      "export function f(s: 'a' | 'b'): number { switch (s) { case 'a': return 1; } return 2; }",
      'switch-exhaustiveness-check',
    ],
    [ENGINE, 'export const first = (list: number[]): number => list[0]!;', 'no-non-null-assertion'],
    [ENGINE, 'export const any = (value: any): void => void value;', 'no-explicit-any'],
    [ENGINE, "import { Clock } from '../base/clock.ts';\nexport type Time = Clock;", 'consistent-type-imports'],
    [ENGINE, 'export const f = (n: number): number => n ?? 1;', 'no-unnecessary-condition'],
  ])('checks types in %s: %s', async (path, text, rule) => {
    expect(await broken(path, text)).toContain(rule);
  });

  it.each([
    [BASE, 'export const at = Date.now();'],
    [ADAPTER, 'export const at = new Date();'],
    [ENGINE, 'export const at = (ms: number): Date => new Date(ms);'],
    [SUPPORT, 'setTimeout(() => undefined, 5);'],
    [TEST, 'await new Promise((resolve) => setImmediate(resolve));'],
  ])('allows in %s: %s', async (path, text) => {
    expect(await broken(path, text)).toEqual([]);
  });
});
