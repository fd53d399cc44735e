/**
 * `npm run bench:chunk`: how much memory the upload of one large batch takes. 100,000 rows of 2.4 kB are one chunk of
 * 240 MB, near what the API takes at most.
 *
 * The upload is looked at alone: the first submit finds nobody at its address, so that it reads and seals and sends
 * nothing. Then `collect --once` uploads the chunk; and once more with nothing left to send is what the program itself
 * takes. The batch never ends here, so neither of them reads results.
 */
import { once } from 'node:events';
import { createWriteStream, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { textOf } from './corpus.mjs';
import { measure, spread } from './measure.mjs';
import { MAIN, newFolder } from './places.mjs';
import { startSink, unusedAddress } from './sink-house.mjs';
import { printTable, spreadText } from './table.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    'row-bytes': { type: 'string', default: '2280' },
    times: { type: 'string', default: '3' },
    dir: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const root = newFolder(values.dir);
const input = join(root, 'input.jsonl');
const NOT_FINISHED = 4;
const SEALED = 'submit that can send nothing';
const UPLOAD = 'collect --once, the upload';
const IDLE = 'collect --once, nothing to send';
const BLOCK_CHARS = 1 << 20;

/** Rows of nearly the same size: the text of the corpus, as often as it takes. */
async function writeLargeRows() {
  const out = createWriteStream(input);
  let pending = '';
  for (let seq = 0; seq < rows; seq++) {
    const piece = textOf(seq);
    const content = piece.repeat(Math.ceil(Number(values['row-bytes']) / piece.length)).slice(0, values['row-bytes']);
    const params = { model: 'claude-haiku-5-5', max_tokens: 64, messages: [{ role: 'user', content }] };
    pending += `${JSON.stringify({ custom_id: `row-${seq}`, params })}\n`;
    if (pending.length < BLOCK_CHARS) continue;
    if (!out.write(pending)) await once(out, 'drain');
    pending = '';
  }
  out.end(pending);
  await once(out, 'close');
}

async function turn() {
  const address = await unusedAddress();
  const run = (args) => measure([MAIN, ...args], { folder: root, env: address.env, codes: [0, NOT_FINISHED] });
  const shape = ['--chunk-size', '100000', '--chunk-bytes', '250000000', '-o', join(root, 'results.jsonl')];
  const look = ['collect', '--once', '--quiet', '--poll-interval', '100ms'];
  const costs = {};
  let sink;
  try {
    costs[SEALED] = await run(['submit', input, '--quiet', '--yes', '--give-up', '1ms', ...shape]);
    sink = await startSink(['--never-ends', '--port', address.port]);
    costs[UPLOAD] = await run(look);
    costs[IDLE] = await run(look);
    return costs;
  } finally {
    sink?.stop();
    rmSync(join(root, '.batchrun'), { recursive: true, force: true });
  }
}

try {
  await writeLargeRows();
  const turns = [];
  for (let nth = 0; nth < Number(values.times); nth++) turns.push(await turn());
  report(turns);
} finally {
  rmSync(root, { recursive: true, force: true });
}

function report(turns) {
  const names = Object.keys(turns[0]);
  const table = names.map((name) => ({
    name,
    seconds: spread(turns.map((costs) => costs[name].seconds)),
    peakMb: spread(turns.map((costs) => costs[name].peakMb)),
  }));
  const extra = spread(turns.map((costs) => costs[UPLOAD].peakMb - costs[IDLE].peakMb));
  const about = { rows, input_mb: Math.round(statSync(input).size / 1e6), times: turns.length, node: process.version };
  if (values.json) return process.stdout.write(`${JSON.stringify({ ...about, table, upload_extra_mb: extra })}\n`);
  process.stdout.write(
    `one chunk of ${rows} rows, ${about.input_mb} MB, Node ${process.version}; least / middle / most\n`,
  );
  printTable([
    ['', 'seconds', 'peak MB'],
    ...table.map(({ name, seconds, peakMb }) => [name, spreadText(seconds, 2), spreadText(peakMb, 0)]),
    ['the upload takes, beside the program itself', '', spreadText(extra, 0)],
  ]);
}
