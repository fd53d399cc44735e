/**
 * Pictures of the terminal for the README: the real program in a real terminal, against the simulator, and what stands on
 * its screen as SVG. `node test/pictures/terminal.mjs [folder]`; needs python3 for the terminal.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Vt } from '../support/vt.mjs';
import { toSvg } from './svg.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const TERMINAL = fileURLToPath(new URL('../support/terminal.py', import.meta.url));
const pictures = resolve(process.argv[2] ?? fileURLToPath(new URL('../../.github/pictures', import.meta.url)));
const COLUMNS = 100;
const ASK = ['--model', 'claude-haiku-5-5', '--max-tokens', '60', '--prompt', 'Classify this message: {{text}}'];

const folder = mkdtempSync(join(tmpdir(), 'batchrun-pictures-'));
const children = [];
const env = {
  ...{ PATH: process.env.PATH, HOME: folder, TZ: 'UTC', LANG: 'C.UTF-8', TERM: 'xterm-256color' },
  ...{ ANTHROPIC_API_KEY: 'sim', BATCHRUN_POLL_INTERVAL: '300ms' },
};

try {
  mkdirSync(pictures, { recursive: true });
  const simulator = begun([
    ...['sim', '--port', '0', '--batch-duration', '4s-40s', '--error-rate', '0.03', '--message-latency', '300ms-900ms'],
    ...['--max-batches', '9', '--rpm', '300', '--itpm', '40000', '--otpm', '20000', '--seed', '11'],
  ]);
  const [origin] = await once(simulator.stdout.setEncoding('utf8'), 'data');
  env.ANTHROPIC_BASE_URL = origin.trim();
  await watchPicture();
  await planPicture();
} finally {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'close') : null)));
  rmSync(folder, { recursive: true, force: true });
}

/** Three runs, of which one is done, at a moment when there is something of everything. */
async function watchPicture() {
  rows('evals.csv', 400);
  rows('tickets.csv', 24_000);
  rows('reviews.csv', 6_000);
  await done(['run', 'evals.csv', ...ASK, '--name', 'evals']);
  await done(['submit', 'tickets.csv', ...ASK, '--name', 'support tickets', '--chunk-size', '1000', '--max-cost', '2']);
  await done([
    'submit',
    'reviews.csv',
    ...ASK,
    '--name',
    'reviews',
    '--chunk-size',
    '800',
    '--deadline',
    '4h',
    '-o',
    'r.csv',
  ]);
  begun(['collect', '--quiet', '--skip-if-locked']);
  const screen = inTerminal(['status', '--watch'], 34);
  await screen.until(
    (text) => /^ +[3-9]\d %/m.test(percents(text)) && /tried again/.test(text) && /rows\/min/.test(text),
  );
  picture('watch', screen.vt, 'batchrun status --watch');
  screen.child.stdin.write(`${JSON.stringify({ type: 'q' })}\n`);
  await once(screen.child, 'close');
}

async function planPicture() {
  const screen = inTerminal(['plan', 'tickets.csv', ...ASK, '--models', 'claude-haiku-5-5,claude-sonnet-5-5'], 40);
  await once(screen.child, 'close');
  picture('plan', screen.vt, 'batchrun plan tickets.csv');
}

/** How far the first run is, alone on a line. */
function percents(text) {
  return `  ${/(\d+ %)/.exec(text)?.[1] ?? ''}`;
}

function rows(name, count) {
  const text = Array.from(
    { length: count },
    (_, at) => `${at},"message ${at}: where is my parcel, and can I pay later?"`,
  );
  writeFileSync(join(folder, name), `id,text\n${text.join('\n')}\n`);
}

function begun(args) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function done(args) {
  const child = spawn(process.execPath, [MAIN, ...args, '--quiet'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`batchrun ${args.join(' ')} ended with ${code}`);
}

function inTerminal(args, lines) {
  const vt = new Vt(COLUMNS, lines);
  const command = [TERMINAL, String(COLUMNS), String(lines), process.execPath, MAIN, ...args];
  const child = spawn('python3', command, { cwd: folder, env, stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const heard = new EventTarget();
  child.stdout.setEncoding('utf8').on('data', (text) => {
    vt.write(text);
    heard.dispatchEvent(new Event('heard'));
  });
  child.on('close', () => heard.dispatchEvent(new Event('heard')));
  const until = async (isSo) => {
    while (!isSo(vt.text)) {
      if (child.exitCode !== null) throw new Error(`it ended before the picture:\n${vt.text}`);
      await once(heard, 'heard');
    }
  };
  return { vt, child, until };
}

function picture(name, vt, title) {
  const file = join(pictures, `${name}.svg`);
  writeFileSync(file, toSvg(vt, title));
  process.stdout.write(`${file}\n`);
}
