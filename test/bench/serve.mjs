/**
 * `npm run bench:serve -- --rows 1000000 --updates 40`: how long the page of a large run takes to load, and what an update
 * costs, on a ledger of a run of a million rows (big-ledger.mjs). While it is measured, an event and a write of the ledger go
 * before each update, as in a run that goes on. The server's CPU is that of its process, from /proc.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openBrowser } from '../pictures/browser.mjs';
import { BIG_RUN, makeLedger } from './big-ledger.mjs';
import { spread } from './measure.mjs';
import { loadBuilt, MAIN, newFolder } from './places.mjs';
import { printTable, spreadText } from './table.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    'chunk-rows': { type: 'string', default: '10000' },
    loads: { type: 'string', default: '10' },
    updates: { type: 'string', default: '40' },
    json: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const folder = newFolder();
const TOKEN = 'a-token-of-the-benchmark-0123';
const CLOCK_TICKS = 100;

let server;
try {
  const state = join(folder, '.batchrun');
  mkdirSync(state);
  await makeLedger(state, { rows, chunkRows: Number(values['chunk-rows']) });
  const env = { ...process.env, BATCHRUN_TOKEN: TOKEN, ANTHROPIC_API_KEY: 'sk-ant-none' };
  server = spawn(process.execPath, [MAIN, 'serve', '--port', '0'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = await once(server.stdout, 'data');
  const origin = new URL(String(line).trim()).origin;
  const answers = await answerTimes(origin);
  const loads = await pageLoads(origin);
  const updates = await updateCosts(origin, state);
  report({ answers, loads, updates });
} finally {
  server?.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}

/** What the server takes for each thing that the page asks for when it is opened. */
async function answerTimes(origin) {
  const paths = ['', '/chunks', '/timeline', '/log?limit=50'];
  const found = [];
  for (const path of paths) {
    const took = [];
    let bytes = 0;
    for (let nth = 0; nth < Number(values.loads); nth++) {
      const start = performance.now();
      const answer = await fetch(`${origin}/api/runs/${BIG_RUN}${path}`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      bytes = (await answer.arrayBuffer()).byteLength;
      took.push(performance.now() - start);
    }
    found.push({ name: `/api/runs/<run>${path}`, ms: spread(took), bytes });
  }
  return found;
}

async function pageLoads(origin) {
  const browser = await openBrowser();
  const dom = [];
  const data = [];
  let bytes = 0;
  try {
    for (let nth = 0; nth <= Number(values.loads); nth++) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const session = await context.newCDPSession(page);
      await session.send('Network.enable');
      bytes = 0;
      session.on('Network.dataReceived', ({ encodedDataLength }) => (bytes += encodedDataLength));
      await page.goto(`${origin}/#/run/${BIG_RUN}`, { waitUntil: 'commit' });
      await page.waitForSelector('.figures dd');
      const now = await page.evaluate('performance.now()');
      const loaded = await page.evaluate(`performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd`);
      await page.waitForSelector('#grid[aria-label*="chunks"]');
      // The first one starts what the others find warm.
      if (nth > 0) {
        dom.push(loaded);
        data.push(now);
      }
      await context.close();
    }
  } finally {
    await browser.close();
  }
  return { dom: spread(dom), data: spread(data), bytes };
}

/** One reader; before each second a chunk is collected. */
async function updateCosts(origin, state) {
  const { openSqliteStore } = await loadBuilt('adapters/sqlite/store.js');
  const store = openSqliteStore(join(state, 'state.db'));
  const holder = { pid: process.pid, host: 'bench', command: 'batchrun collect', atMs: Date.now() };
  const driver = await store.takeOver(holder);
  const over = new AbortController();
  const answer = await fetch(`${origin}/api/stream?run=${BIG_RUN}`, { signal: over.signal });
  const reader = answer.body.getReader();
  await reader.read();
  const idle = await cpuOver(10);
  const bytes = [];
  const before = cpuMs();
  const start = performance.now();
  let count = 0;
  while (count < Number(values.updates)) {
    await driver.note(BIG_RUN, 'bench.step', Date.now(), { step: count }, 1);
    await driver.recordPools('https://api.anthropic.com', [], Date.now());
    const { value } = await reader.read();
    bytes.push(value.byteLength);
    count++;
  }
  const seconds = (performance.now() - start) / 1_000;
  const busy = cpuMs() - before;
  over.abort();
  await driver.letGo(new Set([BIG_RUN]), Date.now());
  await store.close();
  return { count, seconds, cpuMsPerUpdate: busy / count, cpuMsPerIdleSecond: idle / 10, bytes: spread(bytes) };
}

async function cpuOver(seconds) {
  const before = cpuMs();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  return cpuMs() - before;
}

/** User and system time of the server so far. */
function cpuMs() {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / CLOCK_TICKS;
}

function report({ answers, loads, updates }) {
  const about = { rows, chunk_rows: Number(values['chunk-rows']), node: process.version };
  if (values.json) return process.stdout.write(`${JSON.stringify({ ...about, answers, loads, updates })}\n`);
  process.stdout.write(`a run of ${rows} rows in chunks of ${about.chunk_rows}, Node ${process.version}\n`);
  printTable([
    ['what', 'ms (least, middle, most)', 'bytes'],
    ...answers.map(({ name, ms, bytes }) => [name, spreadText(ms, 1), String(bytes)]),
    ['DOMContentLoaded in Chromium', spreadText(loads.dom, 0), String(loads.bytes)],
    ['first figures in Chromium', spreadText(loads.data, 0), ''],
  ]);
  process.stdout.write(
    `an update: ${updates.cpuMsPerUpdate.toFixed(1)} ms of CPU and ${updates.bytes.median} bytes (most ${updates.bytes.max}); ` +
      `${updates.count} in ${updates.seconds.toFixed(0)} s; idle: ${updates.cpuMsPerIdleSecond.toFixed(1)} ms of CPU a second\n`,
  );
}
