/**
 * `npm run bench:row`: how much memory one very large row takes. A row of 240 MB among 4,000 ordinary ones is submitted;
 * the bound is 220 MB and four times the row.
 */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { textOf } from './corpus.mjs';
import { measure } from './measure.mjs';
import { MAIN, newFolder } from './places.mjs';
import { startSink } from './sink-house.mjs';
import { printTable } from './table.mjs';

const { values } = parseArgs({
  options: {
    'row-mb': { type: 'string', default: '240' },
    dir: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const rowMb = Number(values['row-mb']);
const BASE_MB = 220;
const AROUND = 2_000;
const root = newFolder(values.dir);
const input = join(root, 'input.jsonl');

function line(seq, content) {
  const params = { model: 'claude-haiku-5-5', max_tokens: 64, messages: [{ role: 'user', content }] };
  return `${JSON.stringify({ custom_id: `row-${seq}`, params })}\n`;
}

function writeInput() {
  const file = openSync(input, 'w');
  for (let seq = 0; seq < AROUND; seq++) writeSync(file, line(seq, textOf(seq)));
  writeSync(file, line(AROUND, 'word '.repeat((rowMb * 1e6) / 5)));
  for (let seq = AROUND + 1; seq <= 2 * AROUND; seq++) writeSync(file, line(seq, textOf(seq)));
  closeSync(file);
}

try {
  writeInput();
  const sink = await startSink();
  const shape = ['--quiet', '--yes', '-o', join(root, 'results.jsonl')];
  try {
    const { peakMb, seconds } = await measure([MAIN, 'submit', input, ...shape], { folder: root, env: sink.env });
    const boundMb = BASE_MB + 4 * rowMb;
    // The peak is told in units of 1,024 x 1,024 bytes, the row in millions.
    const peak = Math.round(peakMb * 1.048576);
    if (values.json)
      process.stdout.write(`${JSON.stringify({ row_mb: rowMb, seconds, peak_mb: peak, bound_mb: boundMb })}\n`);
    else
      printTable([
        ['row MB', 'seconds', 'peak MB', 'bound MB'],
        [String(rowMb), seconds.toFixed(2), String(peak), String(boundMb)],
      ]);
  } finally {
    sink.stop();
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
