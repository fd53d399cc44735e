/**
 * `npm run bench:dedupe -- --rows 100000 --share 0.5`: what `--dedupe` and `--reuse` save. BANKING77 three times over, and
 * a made input of which a share of the rows asks what another one asks, each without the flag and with it, against the
 * simulator: what that would bill, by its own ledger and prices, and what batchrun says. Then the made input once more
 * with `--reuse`.
 *
 * `--memory` measures submit and collect of so many rows in processes of their own instead, against the sink: time and
 * peak memory without and with `--dedupe`.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { textOf } from './corpus.mjs';
import { measure } from './measure.mjs';
import { loadBuilt, MAIN, newFolder, script } from './places.mjs';
import { startSink } from './sink-house.mjs';
import { printTable } from './table.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    share: { type: 'string', default: '0.5' },
    memory: { type: 'boolean', default: false },
    banking: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const rows = Number(values.rows);
const share = Number(values.share);
const root = newFolder();
const run = promisify(execFile);

const BANKING77 = script('../../fixtures/banking77/test.csv');
const ASK = ['--model', 'claude-haiku-5-5', '--max-tokens', '64', '--prompt', 'Name the intent of: {{text}}'];

/** The row whose question this one asks: for a share of them one before it, spread over the whole input. */
function questionOf(at) {
  const isCopy = (at * 0.618_033_988_75) % 1 < share && at > 0;
  return isCopy ? questionOf(Math.floor(at * ((at * 0.414_213_562) % 1))) : at;
}

async function writeRows(path, count) {
  const out = createWriteStream(path, { highWaterMark: 1 << 20 });
  for (let at = 0; at < count; at++) {
    const params = {
      model: 'claude-haiku-5-5',
      max_tokens: 64,
      messages: [{ role: 'user', content: textOf(questionOf(at)) }],
    };
    if (!out.write(`${JSON.stringify({ custom_id: `row-${at}`, params })}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

/** The lines of a CSV three times over; its records have no line breaks within. */
async function writeBanking(path) {
  const [head, ...lines] = readFileSync(BANKING77, 'utf8').trimEnd().split(/\r?\n/);
  const out = createWriteStream(path);
  out.end(`${[head, ...lines, ...lines, ...lines].join('\n')}\n`);
  await once(out, 'close');
}

/** A world of its own, and what it was asked. */
async function withWorld(work) {
  const [{ createSimWorld }, { startSimServer }, { systemClock }] = await Promise.all(
    ['tools/sim/world.js', 'tools/sim/server.js', 'base/clock.js'].map(loadBuilt),
  );
  const world = createSimWorld(
    { seed: 'dedupe', tier: 'scale', batchDurationMs: [50, 200], pollRetryAfterSeconds: null },
    systemClock,
  );
  const server = await startSimServer(world, { port: 0 });
  const env = { ...process.env, ANTHROPIC_BASE_URL: server.origin, ANTHROPIC_API_KEY: 'sk-bench-0000000000' };
  try {
    return await work(world, env);
  } finally {
    await server.close();
  }
}

/** What the simulator would bill for all that it has answered, in the batch lane. */
async function billOf(world) {
  const { costUsd } = await loadBuilt('domain/pricing.js');
  let [requests, usd] = [0, 0];
  for (const batch of world.ledger.batches) {
    for (const row of batch.rows()) {
      requests++;
      if (row.outcome !== 'succeeded') continue;
      const { plain, write5m, write1h, read } = row.input;
      const usage = {
        ...{ inputTokens: plain, outputTokens: row.outputTokens, cacheReadTokens: read },
        ...{ cacheWrite5mTokens: write5m, cacheWrite1hTokens: write1h },
      };
      usd += costUsd({ model: 'claude-haiku-5-5', lane: 'batch', usage });
    }
  }
  return { requests, usd };
}

async function one(folder, env, args) {
  const seconds = performance.now();
  await run(process.execPath, [MAIN, 'run', ...args, '--yes', '--poll-interval', '50ms', '--quiet'], {
    cwd: folder,
    env,
    maxBuffer: 1 << 26,
  });
  const { stdout } = await run(process.execPath, [MAIN, 'status', 'latest', '--json'], { cwd: folder, env });
  const [view] = JSON.parse(stdout).runs;
  return { seconds: (performance.now() - seconds) / 1000, view };
}

const usd = (value) => (value === null ? '?' : `$${value.toFixed(4)}`);

async function compare(name, input, more) {
  const table = [['', 'rows', 'asked', 'billed', 'spent', 'saved', 's']];
  const bills = [];
  for (const [label, flags] of [
    ['as it is', []],
    ['--dedupe', ['--dedupe']],
  ]) {
    await withWorld(async (world, env) => {
      const folder = join(root, `${name}${label}`);
      mkdirSync(folder);
      const put = async (text, ended) => {
        const bill = await billOf(world);
        const before = bills.at(-1)?.world === world ? bills.at(-1) : { requests: 0, usd: 0 };
        const { view, seconds } = ended;
        const asked = bill.requests - before.requests;
        table.push([
          ...[text, String(view.rows.total), String(asked), usd(bill.usd - before.usd)],
          ...[usd(view.cost_usd.spent), usd(view.coalesced?.saved_usd ?? 0), seconds.toFixed(1)],
        ]);
        bills.push({ world, ...bill });
      };
      await put(label, await one(folder, env, [input, ...more, ...flags, '-o', 'out.jsonl']));
      if (flags.length > 0) {
        const again = [input, ...more, '--reuse', '--name', 'again', '-o', 'again.jsonl'];
        await put('then --reuse', await one(folder, env, again));
      }
    });
  }
  process.stdout.write(`${name}\n`);
  printTable(table);
}

async function memory(input) {
  const table = [['', 'submit s', 'CPU s', 'peak MB', 'collect s', 'CPU s', 'peak MB']];
  for (const flags of [[], ['--dedupe']]) {
    const sink = await startSink();
    const folder = join(root, `memory${flags.join('')}`);
    mkdirSync(folder);
    try {
      const limits = ['--max-batches', '100000'];
      const submit = await measure(
        [MAIN, 'submit', input, '--quiet', '--yes', ...limits, '-o', 'out.jsonl', ...flags],
        {
          ...{ folder, env: sink.env },
        },
      );
      const collect = await measure([MAIN, 'collect', '--quiet', '--poll-interval', '100ms'], {
        folder,
        env: sink.env,
      });
      const cells = [submit, collect].flatMap((cost) => [
        ...[cost.seconds.toFixed(1), cost.cpuSeconds.toFixed(1), cost.peakMb.toFixed(0)],
      ]);
      table.push([flags[0] ?? 'as it is', ...cells]);
      const lines = execFileSync('wc', ['-l', join(folder, 'out.jsonl')]).toString();
      if (Number.parseInt(lines, 10) !== rows) throw new Error(`${lines} lines for ${rows} rows`);
    } finally {
      sink.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  process.stdout.write(`${rows} rows, a share of ${share} asks what another one asks\n`);
  printTable(table);
}

try {
  const input = join(root, 'input.jsonl');
  if (values.memory) {
    await writeRows(input, rows);
    await memory(input);
  } else {
    if (values.banking) {
      const banking = join(root, 'banking77.csv');
      await writeBanking(banking);
      await compare('BANKING77 three times', banking, ASK);
    }
    if (rows > 0) {
      await writeRows(input, rows);
      await compare(`${rows} rows, a share of ${share} copies`, input, []);
    }
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
