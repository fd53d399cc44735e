/**
 * `npm run bench -- --rows 100000 --times 3`: how long the built program takes to submit and to collect so many rows,
 * beside the floor and the peers (peers.mjs), in turn and several times. `--json` prints every number; `--no-peers`
 * leaves the peers out.
 *
 * The other end is a sink in a process of its own (sink.mjs), which parses nothing. The machines that this runs on are
 * noisy: the ratios to the floor of the same run say more than the seconds.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCorpus } from './corpus.mjs';
import { measure, spread } from './measure.mjs';
import { findPeers } from './peers.mjs';
import { MAIN, newFolder, script } from './places.mjs';
import { startSink } from './sink-house.mjs';
import { printTable, spreadText } from './table.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    times: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    'no-peers': { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const floor = script('floor.mjs');
const peers = values['no-peers'] ? null : findPeers(rows);
const root = newFolder();
const input = join(root, 'input.jsonl');

/** One turn through everything. By name: what it cost. */
async function turn(nth) {
  const folder = join(root, String(nth));
  mkdirSync(folder);
  const sink = await startSink();
  try {
    const run = (args) => measure(args, { folder, env: sink.env });
    const output = join(folder, 'results.jsonl');
    const costs = {};
    costs['floor: parse'] = await run([floor, 'parse', input]);
    costs['floor: write'] = await run([floor, 'write', input, join(folder, 'copy')]);
    rmSync(join(folder, 'copy'));
    if (peers) Object.assign(costs, await peers.run(input, run, folder));
    costs.submit = await run([MAIN, 'submit', input, '--quiet', '--yes', '--max-batches', '100000', '-o', output]);
    costs.status = await run([MAIN, 'status']);
    costs.collect = await run([MAIN, 'collect', '--quiet', '--poll-interval', '100ms']);
    costs['floor: parse results'] = await run([floor, 'parse', output]);
    costs['floor: write results'] = await run([floor, 'write', output, join(folder, 'copy')]);
    costs['--version'] = await run([MAIN, '--version']);
    return costs;
  } finally {
    sink.stop();
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
  const lines = table.map(({ name, seconds, ratio, cpuSeconds, peakMb }) => [
    name,
    ...[spreadText(seconds, 2), spreadText(ratio, 1), spreadText(cpuSeconds, 2), spreadText(peakMb, 0)],
  ]);
  printTable([['', 'seconds', 'times the floor', 'CPU seconds', 'peak MB'], ...lines]);
  if (!peers) return;
  process.stdout.write(`\n${peers.notes.join('\n')}\n`);
  printTable(peers.quoted.map(([name, ...figures]) => [`  ${name}`, ...figures]));
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
