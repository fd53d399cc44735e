/**
 * Runs a Node program to its end and gives what it cost: wall time of the whole process, CPU seconds of all its threads,
 * and the peak of its resident memory, which it reports itself when it ends.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const HOOK = `data:text/javascript,${encodeURIComponent(
  `import{writeFileSync}from'node:fs';process.on('exit',()=>writeFileSync(process.env.BENCH_USAGE,JSON.stringify(process.resourceUsage())))`,
)}`;

const STDERR_CHARS = 2_000;

/** `codes`: exit codes that are no failure. */
export async function measure(args, { folder, env = {}, codes = [0] }) {
  const usageFile = join(folder, 'usage.json');
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', HOOK, ...args], {
    cwd: folder,
    env: { ...process.env, ...env, BENCH_USAGE: usageFile },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (data) => (stderr = (stderr + data).slice(-STDERR_CHARS)));
  const [code] = await once(child, 'close');
  const seconds = (performance.now() - start) / 1000;
  if (!codes.includes(code)) throw new Error(`${args.slice(0, 3).join(' ')} ended with ${code}: ${stderr}`);
  const { userCPUTime, systemCPUTime, maxRSS } = JSON.parse(readFileSync(usageFile, 'utf8'));
  return { seconds, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMb: maxRSS / 1024 };
}

/** Seconds from the start of a program to its end, with nothing else in the way. */
export function timed(args, { folder, env = {} } = {}) {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${args.slice(0, 3).join(' ')} ended with ${status}: ${stderr}`);
  return seconds;
}

/** Least, middle and most of some numbers. */
export function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return { min: sorted[0], median: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) };
}
