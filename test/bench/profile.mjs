/**
 * `npm run profile -- submit|collect|status [--rows N] [--dir FOLDER]`: where the time of a command goes. It runs under
 * Node's own profiler, which writes a file for every thread; printed are, for each, how much of it was idle or garbage
 * collection, and the functions, files and folders that took most. The files open in the developer tools of Chrome
 * ("Performance", load profile) and stay where they are.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeLedger } from './big-ledger.mjs';
import { writeCorpus } from './corpus.mjs';
import { measure } from './measure.mjs';
import { MAIN, newFolder } from './places.mjs';
import { readProfiles, reportOf } from './profile-report.mjs';
import { startSink } from './sink-house.mjs';

const ROWS = { submit: 100_000, collect: 100_000, status: 10_000_000 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    dir: { type: 'string' },
    top: { type: 'string', default: '20' },
    /** Microseconds between two samples. */
    interval: { type: 'string' },
  },
});
const [command = ''] = positionals;
if (!Object.hasOwn(ROWS, command)) {
  process.stderr.write(`usage: npm run profile -- ${Object.keys(ROWS).join('|')} [--rows N] [--dir FOLDER]\n`);
  process.exit(2);
}
const rows = Number(values.rows ?? ROWS[command]);
const profiles = values.dir === undefined ? mkdtempSync(join(tmpdir(), 'batchrun-profile-')) : resolve(values.dir);
mkdirSync(profiles, { recursive: true });
const folder = newFolder();
const input = join(folder, 'input.jsonl');

const SUBMIT = ['submit', input, '--quiet', '--yes', '--max-batches', '100000', '-o', join(folder, 'results.jsonl')];
const COLLECT = ['collect', '--quiet', '--poll-interval', '100ms'];

try {
  const cost = command === 'status' ? await profileStatus() : await profileWork();
  const { seconds, cpuSeconds, peakMb } = cost;
  process.stdout.write(
    `${command} of ${rows} rows under the profiler: ${seconds.toFixed(2)} s, CPU ${cpuSeconds.toFixed(2)} s, peak ${peakMb.toFixed(0)} MB\n`,
  );
  for (const profile of readProfiles(profiles)) process.stdout.write(reportOf(profile, Number(values.top)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function profileStatus() {
  await makeLedger(join(folder, '.batchrun'), { rows });
  return profiled(['status'], {});
}

async function profileWork() {
  await writeCorpus(input, rows);
  const sink = await startSink();
  try {
    if (command === 'submit') return await profiled(SUBMIT, sink.env);
    await measure([MAIN, ...SUBMIT], { folder, env: sink.env });
    return await profiled(COLLECT, sink.env);
  } finally {
    sink.stop();
  }
}

/** A short command needs a closer look. */
function profiled(args, env) {
  const interval = values.interval ?? (command === 'status' ? '100' : '500');
  const flags = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-interval=${interval}`];
  return measure([...flags, MAIN, ...args], { folder, env });
}
