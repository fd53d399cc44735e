/**
 * The promises P1 to P3 and P5 under every fault at once, many times: the real engine, ledger, formatter and API client
 * against the simulated API, under a virtual clock. A seed is a bug report: `SIM_SEED=n npx vitest run --config
 * test/vitest.config.ts --project sim` replays it, `SIM_SEEDS=n` runs so many instead of the usual number.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FAULT_NAMES } from '../../src/tools/sim/faults.ts';
import { planOf } from './plan.ts';
import { simulate, type SeedResult } from './simulate.ts';

const SEEDS_DEFAULT = 300;
/** One seed in so many runs twice: lost determinism is a failure. */
const REPLAYED = 10;
const LOG_CHARS = 20_000;

const only = process.env['SIM_SEED'];
const count = Number(process.env['SIM_SEEDS'] ?? SEEDS_DEFAULT);
const first = Number(process.env['SIM_FIRST'] ?? 1);

describe.skipIf(only === undefined)('one seed', () => {
  test(`seed ${only}`, async () => {
    const result = await simulate(only ?? '', { keepLog: true });
    if (result.violations.length > 0) process.stderr.write(`${story(result)}\n`);
    expect(result.violations).toEqual([]);
  });
});

describe.skipIf(only !== undefined)('many seeds', () => {
  test('the seeds that failed once', async () => {
    expect(failures(await runAll(keptSeeds()))).toEqual([]);
  });

  test(`${count} seeds`, { timeout: 3_600_000 }, async () => {
    const results = await runAll(Array.from({ length: count }, (_unused, at) => String(first + at)));
    process.stdout.write(`${summary(results)}\n`);
    expect(failures(results)).toEqual([]);
    expect(results.length < 150 ? [] : undrawn(results)).toEqual([]);
  });
});

/** What the seed drew, and the end of what happened. */
function story(result: SeedResult): string {
  const { rows, ...plan } = planOf(result.seed);
  return `${rows.length} rows; ${JSON.stringify(plan)}\n${result.log.text.slice(-LOG_CHARS)}`;
}

/** Seeds that failed once: one a line, with a comment behind #. */
function keptSeeds(): string[] {
  const text = readFileSync(new URL('../../fixtures/seeds.txt', import.meta.url), 'utf8');
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}

async function runAll(seeds: readonly string[]): Promise<SeedResult[]> {
  const results: SeedResult[] = [];
  for (const [nth, seed] of seeds.entries()) {
    const result = await simulate(seed);
    const again = nth % REPLAYED === 0 ? await simulate(seed) : result;
    const lost = again.digest === result.digest ? [] : ['a replay of this seed went another way: determinism is lost'];
    results.push({ ...result, violations: [...result.violations, ...lost] });
  }
  return results;
}

function failures(results: readonly SeedResult[]): string[] {
  return results.flatMap(({ seed, violations }) => violations.map((text) => `SIM_SEED=${seed}: ${text}`));
}

function totals(results: readonly SeedResult[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { faults } of results) for (const [name, times] of faults) sums.set(name, (sums.get(name) ?? 0) + times);
  return sums;
}

function undrawn(results: readonly SeedResult[]): string[] {
  const sums = totals(results);
  return FAULT_NAMES.filter((name) => (sums.get(name) ?? 0) === 0);
}

function summary(results: readonly SeedResult[]): string {
  const sum = (of: (result: SeedResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  const hours = Math.round(sum((result) => result.virtualMs) / 3_600_000);
  const faults = [...totals(results)].sort().map(([name, times]) => `${name} ${times}`);
  const figures = `${results.length} seeds, ${hours} virtual hours, ${sum((result) => result.crashes)} crashes, ${sum((result) => result.requests)} requests`;
  return `${figures}; faults: ${faults.join(', ')}`;
}
