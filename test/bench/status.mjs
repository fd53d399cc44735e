/**
 * `npm run bench:status -- --rows 10000000 --times 15`: how long the commands take that do next to nothing, on a ledger of
 * a run of ten million rows (big-ledger.mjs), beside `node -e 0`: in turn, many times. Nothing is hooked into them.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeLedger } from './big-ledger.mjs';
import { spread, timed } from './measure.mjs';
import { MAIN, newFolder } from './places.mjs';
import { printTable, spreadText } from './table.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    times: { type: 'string', default: '15' },
    done: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const folder = newFolder();

const COMMANDS = {
  'node -e 0': ['-e', '0'],
  status: [MAIN, 'status'],
  'status --json': [MAIN, 'status', '--json'],
  list: [MAIN, 'list'],
  '--version': [MAIN, '--version'],
  '--help': [MAIN, '--help'],
};

try {
  const state = join(folder, '.batchrun');
  mkdirSync(state);
  await makeLedger(state, { rows, done: values.done });
  const seconds = Object.fromEntries(Object.keys(COMMANDS).map((name) => [name, []]));
  // The first turn warms the cache of files.
  for (let nth = 0; nth <= Number(values.times); nth++) {
    for (const [name, args] of Object.entries(COMMANDS)) {
      const took = timed(args, { folder });
      if (nth > 0) seconds[name].push(took);
    }
  }
  report(seconds, statSync(join(state, 'state.db')).size);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report(seconds, ledgerBytes) {
  const idle = spread(seconds['node -e 0']);
  const table = Object.entries(seconds).map(([name, all]) => {
    const took = spread(all);
    return { name, seconds: took, ratio: { min: took.min / idle.min, median: took.median / idle.median } };
  });
  const about = { rows, ledger_mb: Math.round(ledgerBytes / 1e6), times: Number(values.times), node: process.version };
  if (values.json) return process.stdout.write(`${JSON.stringify({ ...about, table })}\n`);
  process.stdout.write(
    `a run of ${rows} rows, ledger ${about.ledger_mb} MB, Node ${process.version}; ${about.times} times\n`,
  );
  printTable([
    ['', 'ms: least / middle / most', 'times node -e 0: of the least, of the middle'],
    ...table.map(({ name, seconds: took, ratio }) => [
      name,
      spreadText({ min: took.min * 1000, median: took.median * 1000, max: took.max * 1000 }, 1),
      `${ratio.min.toFixed(2)}, ${ratio.median.toFixed(2)}`,
    ]),
  ]);
}
