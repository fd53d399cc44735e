/**
 * `npm run bench:formats -- --rows 100000 --times 5`: how fast the formats are beside the libraries alone: CSV in beside
 * csv-parse, a JSON array in beside stream-json, CSV out beside csv-stringify. `--json` prints every number.
 *
 * Each measurement is a process of its own (format-task.mjs), in turn and several times. The ratio is the seconds of the
 * library by ours, of the work alone: 1 is as fast, below 0.7 is slower than promised. `--only csv-in,json-in,csv-out,flat-out`.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeCorpus } from './corpus.mjs';
import { measure, spread } from './measure.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    times: { type: 'string', default: '5' },
    only: { type: 'string', default: 'csv-in,json-in,csv-out,flat-out' },
    json: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const task = fileURLToPath(new URL('format-task.mjs', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'batchrun-formats-'));

/** By group: ours, what stands beside it, and what of the result must be the same. */
const GROUPS = {
  'csv-in': { ours: 'csv-source', peers: ['csv-parse', 'csv-parse-arrays'], corpus: 'csv', same: ['rows', 'chars'] },
  'json-in': { ours: 'json-source', peers: ['stream-json'], corpus: 'json', same: ['rows', 'chars'] },
  'csv-out': {
    ours: 'csv-format',
    peers: ['csv-stringify', 'csv-stringify-stream', 'csv-stringify-lines'],
    same: ['rows', 'bytes'],
  },
  // No promise but one: not slower than csv, which is why that stands beside it.
  'flat-out': { ours: 'flat-format', peers: ['csv-format'], same: ['rows'] },
};

const WHAT = {
  'csv-source': 'batchrun: CSV in',
  'json-source': 'batchrun: JSON array in',
  'csv-format': 'batchrun: --format csv, result lines parsed',
  'flat-format': 'batchrun: --format flat, result lines parsed',
  'csv-parse': 'csv-parse alone, objects',
  'csv-parse-arrays': 'csv-parse alone, arrays',
  'stream-json': 'stream-json alone',
  'csv-stringify': 'csv-stringify/sync alone, cells given',
  'csv-stringify-stream': 'csv-stringify stream alone, cells given',
  'csv-stringify-lines': 'csv-stringify/sync, result lines parsed',
};

async function run(name, file) {
  const cost = await measure([task, name, String(rows), ...(file === undefined ? [] : [file])], { folder: root });
  return { ...cost, ...JSON.parse(readFileSync(join(root, 'work.json'), 'utf8')) };
}

/** One turn through a group; by name what it cost. What did not do the same as ours ends the benchmark. */
async function turn({ ours, peers, same }, file) {
  const costs = {};
  for (const name of [ours, ...peers]) {
    costs[name] = await run(name, file);
    for (const key of same) {
      const [wanted, found] = [costs[ours][key], costs[name][key]];
      if (wanted !== found) throw new Error(`${name} has ${found} ${key} where ${ours} has ${wanted}`);
    }
  }
  return costs;
}

function tableOf({ ours, peers }, turns) {
  return [ours, ...peers].map((name) => ({
    name: WHAT[name],
    workSeconds: spread(turns.map((costs) => costs[name].workSeconds)),
    ratio: spread(turns.map((costs) => costs[name].workSeconds / costs[ours].workSeconds)),
    seconds: spread(turns.map((costs) => costs[name].seconds)),
    cpuSeconds: spread(turns.map((costs) => costs[name].cpuSeconds)),
    peakMb: spread(turns.map((costs) => costs[name].peakMb)),
  }));
}

function print(table) {
  const cell = ({ min, median, max }, digits) => [min, median, max].map((value) => value.toFixed(digits)).join(' / ');
  const lines = [['', 'work seconds', 'ours is times as fast', 'process seconds', 'CPU seconds', 'peak MB']];
  for (const { name, workSeconds, ratio, seconds, cpuSeconds, peakMb } of table) {
    lines.push([name, cell(workSeconds, 2), cell(ratio, 2), cell(seconds, 2), cell(cpuSeconds, 2), cell(peakMb, 0)]);
  }
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  const text = lines.map((line) =>
    line
      .map((part, at) => part.padEnd(widths[at]))
      .join('  ')
      .trimEnd(),
  );
  process.stdout.write(`${text.join('\n')}\n\n`);
}

try {
  const times = Number(values.times);
  if (!values.json)
    process.stdout.write(`${rows} rows, Node ${process.version}; least / middle / most of ${times}\n\n`);
  const tables = {};
  for (const name of values.only.split(',')) {
    const group = GROUPS[name];
    if (group === undefined) throw new Error(`--only knows ${Object.keys(GROUPS).join(', ')}, not ${name}`);
    const file = group.corpus === undefined ? undefined : join(root, `input.${group.corpus}`);
    if (file !== undefined) await writeCorpus(file, rows, group.corpus);
    const turns = [];
    for (let nth = 0; nth < times; nth++) turns.push(await turn(group, file));
    tables[name] = tableOf(group, turns);
    if (!values.json) {
      const input = file === undefined ? '' : ` (${Math.round(statSync(file).size / 1e6)} MB)`;
      process.stdout.write(`${name}${input}\n`);
      print(tables[name]);
    }
    if (file !== undefined) rmSync(file);
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ rows, times, node: process.version, tables })}\n`);
} finally {
  rmSync(root, { recursive: true, force: true });
}
