/**
 * A long run of the simulation, for the note of a release: `node test/sim/long.mjs 20000` runs so many seeds on two
 * processes (vitest gives each half of them one) and prints the sums of both halves as JSON. A second number is the first
 * seed; default 1. Exit 1 where a seed failed.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const [seeds = '20000', first = '1'] = process.argv.slice(2);
const startedAt = performance.now();
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const files = ['test/sim/sim.test.ts', 'test/sim/sim-b.test.ts'];
const child = spawn(process.execPath, [vitest, 'run', '--config', 'test/vitest.config.ts', ...files], {
  cwd: root,
  env: { ...process.env, SIM_SEEDS: seeds, SIM_FIRST: first },
  stdio: ['ignore', 'pipe', 'inherit'],
});

let text = '';
for await (const piece of child.stdout) {
  process.stdout.write(piece);
  text += piece;
}
const code = await new Promise((resolve) => {
  if (child.exitCode !== null) resolve(child.exitCode);
  else child.once('exit', resolve);
});

const halves = [...text.matchAll(/^sim: (\{.*\})$/gm)].map((match) => JSON.parse(match[1]));
const sum = { seeds: 0, failed: 0, virtualHours: 0, counts: {}, faults: {} };
for (const half of halves) {
  for (const name of ['seeds', 'failed', 'virtualHours']) sum[name] += half[name];
  for (const name of ['counts', 'faults']) {
    for (const [key, times] of Object.entries(half[name])) sum[name][key] = (sum[name][key] ?? 0) + times;
  }
}
const seconds = Math.round((performance.now() - startedAt) / 1000);
process.stdout.write(`${JSON.stringify({ ...sum, seconds })}\n`);
process.exitCode = code === 0 && halves.length === files.length && sum.failed === 0 ? 0 : 1;
