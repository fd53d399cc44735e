/**
 * `npm run bench -- --rows 100000`: how long submit, status and collect take and how much memory they need, the built
 * program against the simulator in a process of its own. Times are wall time of the whole process; memory is the peak
 * resident set that the process itself reports at its end.
 *
 * The floor beside them is reading the input and parsing each line once, in the same run on the same machine.
 */
import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '100000' }, json: { type: 'boolean', default: false } },
});
const rows = Number(values.rows);
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'batchrun-bench-'));
const input = join(folder, 'input.jsonl');
const peakHook = `data:text/javascript,${encodeURIComponent(
  `import{writeFileSync}from'node:fs';process.on('exit',()=>writeFileSync(process.env.BENCH_PEAK,String(process.resourceUsage().maxRSS)))`,
)}`;

/** A line of about 940 bytes in the API's own shape, different for each row. */
function line(seq) {
  const words = ['card', 'transfer', 'refund', 'balance', 'pin', 'fee', 'limit', 'statement', 'cash', 'exchange'];
  let text = `Message ${seq}:`;
  for (let at = 0; text.length < 780; at++) text += ` ${words[(seq * 7 + at * 3) % words.length]}${(seq + at) % 97}`;
  const params = { model: 'claude-haiku-5-5', max_tokens: 64, messages: [{ role: 'user', content: text }] };
  return `${JSON.stringify({ custom_id: `row-${seq}`, params })}\n`;
}

async function writeInput() {
  const out = createWriteStream(input, { highWaterMark: 1 << 20 });
  let pending = '';
  for (let seq = 0; seq < rows; seq++) {
    pending += line(seq);
    if (pending.length < 1 << 20) continue;
    if (!out.write(pending)) await once(out, 'drain');
    pending = '';
  }
  out.end(pending);
  await once(out, 'close');
}

async function floorSeconds() {
  const start = performance.now();
  for await (const text of createInterface({ input: createReadStream(input, { highWaterMark: 1 << 20 }) })) {
    JSON.parse(text);
  }
  return (performance.now() - start) / 1000;
}

/** Runs a command of the built program; gives seconds, peak memory and its stdout. */
async function measure(args, env) {
  const peakFile = join(folder, 'peak');
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', peakHook, main, ...args], {
    cwd: folder,
    env: { ...process.env, ...env, BENCH_PEAK: peakFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => (stdout += data));
  child.stderr.on('data', (data) => (stderr += data));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`batchrun ${args[0]} ended with ${code}: ${stderr.slice(-2000)}`);
  return { seconds: (performance.now() - start) / 1000, peakMb: Number(readFileSync(peakFile)) / 1024, stdout };
}

async function startSim() {
  const child = spawn(
    process.execPath,
    [main, 'sim', '--port', '0', '--tier', 'scale', '--batch-duration', '1ms-2ms', '--queue', '100000000'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const [data] = await once(child.stdout, 'data');
  return { child, origin: String(data).trim() };
}

await writeInput();
const floor = await floorSeconds();
const { child: sim, origin } = await startSim();
try {
  const env = { ANTHROPIC_BASE_URL: origin, ANTHROPIC_API_KEY: 'sk-bench-0000000000' };
  const submit = await measure(['submit', input, '--quiet', '--max-batches', '100000'], env);
  const status = await measure(['status'], env);
  const collect = await measure(['collect', '--quiet', '--poll-interval', '100ms'], env);
  const help = await measure(['--version'], env);
  const figures = {
    rows,
    input_mb: Math.round(statSync(input).size / 1e6),
    floor_seconds: floor,
    submit_seconds: submit.seconds,
    submit_rows_per_second: rows / submit.seconds,
    submit_peak_mb: submit.peakMb,
    collect_seconds: collect.seconds,
    collect_rows_per_second: rows / collect.seconds,
    collect_peak_mb: collect.peakMb,
    status_seconds: status.seconds,
    version_seconds: help.seconds,
  };
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else
    for (const [name, value] of Object.entries(figures))
      process.stdout.write(`${name.padEnd(26)} ${+value.toFixed(2)}\n`);
} finally {
  sim.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
