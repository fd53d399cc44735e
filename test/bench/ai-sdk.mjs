/**
 * Vercel's AI SDK for the benchmarks: installed when it is first needed, in these versions, into a cache of its own. No
 * dependency of batchrun and not in its lock file. Without a network there is none; then the figures are quoted.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = { ai: '7.0.173', '@ai-sdk/anthropic': '4.0.105' };
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/batchrun-bench', import.meta.url));

/** What the row of the table is called. */
export const AI_SDK = `AI SDK ${PACKAGES.ai}`;

/** The folder where it is installed, or null where it cannot be had. */
export function installAiSdk() {
  const folder = join(process.env.BENCH_CACHE ?? CACHE, `ai-${PACKAGES.ai}-${PACKAGES['@ai-sdk/anthropic']}`);
  const whole = join(folder, 'installed');
  if (existsSync(whole)) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const wanted = Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`);
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder, ...wanted];
  const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8' });
  if (status === 0) {
    writeFileSync(whole, '');
    return folder;
  }
  process.stderr.write(`${AI_SDK} cannot be installed here: ${(stderr ?? '').trim().split('\n').at(-1)}\n`);
  rmSync(folder, { recursive: true, force: true });
  return null;
}
