/**
 * Pictures of the page of `serve`, of a run that goes on against the simulator: light, dark and on a phone. They lie in
 * .github/pictures, where the README shows them. `node test/pictures/page.mjs [folder]`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBrowser } from './browser.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const pictures = resolve(process.argv[2] ?? fileURLToPath(new URL('../../.github/pictures', import.meta.url)));
const BYTES_MAX = 250_000;
const ROWS = 24_000;

const folder = mkdtempSync(join(tmpdir(), 'batchrun-pictures-'));
const children = [];
const env = { PATH: process.env.PATH, HOME: folder, TZ: 'UTC', LANG: 'C.UTF-8', ANTHROPIC_API_KEY: 'sim' };

try {
  mkdirSync(pictures, { recursive: true });
  await takePictures();
} finally {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'close') : null)));
  rmSync(folder, { recursive: true, force: true });
}

async function takePictures() {
  const simulator = await begun([
    ...['sim', '--port', '0', '--batch-duration', '4s-40s', '--error-rate', '0.02', '--message-latency', '300ms-900ms'],
    ...['--max-batches', '60', '--rpm', '400', '--itpm', '60000', '--otpm', '20000', '--seed', '7'],
  ]);
  env.ANTHROPIC_BASE_URL = simulator;
  writeFileSync(join(folder, 'reviews.csv'), csv(2_000, 'review'));
  writeFileSync(join(folder, 'tickets.csv'), csv(ROWS, 'ticket'));
  const ask = ['--model', 'claude-haiku-5-5', '--max-tokens', '120', '--prompt', 'Which topic is this about? {{text}}'];
  const fast = ['--poll-interval', '500ms', '--chunk-size', '250'];
  await ended([
    'run',
    'reviews.csv',
    '--name',
    'reviews of last week',
    ...ask,
    ...fast,
    '--retry-lane',
    'none',
    '--fail-if',
    'failed>5%',
  ]);
  const running = start([
    'run',
    'tickets.csv',
    '--name',
    'support tickets',
    ...ask,
    ...fast,
    '--max-cost',
    '40',
    '--retry-lane',
    'none',
  ]);
  const url = await begun(['serve', '--port', '0']);
  const browser = await openBrowser();
  // What it says is not needed, but has to go somewhere.
  running.stdout.resume();
  running.stderr.resume();
  try {
    await ofPage(browser, url);
    await ofLoadTest(browser);
  } finally {
    await browser.close();
    running.kill('SIGINT');
  }
}

async function ofPage(browser, url) {
  const desk = await browser.newContext({
    viewport: { width: 1200, height: 1060 },
    colorScheme: 'light',
    timezoneId: 'UTC',
  });
  const page = await desk.newPage();
  await page.goto(url);
  await page.getByRole('link', { name: 'support tickets' }).click();
  // Some way into the run, so that there is something to see.
  await page.waitForFunction(() => Number.parseFloat(document.title) >= 78, null, { timeout: 120_000 });
  await shot(page, 'page-light.png');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.goto(`${url.split('#')[0]}#/`);
  await page.getByRole('link', { name: 'support tickets' }).waitFor();
  await page.getByRole('link', { name: 'support tickets' }).click();
  await page.locator('.u-over').first().waitFor();
  await shot(page, 'page-dark.png');
  const phone = await browser.newContext({
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    colorScheme: 'light',
    timezoneId: 'UTC',
  });
  const small = await phone.newPage();
  await small.goto(url);
  await small.getByRole('link', { name: 'support tickets' }).waitFor();
  await small.getByRole('link', { name: 'support tickets' }).click();
  await small.locator('.u-over').first().waitFor();
  await shot(small, 'page-phone.png');
}

/** Users come one after the other until the simulator refuses: the knee. */
async function ofLoadTest(browser) {
  writeFileSync(join(folder, 'prompts.csv'), csv(200, 'question'));
  const child = start([
    ...['loadtest', 'prompts.csv', '--prompt', '{{text}}', '--model', 'claude-haiku-5-5', '--max-tokens', '64'],
    ...['--users', '120', '--spawn-rate', '3', '--think-time', '200ms-600ms', '--duration', '60s', '--stream'],
    ...['--message-latency', '150ms-900ms', '--tier', 'start', '--max-requests', '20000', '--web', '--port', '0'],
  ]);
  const url = await saysAddress(child.stderr);
  const context = await browser.newContext({
    viewport: { width: 1200, height: 900 },
    colorScheme: 'light',
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => /^(4[5-9]|5\d) s/.test(document.title), null, { timeout: 90_000 });
  await shot(page, 'loadtest.png');
  child.kill('SIGINT');
}

async function shot(page, name) {
  const path = join(pictures, name);
  await page.screenshot({ path });
  const { size } = statSync(path);
  process.stdout.write(`${name}: ${Math.round(size / 1_000)} kB\n`);
  if (size > BYTES_MAX) throw new Error(`${name} has ${size} bytes: more than ${BYTES_MAX}`);
}

function csv(rows, word) {
  const topics = ['a refund', 'a late parcel', 'a lost card', 'a wrong size', 'the app', 'an invoice', 'a password'];
  const lines = Array.from(
    { length: rows },
    (_, at) => `${word}-${at + 1},The ${at + 1}th ${word} is about ${topics[at % 7]}`,
  );
  return `id,text\n${lines.join('\n')}\n`;
}

function start(args) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

/** Starts a server and gives the address that it prints. */
async function begun(args) {
  const child = start(args);
  child.stderr.resume();
  return saysAddress(child.stdout);
}

async function saysAddress(stream) {
  stream.setEncoding('utf8');
  let said = '';
  for await (const text of stream.iterator({ destroyOnReturn: false })) {
    said += text;
    const url = /(http:\/\/\S+)\s/.exec(said)?.[1];
    if (!url) continue;
    stream.resume();
    return url;
  }
  throw new Error(`no address was printed:\n${said}`);
}

async function ended(args) {
  const child = start(args);
  child.stdout.resume();
  child.stderr.resume();
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`batchrun ${args.join(' ')} ended with ${code}`);
}
