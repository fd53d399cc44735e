/**
 * `npm run bench:plan -- --rows 100000`: how long a plan takes and how much memory, offline and with counts by the API, and
 * what the simulator then bills for the same rows, beside the estimate. Two inputs: BANKING77 (3,080 real messages), and
 * so many rows that share a prefix of 5,000 tokens. `--savings` runs them again with what makes them cheaper
 * (plan-savings.mjs); `--plan-only` bills nothing; `--json` prints every number.
 *
 * Money is that of the price table on the usage that the simulator reports: nothing is paid.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measure } from './measure.mjs';
import { MAIN, newFolder } from './places.mjs';
import { SAVINGS, savedText } from './plan-savings.mjs';
import { printTable } from './table.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    savings: { type: 'boolean', default: false },
    'plan-only': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const BANKING77 = fileURLToPath(new URL('../../fixtures/banking77/test.csv', import.meta.url));
/** Text of the simulator: four bytes a token. */
const PREFIX_BYTES = 5_000 * 4;
const root = newFolder();

const CASES = [
  {
    name: 'BANKING77',
    prepare: () => [BANKING77, '--model', 'claude-haiku-5-5', '--max-tokens', '64', '--prompt', 'Classify: {{text}}'],
  },
  {
    name: 'prefix',
    prepare: async () => {
      const system = join(root, 'system.txt');
      const input = join(root, 'prefix.csv');
      const sentence = 'You answer questions of customers of a bank, kindly and in a few words. ';
      writeFileSync(system, sentence.repeat(PREFIX_BYTES / sentence.length + 1).slice(0, PREFIX_BYTES));
      await writeQuestions(input, Number(values.rows));
      const ask = ['--max-tokens', '64', '--prompt', 'Question {{id}}: {{text}}', '--system-file', system];
      return [input, '--model', 'claude-sonnet-5-5', ...ask];
    },
  },
];

async function writeQuestions(path, rows) {
  const out = createWriteStream(path);
  out.write('id,text\n');
  for (let at = 0; at < rows; at++) {
    const text = `why was my card ${(at * 7919) % 9973} declined in shop ${at % 613}?`.repeat(1 + (at % 3));
    if (!out.write(`${at},${text}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

async function startSim() {
  const args = ['sim', '--port', '0', '--tier', 'scale', '--batch-duration', '1s-3s', '--retry-after', '0s'];
  const sim = spawn(process.execPath, [MAIN, ...args, '--message-latency', '0ms-5ms'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [address] = await once(sim.stdout, 'data');
  const env = { ANTHROPIC_BASE_URL: String(address).trim(), ANTHROPIC_API_KEY: 'sim' };
  return { env, stop: () => sim.kill('SIGKILL') };
}

/** One plan: what it cost, and what it says. */
async function planned(args, { folder, env, more }) {
  const file = join(folder, 'plan.json');
  // The program's stdout goes nowhere here: the page carries nothing that the text does not, so the JSON is asked again.
  const cost = await measure([MAIN, 'plan', ...args, ...more, '--html', join(folder, 'plan.html'), '--quiet'], {
    folder,
    env,
  });
  const child = spawn(process.execPath, [MAIN, 'plan', ...args, ...more, '--json', '--quiet'], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  await once(child, 'close');
  writeFileSync(file, text);
  return { ...cost, view: JSON.parse(text) };
}

/** Runs the rows to their end and gives what the ledger says they cost; null where this build does not know a flag. */
async function billed(args, { folder, env, more = [] }) {
  const state = join(folder, `state${more.join('')}`.replaceAll(/[^\w/]/g, '-'));
  const run = [
    'run',
    ...args,
    ...more,
    '--yes',
    '--quiet',
    '--state',
    state,
    '--poll-interval',
    '100ms',
    '--concurrency',
    '200',
  ];
  const output = ['-o', join(folder, 'out.jsonl'), '--overwrite'];
  try {
    const cost = await measure([MAIN, ...run, ...output], { folder, env });
    const status = spawn(process.execPath, [MAIN, 'status', '--json', '--state', state], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    status.stdout.on('data', (data) => (text += data));
    await once(status, 'close');
    const [one] = JSON.parse(text).runs;
    return { seconds: cost.seconds, usage: one.usage, usd: one.cost_usd.spent };
  } catch (error) {
    if (more.length === 0) throw error;
    process.stderr.write(`${more.join(' ')}: ${String(error.message).split('\n')[0].slice(0, 200)}\n`);
    return null;
  } finally {
    rmSync(state, { recursive: true, force: true });
    rmSync(join(folder, 'out.jsonl'), { force: true });
  }
}

function within(value, { low, high }) {
  return value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9) ? 'in the band' : 'NOT in the band';
}

const percent = (estimate, truth) => `${((estimate / truth - 1) * 100).toFixed(2)} %`;
const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

async function bench({ name, prepare }) {
  const folder = join(root, name);
  mkdirSync(folder);
  const args = await prepare();
  const sim = await startSim();
  try {
    const offline = await planned(args, {
      folder,
      env: { ...sim.env, ANTHROPIC_API_KEY: '' },
      more: ['--no-preflight'],
    });
    const counted = await planned(args, { folder, env: sim.env, more: [] });
    const found = { name, inputBytes: statSync(args[0]).size, offline, counted, bill: null, savings: [] };
    if (values['plan-only']) return found;
    found.bill = await billed(args, { folder, env: sim.env });
    if (!values.savings) return found;
    for (const { name: what, cases, args: more, against } of SAVINGS) {
      if (!cases.includes(name)) continue;
      const other = await billed(args, { folder, env: sim.env, more });
      const [cheap, plain] =
        against === 'realtime' ? [found.bill.usd, other?.usd ?? NaN] : [other?.usd ?? null, found.bill.usd];
      found.savings.push({ what, text: other === null ? 'not in this build' : savedText(cheap, plain) });
    }
    return found;
  } finally {
    sim.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function print({ name, offline, counted, bill, savings }) {
  const { view } = counted;
  const [own] = view.models;
  const rows = [
    [name, 'plan', 'peak memory', 'input tokens', 'error', 'cost, batch lane', ''],
    ...[
      ['offline', offline],
      ['counted', counted],
    ].map(([how, one]) => {
      const [model] = one.view.models;
      const { plain } = model.cost_usd.batch;
      return [
        `  ${how}`,
        `${one.seconds.toFixed(2)} s`,
        `${one.peakMb.toFixed(0)} MB`,
        String(model.input_tokens.expected),
        bill ? percent(model.input_tokens.expected, bill.usage.input_tokens) : '',
        `$${plain.expected.toFixed(4)} ($${plain.low.toFixed(4)} to $${plain.high.toFixed(4)})`,
        bill ? within(bill.usd, plain) : '',
      ];
    }),
  ];
  if (bill)
    rows.push([
      '  billed',
      `${bill.seconds.toFixed(2)} s`,
      '',
      String(bill.usage.input_tokens),
      '',
      `$${bill.usd.toFixed(4)}`,
      '',
    ]);
  process.stdout.write(
    `\n${view.rows.total} rows, ${mb(view.bytes)} of requests, +-${(own.input_error * 100).toFixed(1)} % stated\n`,
  );
  printTable(rows);
  for (const { what, text } of savings) process.stdout.write(`  ${what}: ${text}\n`);
}

try {
  const results = [];
  for (const one of CASES) {
    const found = await bench(one);
    results.push(found);
    if (!values.json) print(found);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`);
} finally {
  rmSync(root, { recursive: true, force: true });
}
