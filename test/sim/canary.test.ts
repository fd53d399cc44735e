/**
 * Is the net there? Each bug of canaries.ts must be caught within a few seeds. One that lives on means that the
 * simulation has gone blind.
 */
import { expect, test } from 'vitest';
import { CANARIES } from './canaries.ts';
import { simulate } from './simulate.ts';

const SEEDS_MAX = 400;

// The sound engine passes all of these seeds (sim.test.ts): what is caught here is the planted bug.
test.each(CANARIES)('caught: $what', { timeout: 600_000 }, async ({ what, plant, caughtBy }) => {
  const startedAt = performance.now();
  // Not every seed meets the planted bug.
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const { violations } = await simulate(seed, { sabotage: plant() });
    const caught = violations.find((text) => caughtBy.test(text));
    if (caught === undefined) continue;
    const ms = Math.round(performance.now() - startedAt);
    process.stdout.write(`canary: ${what}: seed ${seed}, ${seed} tried, ${ms} ms: ${caught.split('\n')[0] ?? ''}\n`);
    return;
  }
  expect.fail(`${SEEDS_MAX} seeds did not notice that ${what}`);
});
