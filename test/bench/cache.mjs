/**
 * `npm run bench:cache`: what prompt caching is worth. Rows that share a system text of 5,000 tokens are run against the
 * simulator three times: without caching, with cache_control in every row and nothing else (cold), and with
 * `--cache auto`. The bill is the simulator's, by its own count of tokens and the dated price table.
 *
 * 100,000 rows are 2 GB of requests, on the disk and through the socket, three times.
 */
import { createWriteStream, rmSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measure } from './measure.mjs';
import { loadBuilt, MAIN, newFolder } from './places.mjs';
import { printTable } from './table.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    tokens: { type: 'string', default: '5000' },
    // A batch that ends while others are still uploaded has written for them: real ones take longer than that.
    'batch-seconds': { type: 'string', default: '60' },
    model: { type: 'string', default: 'claude-haiku-5-5' },
    dir: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const batchMs = Number(values['batch-seconds']) * 1_000;
/** The simulator's measure. */
const BYTES_PER_TOKEN = 4;
const root = newFolder(values.dir);
const input = join(root, 'input.csv');
const line = 'You sort what customers write into one of seventy-seven kinds, and say its name and nothing else.\n';
const bytes = Number(values.tokens) * BYTES_PER_TOKEN;
const system = line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
const cold = { system: [{ type: 'text', text: system, cache_control: { type: 'ephemeral', ttl: '1h' } }] };
const CASES = {
  'no caching': ['--system', system],
  'marks in the rows, cold': ['--params', JSON.stringify(cold)],
  '--cache auto': ['--system', system, '--cache', 'auto'],
};

const { createSimWorld } = await loadBuilt('tools/sim/world.js');
const { startSimServer } = await loadBuilt('tools/sim/server.js');
const { systemClock } = await loadBuilt('base/clock.js');
const { costUsd } = await loadBuilt('domain/pricing.js');

async function writeRows() {
  const out = createWriteStream(input);
  out.write('id,text\n');
  for (let at = 0; at < rows; at++) {
    if (!out.write(`${at},My card ending in ${at % 9_973} was declined twice today and I need it to work.\n`))
      await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

function billOf({ batch, realtime }) {
  const usd = (lane, sums) => {
    const { input: inputTokens, output: outputTokens, cacheWrite5m, cacheWrite1h, cacheRead } = sums;
    const usage = { inputTokens, outputTokens, cacheWrite5mTokens: cacheWrite5m, cacheWrite1hTokens: cacheWrite1h };
    // Priced class by class: the sum of many prompts must not count as one long prompt.
    const classes = Object.entries({ ...usage, cacheReadTokens: cacheRead });
    const none = Object.fromEntries(classes.map(([name]) => [name, 0]));
    const each = classes.map(([name, tokens]) => {
      return (tokens / 1e5) * costUsd({ model: values.model, lane, usage: { ...none, [name]: 1e5 } });
    });
    return each.reduce((sum, part) => sum + part, 0);
  };
  return { batchUsd: usd('batch', batch), realtimeUsd: usd('realtime', realtime) };
}

async function turn(args) {
  const world = createSimWorld(
    { tier: 'scale', batchDurationMs: [batchMs, batchMs * 1.5], pollRetryAfterSeconds: null },
    systemClock,
  );
  const server = await startSimServer(world, { port: 0 });
  const env = { ANTHROPIC_BASE_URL: server.origin, ANTHROPIC_API_KEY: 'sk-bench-0000000000' };
  const shape = ['--model', values.model, '--max-tokens', '32', '--prompt', '{{text}}', '-o', join(root, 'out.jsonl')];
  try {
    const cost = await measure(
      [MAIN, 'run', input, '-q', '--overwrite', '--poll-interval', '500ms', ...shape, ...args],
      {
        ...{ folder: root, env },
      },
    );
    const tokens = world.ledger.tokens();
    const { cacheRead, cacheWrite5m, cacheWrite1h } = tokens.batch;
    const cached = cacheRead + cacheWrite5m + cacheWrite1h;
    const calls = world.ledger.messages.length;
    return { ...billOf(tokens), hits: cached === 0 ? null : cacheRead / cached, calls, seconds: cost.seconds };
  } finally {
    await server.close();
    rmSync(join(root, '.batchrun'), { recursive: true, force: true });
  }
}

try {
  await writeRows();
  const bills = {};
  for (const [name, args] of Object.entries(CASES)) bills[name] = await turn(args);
  report(bills);
} finally {
  rmSync(root, { recursive: true, force: true });
}

function report(bills) {
  const about = { rows, prefix_tokens: Number(values.tokens), model: values.model, node: process.version };
  if (values.json) return process.stdout.write(`${JSON.stringify({ ...about, bills })}\n`);
  const plain = bills['no caching'].batchUsd + bills['no caching'].realtimeUsd;
  process.stdout.write(`${rows} rows with ${values.tokens} shared tokens, ${values.model}, Node ${process.version}\n`);
  printTable([
    ['', 'bill', 'of it warm-ups', 'against none', 'hits', 'warm-ups', 'seconds'],
    ...Object.entries(bills).map(([name, { batchUsd, realtimeUsd, hits, calls, seconds }]) => {
      const usd = batchUsd + realtimeUsd;
      const change = `${usd <= plain ? '-' : '+'}${Math.abs((100 * (usd - plain)) / plain).toFixed(0)}%`;
      const share = hits === null ? '' : `${(100 * hits).toFixed(1)}%`;
      return [name, `$${usd.toFixed(4)}`, `$${realtimeUsd.toFixed(4)}`, change, share, `${calls}`, seconds.toFixed(1)];
    }),
  ]);
}
