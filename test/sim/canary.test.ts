/**
 * Is the net there? Each bug of canaries.ts must be caught within a few seeds. One that lives on means that the
 * simulation has gone blind.
 */
import { expect, test } from 'vitest';
import { CANARIES } from './canaries.ts';
import { simulate } from './simulate.ts';

const SEEDS_MAX = 400;
/** With one seed to replay, the canaries stay in their cage. */
const ONE_SEED = process.env['SIM_SEED'] !== undefined;

// The sound engine passes all of these seeds (sim.test.ts): what is caught here is the planted bug.
test.skipIf(ONE_SEED).each(CANARIES)('caught: $what', { timeout: 600_000 }, async (canary) => {
  const { what, plant, caughtBy } = canary;
  const sharpened = canary.sharpened ? { sharpened: canary.sharpened } : {};
  const startedAt = performance.now();
  // Not every seed meets the planted bug: first the one that did when the canary was written.
  for (let tried = 1; tried <= SEEDS_MAX; tried++) {
    const seed = tried === 1 ? canary.seed : tried - 1;
    const { violations } = await simulate(seed, { ...sharpened, sabotage: plant() });
    const caught = violations.find((text) => caughtBy.test(text));
    if (caught === undefined) continue;
    if (canary.sharpened) expect((await simulate(seed, sharpened)).violations).toEqual([]);
    const ms = Math.round(performance.now() - startedAt);
    process.stdout.write(`canary: ${what}: seed ${seed}, ${tried} tried, ${ms} ms: ${caught.split('\n')[0] ?? ''}\n`);
    return;
  }
  expect.fail(`${SEEDS_MAX} seeds did not notice that ${what}`);
});
