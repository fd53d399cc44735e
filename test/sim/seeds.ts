/**
 * Many seeds, and what they came to: the simulation is split over two test files, so that both cores of a small machine
 * work. `SIM_SEED=n` replays one seed with its whole story, `SIM_SEEDS=n` and `SIM_FIRST=n` choose others than the usual.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FAULT_NAMES } from '../../src/tools/sim/faults.ts';
import { planOf } from './plan.ts';
import { simulate, type SeedResult } from './simulate.ts';

const SEEDS_DEFAULT = 1_000;
/** One seed in so many runs twice: lost determinism is a failure. */
const REPLAYED = 10;
const LOG_CHARS = 20_000;
/** From so many seeds of a half on everything must have been drawn. */
const ENOUGH_SEEDS = 300;

const only = process.env['SIM_SEED'];
const count = Number(process.env['SIM_SEEDS'] ?? SEEDS_DEFAULT);
const first = Number(process.env['SIM_FIRST'] ?? 1);

/** Of the seeds every second one: `half` 0 and 1 together are all. */
export function describeSeeds(half: 0 | 1): void {
  describe.skipIf(only === undefined || half === 1)('one seed', () => {
    test(`seed ${only}`, async () => {
      const result = await simulate(only ?? '', { keepLog: true });
      if (result.violations.length > 0) process.stderr.write(`${story(result)}\n`);
      expect(result.violations).toEqual([]);
    });
  });

  describe.skipIf(only !== undefined)('many seeds', () => {
    test.skipIf(half === 1)('the seeds that failed once', { timeout: 6 * 3_600_000 }, async () => {
      expect(failures(await runAll(seedsThatFailed()))).toEqual([]);
    });

    const seeds = Array.from({ length: count }, (_unused, at) => first + at).filter((seed) => seed % 2 === 1 - half);
    test(`${seeds.length} seeds`, { timeout: 6 * 3_600_000 }, async () => {
      const results = await runAll(seeds.map(String));
      process.stdout.write(`sim: ${JSON.stringify(summaryOf(results))}\n`);
      expect(failures(results)).toEqual([]);
      expect(results.length < ENOUGH_SEEDS ? [] : undrawn(results)).toEqual([]);
    });
  });
}

/** What the seed drew, and the end of what happened. */
function story(result: SeedResult): string {
  const { rows, ...plan } = planOf(result.seed);
  return `${rows.length} rows; ${JSON.stringify(plan)}\n${result.log.text.slice(-LOG_CHARS)}`;
}

/** One seed a line, with a comment behind #. */
function seedsThatFailed(): string[] {
  const text = readFileSync(new URL('../../fixtures/seeds.txt', import.meta.url), 'utf8');
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}

type Short = Omit<SeedResult, 'log' | 'plan'>;

async function runAll(seeds: readonly string[]): Promise<Short[]> {
  const results: Short[] = [];
  for (const [nth, seed] of seeds.entries()) {
    // The log and the rows are let go: twenty thousand of them would fill the memory.
    const { log: _log, plan: _plan, ...result } = await simulate(seed);
    const again = nth % REPLAYED === 0 ? await simulate(seed) : result;
    const lost = again.digest === result.digest ? [] : ['a replay of this seed went another way: determinism is lost'];
    results.push({ ...result, violations: [...result.violations, ...lost] });
  }
  return results;
}

function failures(results: readonly Short[]): string[] {
  return results.flatMap(({ seed, violations }) => violations.map((text) => `SIM_SEED=${seed}: ${text}`));
}

interface Summary {
  readonly seeds: number;
  readonly failed: number;
  readonly virtualHours: number;
  /** Crashes, Ctrl-Cs, disk-full spells, clock steps, takeovers, requests, … */
  readonly counts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
}

function summaryOf(results: readonly Short[]): Summary {
  const counts: Record<string, number> = {};
  const faults: Record<string, number> = {};
  const add = (sums: Record<string, number>, name: string, times: number): void => {
    sums[name] = (sums[name] ?? 0) + times;
  };
  let virtualMs = 0;
  for (const result of results) {
    virtualMs += result.virtualMs;
    for (const [name, times] of Object.entries(result.counts)) add(counts, name, times);
    for (const [name, times] of result.faults) add(faults, name, times);
  }
  return {
    seeds: results.length,
    failed: results.filter(({ violations }) => violations.length > 0).length,
    virtualHours: Math.round(virtualMs / 3_600_000),
    counts,
    faults: Object.fromEntries(Object.entries(faults).sort()),
  };
}

/** A cancel is rare, and this answer to one rarer: a half of the seeds may miss it. */
const RARE: ReadonlySet<string> = new Set(['cancel.500_after']);

/** Faults and troubles that were never met: a net with a hole. */
function undrawn(results: readonly Short[]): string[] {
  const { faults, counts } = summaryOf(results);
  const never = (sums: Readonly<Record<string, number>>) => (name: string) => (sums[name] ?? 0) === 0;
  const drawn = FAULT_NAMES.filter((name) => !RARE.has(name));
  return [...drawn.filter(never(faults)), ...Object.keys(counts).filter(never(counts))];
}
