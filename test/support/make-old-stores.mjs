/**
 * Makes the state folders of fixtures/old-stores with a build of an older batchrun, so that today's can be tried on
 * what it left: `node test/support/make-old-stores.mjs <package folder of the old build> <schema number>`. The folder
 * holds dist/, package.json and node_modules of the old version.
 *
 * It was run once for each released schema and its output is kept; a fixture that has been committed is never made
 * anew (its ids and times would change). Every state comes from the real command line and the simulator of the same
 * build: some are closed cleanly, some killed with SIGKILL at a failpoint, with the write-ahead log that was left.
 *
 * A fixture is a folder: about.json (how it was made, what the API had then), files/ (inputs and outputs), state/ (the
 * state folder; its databases gzipped, its .gitignore left out, which would hide the fixture from git).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const [packageFolder, schema] = process.argv.slice(2);
if (packageFolder === undefined || !/^\d+$/.test(schema ?? '')) {
  console.error('usage: node test/support/make-old-stores.mjs <package folder of the old build> <schema number>');
  process.exit(2);
}
const DIST = resolve(packageFolder, 'dist');
const TARGET = fileURLToPath(new URL(`../../fixtures/old-stores/schema-${schema}`, import.meta.url));
const FOLDER = join(tmpdir(), 'batchrun-old-stores');
const PROGRAM = join(DIST, 'cli/main.js');
const load = (path) => import(pathToFileURL(join(DIST, path)).href);
const { createSimWorld } = await load('tools/sim/world.js');
const { startSimServer } = await load('tools/sim/server.js');
const { systemClock } = await load('base/clock.js');

/** The name of the machine is nobody's business: the ledger keeps it as that of the driver. */
const NO_HOST = `data:text/javascript,${encodeURIComponent(
  `import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module';
   os.hostname = () => 'old-host'; syncBuiltinESMExports();`,
)}`;

const SHORT = [30, 60];
const ENDLESS = [600_000, 600_000];
const MODEL = 'claude-haiku-5-5';
const params = (text) => ({ model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: text }] });
const requests = (count, word) =>
  Array.from({ length: count }, (_, at) => ({ custom_id: `${word}-${at + 1}`, params: params(`${word} ${at + 1}?`) }))
    .map((request) => `${JSON.stringify(request)}\n`)
    .join('');

/** One state under way: a folder, a world, and the old program on both. */
class Making {
  constructor(name) {
    this.name = name;
    this.folder = join(FOLDER, name);
    this.env = { PATH: process.env.PATH, HOME: this.folder, TZ: 'UTC', LANG: 'C.UTF-8', ANTHROPIC_API_KEY: 'old-key' };
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
  }

  async world(options = {}) {
    this.sim = createSimWorld(
      {
        seed: `old ${this.name}`,
        tier: 'scale',
        batchDurationMs: ENDLESS,
        messageLatencyMs: [0, 5],
        pollRetryAfterSeconds: null,
        ...options,
      },
      systemClock,
    );
    this.server = await startSimServer(this.sim, { port: 0 });
    this.origin = this.server.origin;
  }

  async offline() {
    await this.server?.close();
    this.server = undefined;
  }

  write(name, text) {
    writeFileSync(join(this.folder, name), text);
  }

