/**
 * Rehearsals, measured: how long they take and how much memory, and how near their end is to that of the same job in real
 * time on the simulator.
 *
 *     npm run bench:rehearse [-- --quick]
 *
 * `--quick` takes a tenth of the generated rows. The comparison runs the built program against `batchrun sim` with a queue
 * that holds a part of the rows and batches of a few seconds, so that it is over in a minute.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measure } from './measure.mjs';
import { MAIN, newFolder } from './places.mjs';
import { printTable } from './table.mjs';

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean' } } });
const SHARE = flags.quick === true ? 0.1 : 1;
const BANKING77 = fileURLToPath(new URL('../../fixtures/banking77/train.csv', import.meta.url));
const ASK = ['--model', 'claude-haiku-5-5', '--max-tokens', '64', '--prompt', 'Classify: {{text}}'];
/** About 5,000 tokens by four bytes each. */
const PREFIX = 'You sort the tickets of a bank by what their writers want, and you say why. '
  .repeat(264)
  .slice(0, 20_000);
const KEY = 'sk-ant-bench';

const folder = newFolder();
try {
  await speed();
  await foresight();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function speed() {
  const prefix = join(folder, 'prefix.jsonl');
  const small = join(folder, 'small.jsonl');
  await write(prefix, 100_000 * SHARE, (at) => ({
    system: PREFIX,
    messages: [{ role: 'user', content: `Ticket ${at}` }],
  }));
  await write(small, 1_000_000 * SHARE, (at) => ({ messages: [{ role: 'user', content: `Ticket ${at}: my card` }] }));
  const lines = [];
  const cases = [
    ['BANKING77, 10,003 rows, 5 nights', [BANKING77, ...ASK, '--nights', '5']],
    [`${count(100_000)} rows with a prefix of 5,000 tokens, 1 night`, [prefix, '--nights', '1']],
    [`${count(1_000_000)} rows, 1 night`, [small, '--nights', '1']],
  ];
  for (const [name, args] of cases) {
    const { seconds, cpuSeconds, peakMb } = await measure([MAIN, 'rehearse', ...args, '--quiet'], { folder });
    lines.push([name, `${seconds.toFixed(1)} s`, `${cpuSeconds.toFixed(1)} s`, `${peakMb.toFixed(0)} MB`]);
  }
  printTable([['rehearsal', 'time', 'CPU', 'peak memory'], ...lines]);
}

/** The same job rehearsed and in real time, through one queue and with batches that take as long. */
async function foresight() {
  const lines = [];
  for (const [duration, queue] of [
    ['4s', 3_000],
    ['6s', 5_000],
    ['3s-9s', 3_000],
  ]) {
    const pace = ['--chunk-size', '1000', '--max-queued', String(queue), '--poll-interval', '500ms'];
    const job = [BANKING77, ...ASK, ...pace];
    const extra = ['--faults', 'none', '--batch-duration', duration, '--nights', '5', '--json'];
    const { range } = JSON.parse(run(['rehearse', ...job, ...extra, '--quiet']));
    const seconds = await realSeconds(job, { duration, queue });
    const { best, median, worst } = range.ends_after_seconds;
    const apart = `${((median / seconds - 1) * 100).toFixed(1)} %`;
    lines.push([
      `${duration}, queue ${count(queue)}`,
      `${best} to ${worst} s`,
      `${median} s`,
      `${seconds.toFixed(1)} s`,
      apart,
    ]);
  }
  printTable([['batches of', 'rehearsed', 'median', 'in real time', 'apart'], ...lines]);
}

async function realSeconds(job, { duration, queue }) {
  const port = 20_000 + (process.pid % 20_000);
  const sim = spawn(
    process.execPath,
    [MAIN, 'sim', '--port', String(port), '--batch-duration', duration, '--queue', String(queue)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  try {
    await Promise.race([once(createInterface(sim.stdout), 'line'), once(createInterface(sim.stderr), 'line')]);
    const state = join(folder, `state-${duration}-${queue}`);
    const env = { ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`, ANTHROPIC_API_KEY: KEY };
    run(['run', ...job, '--state', state, '-o', join(state, '..', `out-${duration}-${queue}.jsonl`), '--quiet'], env);
    const [status] = JSON.parse(run(['status', '--state', state, '--json'], env)).runs;
    return (Date.parse(status.done_at) - Date.parse(status.created_at)) / 1_000;
  } finally {
    sim.kill('SIGTERM');
  }
}

function run(args, env = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`batchrun ${args[0]} ended with ${status}: ${stderr}`);
  return stdout;
}

async function write(file, rows, paramsAt) {
  const out = createWriteStream(file, { highWaterMark: 1 << 20 });
  for (let at = 0; at < rows; at++) {
    const params = { model: 'claude-haiku-5-5', max_tokens: 256, ...paramsAt(at) };
    if (!out.write(`${JSON.stringify({ custom_id: `row-${at}`, params })}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

function count(rows) {
  return Math.round(rows * (rows < 10_000 ? 1 : SHARE)).toLocaleString('en-US');
}
