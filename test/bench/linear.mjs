/**
 * `npm run bench:linear -- --rows 100000,1000000,10000000 --dir /somewhere/large`: does it stay linear? For each size the
 * seconds of submit and collect, in all and by million rows, beside the floor of the same size, the peak of memory, and
 * how large the state is against the input: after the submit, after the collect, and after `prune`.
 *
 * Ten million rows are an input of 9.3 GB and 25 GB at the most at one time: what is not needed any more is deleted on
 * the way. The corpus of a size is made anew for it.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCorpus } from './corpus.mjs';
import { measure, spread, timed } from './measure.mjs';
import { MAIN, newFolder, script } from './places.mjs';
import { startSink } from './sink-house.mjs';
import { printTable } from './table.mjs';

const STATUS_TIMES = 5;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000,1000000' },
    dir: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const floor = script('floor.mjs');
const root = newFolder(values.dir);

const lines = [];
try {
  for (const rows of values.rows.split(',').map(Number)) {
    process.stderr.write(`${rows} rows\n`);
    lines.push(await measureSize(rows));
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ node: process.version, sizes: lines })}\n`);
  else print();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measureSize(rows) {
  const folder = join(root, String(rows));
  mkdirSync(folder);
  const input = join(folder, 'input.jsonl');
  await writeCorpus(input, rows);
  const sink = await startSink();
  const run = (args) => measure(args, { folder, env: sink.env });
  const [state, output] = [join(folder, '.batchrun'), join(folder, 'results.jsonl')];
  try {
    const inputBytes = statSync(input).size;
    const submitFloor = await floorOf(run, input);
    const submit = await run([MAIN, 'submit', input, '--quiet', '--yes', '--max-batches', '100000', '-o', output]);
    rmSync(input);
    const afterSubmit = bytesOf(state);
    const collect = await run([MAIN, 'collect', '--quiet', '--poll-interval', '100ms']);
    const afterCollect = bytesOf(state);
    const outputBytes = statSync(output).size;
    const collectFloor = await floorOf(run, output);
    rmSync(output);
    const status = statusTimes(folder);
    const prune = await run([MAIN, 'prune', 'latest', '--quiet']);
    const stateBytes = { afterSubmit, afterCollect, afterPrune: bytesOf(state) };
    return { rows, inputBytes, outputBytes, submit, submitFloor, collect, collectFloor, stateBytes, status, prune };
  } finally {
    sink.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The larger of reading and writing the same bytes. */
async function floorOf(run, file) {
  const parse = await run([floor, 'parse', file]);
  const write = await run([floor, 'write', file, `${file}.copy`]);
  rmSync(`${file}.copy`);
  return Math.max(parse.seconds, write.seconds);
}

/** In turn with a Node that does nothing. */
function statusTimes(folder) {
  const [idle, status] = [[], []];
  for (let nth = 0; nth < STATUS_TIMES; nth++) {
    idle.push(timed(['-e', '0'], { folder }));
    status.push(timed([MAIN, 'status'], { folder }));
  }
  return { idle: spread(idle), status: spread(status) };
}

function bytesOf(folder) {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? bytesOf(path) : statSync(path).size;
  }
  return bytes;
}

function print() {
  const mb = (bytes) => (bytes / 1e6).toFixed(0);
  const perMillion = (seconds, rows) => ((seconds / rows) * 1e6).toFixed(1);
  process.stdout.write(`Node ${process.version}\n`);
  for (const name of ['submit', 'collect']) {
    printTable([
      [name, 'MB', 'seconds', 'a million rows', 'floor s', 'times the floor', 'CPU s', 'peak MB'],
      ...lines.map((line) => {
        const { seconds, cpuSeconds, peakMb } = line[name];
        const floorSeconds = line[`${name}Floor`];
        return [
          ...[line.rows.toLocaleString('en'), mb(name === 'submit' ? line.inputBytes : line.outputBytes)],
          ...[seconds.toFixed(2), perMillion(seconds, line.rows), floorSeconds.toFixed(2)],
          ...[(seconds / floorSeconds).toFixed(2), cpuSeconds.toFixed(2), peakMb.toFixed(0)],
        ];
      }),
    ]);
    process.stdout.write('\n');
  }
  printTable([
    ['state / input', 'after submit', 'after collect', 'after prune', 'prune s', 'status ms', 'times node -e 0'],
    ...lines.map(({ rows, inputBytes, stateBytes, prune, status: { idle, status } }) => [
      rows.toLocaleString('en'),
      ...[stateBytes.afterSubmit, stateBytes.afterCollect].map((bytes) => (bytes / inputBytes).toFixed(3)),
      ...[`${mb(stateBytes.afterPrune)} MB`, prune.seconds.toFixed(2), (status.median * 1000).toFixed(0)],
      (status.median / idle.median).toFixed(2),
    ]),
  ]);
}