  /** Runs the old program and expects it to end so: an exit code or a signal. */
  async run(expected, args, env = {}, started = () => undefined) {
    const more = { ANTHROPIC_BASE_URL: this.origin, BATCHRUN_POLL_INTERVAL: '20ms', BATCHRUN_RECONCILE_GRACE: '10m' };
    const child = spawn(process.execPath, ['--import', NO_HOST, PROGRAM, ...args], {
      cwd: this.folder,
      env: { ...this.env, ...more, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
    const [code, signal] = await once(child, 'close');
    if ((signal ?? code) !== expected) {
      throw new Error(`${this.name}: batchrun ${args.join(' ')}: ${signal ?? code}, not ${expected}\n${said}`);
    }
  }

  killed(failpoint, args) {
    return this.run('SIGKILL', args, { BATCHRUN_FAILPOINT: failpoint });
  }
}

/** `again`: inputs and flags that mean the same run again; default in.jsonl alone. */
const STORES = {
  'sealed-offline': {
    what: 'five rows sealed in three chunks; nothing was sent, the API was not there',
    async make(m) {
      await m.world();
      await m.offline();
      m.write('in.jsonl', requests(5, 'lake'));
      await m.run(4, ['submit', 'in.jsonl', '--chunk-size', '2', '--give-up', '1ms']);
    },
  },
  submitted: {
    what: 'six rows of a CSV in two batches that run; outputs in CSV with an errors file',
    again: [
      ...['in.csv', '--model', MODEL, '--max-tokens', '100', '--prompt', 'Where is {{text}}?'],
      ...['--id-column', 'id', '--name', 'hills'],
    ],
    async make(m) {
      await m.world();
      m.write('in.csv', `id,text\n${Array.from({ length: 6 }, (_, at) => `c${at + 1},"hill, ${at + 1}"\n`).join('')}`);
      const to = ['-o', 'out.csv', '--format', 'csv', '--errors', 'errors.jsonl'];
      await m.run(0, ['submit', ...this.again, '--chunk-size', '3', ...to]);
    },
  },
  'checkpoint-killed': {
    what: 'two batches have ended; the outcomes of the first are committed, then SIGKILL',
    async make(m) {
      await m.world({ batchDurationMs: SHORT });
      m.write('in.jsonl', requests(6, 'river'));
      await m.run(0, ['submit', 'in.jsonl', '--chunk-size', '3']);
      await m.killed('collect.checkpoint', ['collect']);
    },
  },
  'answered-killed': {
    what: 'SIGKILL between the answer to the second create and its commit: a batch whose id nobody knows',
    async make(m) {
      await m.world();
      m.write('in.jsonl', requests(4, 'bridge'));
      await m.killed('submit.answered:2', ['submit', 'in.jsonl', '--chunk-size', '2']);
    },
  },
  'body-complete-killed': {
    what: 'SIGKILL when body_complete was committed and the tail of the body not sent: nothing was made',
    async make(m) {
      await m.world();
      m.write('in.jsonl', requests(4, 'tower'));
      await m.killed('submit.body_complete', ['submit', 'in.jsonl', '--chunk-size', '2']);
    },
  },
  uncertain: {
    what: 'two creates of one size without an answer: of the first a batch was made, of the second none',
    async make(m) {
      await m.world();
      m.write('in.jsonl', requests(4, 'island'));
      // At every create both faults are asked for: the one before a batch is made, then the one after it.
      let creates = 0;
      m.sim.script(({ fault }) => {
        if (fault === 'create.reset_before') return ++creates === 2;
        return fault === 'create.reset_after' ? true : undefined;
      });
      await m.run(0, ['submit', 'in.jsonl', '--chunk-size', '2']);
    },
  },
  retrying: {
    what: 'all rows of a batch errored; some were answered realtime, then Ctrl-C; the others wait',
    async make(m) {
      await m.world({ batchDurationMs: SHORT, rates: { errorRate: 1, errorTypes: { api_error: 1 } } });
      m.write('in.jsonl', requests(6, 'field'));
      await m.run(0, ['submit', 'in.jsonl']);
      await m.run(130, ['collect', '--concurrency', '1'], {}, (child) => {
        // Ctrl-C in the middle of the realtime lane.
        m.sim.script(() => {
          if (m.sim.ledger.messages.length === 2) child.kill('SIGINT');
          return undefined;
        });
      });
    },
  },
  'realtime-killed': {
    what: 'SIGKILL when an answer was synced in the realtime log and the ledger did not know it',
    async make(m) {
      await m.world({ batchDurationMs: SHORT, rates: { errorRate: 1, errorTypes: { overloaded_error: 1 } } });
      m.write('in.jsonl', requests(5, 'forest'));
      await m.run(0, ['submit', 'in.jsonl']);
      await m.killed('retry.realtime_log:2', ['collect', '--concurrency', '1']);
    },
  },
  'retry-chunk': {
    what: 'all rows of two batches errored; they go out again in two new ones: SIGKILL when the first was recorded',
    async make(m) {
      await m.world({ batchDurationMs: SHORT, rates: { errorRate: 1, errorTypes: { api_error: 1 } } });
      m.write('in.jsonl', requests(6, 'garden'));
      await m.run(0, ['submit', 'in.jsonl', '--chunk-size', '3', '--retry-lane', 'batch']);
      await waited(m);
      m.sim.setRates({ errorRate: 0 });
      await m.run('SIGKILL', ['collect'], { BATCHRUN_FAILPOINT: 'submit.recorded' });
    },
  },
  done: {
    what: 'a run with failed and skipped rows, its output and its errors file; and the tombstone of a pruned run',
    again: ['in.jsonl', '--on-invalid', 'skip'],
    async make(m) {
      await m.world({ batchDurationMs: SHORT });
      m.write('first.jsonl', requests(3, 'stone'));
      await m.run(0, ['run', 'first.jsonl']);
      await m.run(0, ['prune', 'latest']);
      // The second line cannot be sent; the last one, in a batch of its own, fails when it is processed.
      const lines = [
        { custom_id: 'wood-1', params: params('wood 1?') },
        { custom_id: 'wood-2', params: { model: MODEL } },
        { custom_id: 'wood-3', params: params('wood 3?') },
        { custom_id: 'wood-4', params: params('wood 4?') },
      ];
      m.write('in.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      m.sim.script(() => {
        if (m.sim.ledger.batches.length === 2) {
          m.sim.setRates({ errorRate: 1, errorTypes: { invalid_request_error: 1 } });
        }
        return undefined;
      });
      await m.run(3, ['run', ...this.again, '--errors', 'errors.jsonl', '--chunk-size', '2']);
    },
  },
  'ingest-killed': {
    what: 'SIGKILL while the input was read: one chunk in the ledger, a second only as a file',
    async make(m) {
      await m.world();
      m.write('in.jsonl', requests(5, 'cloud'));
      await m.killed('ingest.chunk_file:2', ['submit', 'in.jsonl', '--chunk-size', '2']);
    },
  },
  split: {
    what: '413 four times: a chunk was cut down to its rows, one row is refused, three batches of one row run',
    async make(m) {
      await m.world();
      m.write('in.jsonl', requests(4, 'valley'));
      m.sim.failNext('create.413', 4);
      await m.run(0, ['submit', 'in.jsonl', '--errors', 'errors.jsonl']);
    },
  },
  canceling: {
    what: 'a cancel was asked for while the API was not there: one batch runs, one chunk was never sent',
    async make(m) {
      await m.world();
      m.write('in.jsonl', requests(4, 'coast'));
      await m.run(0, ['submit', 'in.jsonl', '--chunk-size', '2', '--max-batches', '1']);
      await m.offline();
      await m.run(4, ['cancel', 'latest', '--give-up', '1ms']);
    },
  },
  blocked: {
    what: 'the account had no credit: nothing was made, and the run says so',
    async make(m) {
      await m.world({ accountProblem: 'credit_too_low' });
      m.write('in.jsonl', requests(3, 'desert'));
      await m.run(5, ['submit', 'in.jsonl']);
    },
  },
};

/** All batches of the world have ended. */
async function waited(m) {
  while (m.sim.ledger.batches.some((batch) => batch.status !== 'ended'))
    await new Promise((done) => setImmediate(done));
}

/** What the API had when the program stopped, with the chunk file that was each batch's body. */
function batchesOf(m) {
  const bodies = new Map();
  for (const path of filesBelow(join(m.folder, '.batchrun'))) {
    if (!/chunks\/\d+\.json$/.test(path)) continue;
    const { requests: rows } = JSON.parse(readFileSync(join(m.folder, '.batchrun', path), 'utf8'));
    bodies.set(rows.map((row) => row.custom_id).join(), path);
  }
  return m.sim.ledger.batches.flatMap((batch) => {
    const body = bodies.get([...batch.customIds()].join());
    // The bodies of a pruned run are gone, and nobody asks for its batches again.
    return body === undefined
      ? []
      : [{ id: batch.id, createdAtMs: batch.createdAtMs, ended: batch.status === 'ended', body }];
  });
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

function keep(m, { what, again = ['in.jsonl'] }) {
  const target = join(TARGET, m.name);
  rmSync(target, { recursive: true, force: true });
  const state = join(m.folder, '.batchrun');
  for (const path of filesBelow(m.folder)) {
    const from = join(m.folder, path);
    const inState = relative(state, from);
    if (inState.startsWith('..')) {
      copy(from, join(target, 'files', path));
      continue;
    }
    // The -shm file is an index of the -wal file that SQLite makes anew.
    if (inState === '.gitignore' || inState.endsWith('-shm')) continue;
    const isDatabase = /^state\.db(-wal)?$/.test(inState);
    if (!isDatabase) copy(from, join(target, 'state', inState));
    else write(join(target, 'state', `${inState}.gz`), gzipSync(readFileSync(from), { level: 9 }));
  }
  const killed = existsSync(join(state, 'state.db-wal'));
  const about = { what, killed, again, folder: m.folder, origin: m.origin, atMs: Date.now(), batches: batchesOf(m) };
  write(join(target, 'about.json'), `${JSON.stringify(about, null, 2)}\n`);
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}

function write(path, data) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, data);
}

for (const [name, store] of Object.entries(STORES)) {
  const making = new Making(name);
  await store.make(making);
  await making.offline();
  keep(making, store);
  console.error(`${name}: ${store.what}`);
}
process.exit(0);
