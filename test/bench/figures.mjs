/**
 * `npm run bench -- --rows 100000 --times 3`: how long the built program takes to submit and to collect so many rows,
 * beside the floor and the SDK alone, in turn and several times. `--json` prints every number.
 *
 * The other end is a sink in a process of its own (sink.mjs), which parses nothing. The machines that this runs on are
 * noisy: the ratios to the floor of the same run say more than the seconds.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeCorpus } from './corpus.mjs';
import { measure, spread } from './measure.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    times: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    'no-peers': { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const main = here('../../dist/cli/main.js');
const root = mkdtempSync(join(tmpdir(), 'batchrun-bench-'));
const input = join(root, 'input.jsonl');

/** One turn through everything. By name: what it cost. */
async function turn(nth) {
  const folder = join(root, String(nth));
  mkdirSync(folder);
  const sink = spawn(process.execPath, [here('sink.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [address] = await once(sink.stdout, 'data');
    const env = { ANTHROPIC_BASE_URL: String(address).trim(), ANTHROPIC_API_KEY: 'sk-bench-0000000000' };
    const run = (args) => measure(args, { folder, env });
    const output = join(folder, 'results.jsonl');
    const costs = {};
    costs['floor: parse'] = await run([here('floor.mjs'), 'parse', input]);
    costs['floor: write'] = await run([here('floor.mjs'), 'write', input, join(folder, 'copy')]);
    rmSync(join(folder, 'copy'));
    if (!values['no-peers']) {
      costs['SDK: create'] = await run([here('peer-sdk.mjs'), 'submit', input]);
      costs['SDK: results'] = await run([here('peer-sdk.mjs'), 'collect']);
    }
    costs.submit = await run([main, 'submit', input, '--quiet', '--yes', '--max-batches', '100000', '-o', output]);
    costs.status = await run([main, 'status']);
    costs.collect = await run([main, 'collect', '--quiet', '--poll-interval', '100ms']);
    costs['floor: parse results'] = await run([here('floor.mjs'), 'parse', output]);
    costs['floor: write results'] = await run([here('floor.mjs'), 'write', output, join(folder, 'copy')]);
    costs['--version'] = await run([main, '--version']);
    return costs;
  } finally {
    sink.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a step may be compared with: the larger of reading and writing the same bytes. */
function floorOf(costs, name) {
  const [read, write] = name.includes('collect') || name.includes('results') ? [' results', ' results'] : ['', ''];
  return Math.max(costs[`floor: parse${read}`].seconds, costs[`floor: write${write}`].seconds);
}

function tableOf(turns) {
  const names = Object.keys(turns[0]);
  return names.map((name) => ({
    name,
    seconds: spread(turns.map((costs) => costs[name].seconds)),
    ratio: spread(turns.map((costs) => costs[name].seconds / floorOf(costs, name))),
    cpuSeconds: spread(turns.map((costs) => costs[name].cpuSeconds)),
    peakMb: spread(turns.map((costs) => costs[name].peakMb)),
  }));
}

function print(table) {
  const cell = ({ min, median, max }, digits) => [min, median, max].map((value) => value.toFixed(digits)).join(' / ');
  const lines = [['', 'seconds', 'times the floor', 'CPU seconds', 'peak MB']];
  for (const { name, seconds, ratio, cpuSeconds, peakMb } of table) {
    lines.push([name, cell(seconds, 2), cell(ratio, 1), cell(cpuSeconds, 2), cell(peakMb, 0)]);
  }
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  for (const line of lines)
    process.stdout.write(
      `${line
        .map((text, at) => text.padEnd(widths[at]))
        .join('  ')
        .trimEnd()}\n`,
    );
}

try {
  await writeCorpus(input, rows);
  const turns = [];
  for (let nth = 0; nth < Number(values.times); nth++) turns.push(await turn(nth));
  const table = tableOf(turns);
  const about = { rows, input_mb: Math.round(statSync(input).size / 1e6), times: turns.length, node: process.version };
  if (values.json) process.stdout.write(`${JSON.stringify({ ...about, table })}\n`);
  else {
    process.stdout.write(
      `${rows} rows, ${about.input_mb} MB, Node ${process.version}; least / middle / most of ${turns.length}\n`,
    );
    print(table);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
