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
    ...['--max-batches', '40', '--rpm', '400', '--itpm', '60000', '--otpm', '20000', '--seed', '7'],
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
    'realtime',
    '--max-attempts',
    '2',
  ]);
  const url = await begun(['serve', '--port', '0']);
  const browser = await openBrowser();
  try {
    await ofPage(browser, url);
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
  await page.waitForFunction(() => Number.parseFloat(document.title) >= 55, null, { timeout: 120_000 });
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
  child.stderr.on('data', (data) => process.env.PICTURES_TALK && process.stderr.write(data));
  children.push(child);
  return child;
}

/** Starts a server and gives the address that it prints. */
async function begun(args) {
  const child = start(args);
  child.stdout.setEncoding('utf8');
  for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
    const url = /http:\/\/\S+/.exec(text)?.[0];
    child.stdout.resume();
    if (url) return url;
  }
  throw new Error(`batchrun ${args.join(' ')} printed no address`);
}

async function ended(args) {
  const child = start(args);
  child.stdout.resume();
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`batchrun ${args.join(' ')} ended with ${code}`);
}
