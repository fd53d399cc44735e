/**
 * One case of `npm run bench:pacing` in real time, by one contestant: the simulator on a socket, and each contestant in
 * processes of its own, batchrun as the built program. From the first call that arrives to the last answer that leaves:
 * how long a process takes to start says nothing about its pace.
 *
 * Of four processes each peer is told a quarter of the limit, which is what one does who knows that there are four;
 * batchrun's have one Redis and are told nothing.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { REALTIME_FLAGS, sharedFlags } from './pacing-batchrun.mjs';
import { paramsOf, worldOptions } from './pacing-cases.mjs';
import { figuresOf } from './pacing-virtual.mjs';
import { loadBuilt, MAIN, newFolder, script } from './places.mjs';
import { startRedis } from './redis-house.mjs';

const { createSimWorld } = await loadBuilt('tools/sim/world.js');
const { startSimServer } = await loadBuilt('tools/sim/server.js');
const { systemClock } = await loadBuilt('base/clock.js');

const MESSAGES = '/v1/messages';

export async function measureReal(given, name) {
  const world = createSimWorld(worldOptions(given), systemClock);
  const { timed, tookMs } = timedWorld(world);
  const server = await startSimServer(timed, { port: 0 });
  try {
    const parts = partsOf(given.rows, given.processes);
    const ends = await (name === 'batchrun' ? runBatchrun(parts, server) : runPeers(parts, { server, given, name }));
    const sum = (key) => ends.reduce((total, end) => (end[key] === null ? null : total + end[key]), 0);
    const { batches } = world.ledger;
    if (batches.length > 0) throw new Error(`it made ${batches.length} batches: not all went by the realtime lane`);
    const come = { given_up: sum('given_up'), beyond_default: sum('beyond_default') };
    return { ...figuresOf(given, { world, tookMs: tookMs() }), ...come };
  } finally {
    await server.close();
  }
}

/** The same world, with an eye on when messages came and went. */
function timedWorld(world) {
  let firstMs = null;
  let lastMs = null;
  const handle = async (request) => {
    const isMessage = request.path === MESSAGES;
    if (isMessage) firstMs ??= performance.now();
    const answer = await world.handle(request);
    if (isMessage) lastMs = performance.now();
    return answer;
  };
  return { timed: { ...world, handle }, tookMs: () => lastMs - firstMs };
}

function partsOf(rows, count) {
  const size = Math.ceil(rows.length / count);
  return Array.from({ length: count }, (_, nth) => rows.slice(nth * size, (nth + 1) * size));
}

function runPeers(parts, { server, given, name }) {
  const rpm = given.limits.rpm / parts.length;
  return Promise.all(
    parts.map(async (rows) => {
      const task = { name, baseURL: server.origin, rpm, rows };
      return JSON.parse(await ran([script('pacing-process.mjs')], { input: JSON.stringify(task) }));
    }),
  );
}

async function runBatchrun(parts, server) {
  const folder = newFolder();
  const redis = parts.length > 1 ? await startRedis() : null;
  try {
    const shared = redis === null ? [] : sharedFlags(redis.url);
    return await Promise.all(
      parts.map((rows, nth) => oneBatchrun(rows, { folder: join(folder, String(nth)), server, shared })),
    );
  } finally {
    await redis?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function oneBatchrun(rows, { folder, server, shared }) {
  mkdirSync(folder);
  const input = join(folder, 'rows.jsonl');
  const lines = rows.map((row) => JSON.stringify({ custom_id: `row-${row.at}`, params: paramsOf(row) }));
  writeFileSync(input, `${lines.join('\n')}\n`);
  const env = { ANTHROPIC_API_KEY: 'sk-ant-bench', ANTHROPIC_BASE_URL: server.origin };
  const flags = ['--json', '--quiet', '--yes', ...REALTIME_FLAGS, ...shared];
  const printed = await ran([MAIN, 'run', input, ...flags], { folder, env, codes: [0, 3] });
  const [run] = JSON.parse(printed).runs;
  return { given_up: run.rows.total - run.rows.succeeded, beyond_default: null };
}

/** Runs a Node program to its end and gives what it printed. */
async function ran(args, { input = '', folder, env = {}, codes = [0] }) {
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env } });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  if (!codes.includes(code)) throw new Error(`it ended with ${code}: ${(stderr || stdout).trim()}`);
  return stdout;
}
