/**
 * `npm run bench:loadtest -- --seconds 60 --rate 200 --rounds 3`: how far the load tester's percentiles are from those of
 * a simulator whose latencies are known, and how many requests a second it can send, beside autocannon on the same
 * server with the same body and as many connections. On two cores: one for the server, one for who asks.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { MAIN } from './places.mjs';
import { printTable } from './table.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '50' },
    'ceiling-seconds': { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
});
const MEDIAN_MS = 400;
const SIGMA = 0.5;
const PROMPT = 'Say yes.';
const BODY = JSON.stringify({
  ...{ model: 'claude-haiku-5-5', max_tokens: 256 },
  messages: [{ role: 'user', content: PROMPT }],
});
/** Standard normal quantiles. */
const QUANTILES = { p50: 0, p75: 0.67449, p90: 1.281552, p95: 1.644854, p99: 2.326348, p99_9: 3.090232 };

const accuracy = await measureAccuracy();
const ceiling = await measureCeiling();
if (values.json) process.stdout.write(`${JSON.stringify({ accuracy, ceiling, node: process.version })}\n`);
else report();

async function measureAccuracy() {
  const server = await serve(['known', String(MEDIAN_MS), String(SIGMA)]);
  try {
    const load = ['--rate', `${values.rate}/s`, '--arrivals', 'poisson', '--duration', `${values.seconds}s`];
    const view = await loadtest([...load, '--target', server.origin]);
    const rows = Object.entries(QUANTILES).map(([name, z]) => {
      const exact = MEDIAN_MS * Math.exp(SIGMA * z);
      return { name, exact, service: view.latency.service[`${name}_ms`], total: view.latency.total[`${name}_ms`] };
    });
    return { requests: view.requests.succeeded, lag_p99_ms: view.tester.lag_p99_ms, rows };
  } finally {
    server.child.kill();
  }
}

async function measureCeiling() {
  const server = await serve(['plain']);
  const found = { batchrun: [], autocannon: [] };
  try {
    for (let round = 0; round < Number(values.rounds); round++) {
      const load = [
        '--users',
        values.connections,
        '--duration',
        `${values['ceiling-seconds']}s`,
        '--max-requests',
        '1000000',
      ];
      const view = await loadtest([...load, '--prompt', PROMPT, '--target', server.origin]);
      found.batchrun.push(view.throughput.requests_per_minute / 60);
      const result = await autocannon({
        ...{ url: `${server.origin}/v1/messages`, method: 'POST', body: BODY },
        headers: { 'content-type': 'application/json', 'x-api-key': 'sim', 'anthropic-version': '2023-06-01' },
        ...{ connections: Number(values.connections), duration: Number(values['ceiling-seconds']) },
      });
      found.autocannon.push(result['2xx'] / result.duration);
    }
    return found;
  } finally {
    server.child.kill();
  }
}

async function serve(args) {
  const child = fork(fileURLToPath(new URL('loadtest-server.mjs', import.meta.url)), args);
  const [origin] = await once(child, 'message');
  return { child, origin };
}

async function loadtest(args) {
  const all = [MAIN, 'loadtest', ...args, '--model', 'claude-haiku-5-5', '--yes', '--json', '--quiet'];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`loadtest ended with ${code}`);
  return JSON.parse(stdout);
}

function report() {
  const error = (seen, exact) => `${((seen / exact - 1) * 100).toFixed(2)} %`;
  process.stdout.write(
    `${accuracy.requests} requests at ${values.rate}/s; log-normal, median ${MEDIAN_MS} ms, sigma ${SIGMA}; ` +
      `sent ${accuracy.lag_p99_ms.toFixed(1)} ms late at p99; Node ${process.version}, ${availableParallelism()} cores\n`,
  );
  printTable([
    ['', 'exact ms', 'service ms', 'error', 'total ms', 'error'],
    ...accuracy.rows.map(({ name, exact, service, total }) => [
      ...[name.replace('_', '.'), exact.toFixed(1), service.toFixed(1), error(service, exact)],
      ...[total.toFixed(1), error(total, exact)],
    ]),
  ]);
  const median = (list) => [...list].sort((one, other) => one - other)[Math.floor(list.length / 2)];
  process.stdout.write(`\nrequests a second, ${values.connections} connections, median of ${values.rounds}\n`);
  printTable(Object.entries(ceiling).map(([name, list]) => [name, median(list).toFixed(0)]));
}
