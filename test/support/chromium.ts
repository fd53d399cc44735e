/**
 * The browser of the machine for tests of pages, and what has to stay true of every page: no dialog that the page did not
 * open, no script error, no breach of the policy, nothing asked of another server. Where there is no browser the tests are
 * left out and say so; where CI is set, that is a failure.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export function findChromium(path: string): string | null {
  const files = path.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return files.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** True where the tests have to be left out. Throws in CI: there they must run. */
export function isChromiumMissing(path: string = process.env['PATH'] ?? ''): boolean {
  if (findChromium(path) !== null) return false;
  const why = `no Chromium in PATH (${NAMES.join(', ')})`;
  if (process.env['CI'] !== undefined) throw new Error(`${why}: in CI its tests must run`);
  console.warn(`${why}: its tests are left out`);
  return true;
}

export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium(process.env['PATH'] ?? '') ?? 'chromium';
  // Root has no sandbox to fall back on.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

/** What went wrong in a page, in the order in which it did. */
export type Trouble = string[];

/** A page in a context of its own: no cookie and no token of another test. It is closed at the end of the test. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ readonly page: Page; readonly trouble: Trouble }> {
  const context = await browser.newContext({ timezoneId: 'UTC', acceptDownloads: true, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const trouble: Trouble = [];
  await page.addInitScript({
    content: `document.addEventListener('securitypolicyviolation', (event) =>
      console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI));`,
  });
  page.on('dialog', (dialog) => {
    trouble.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') trouble.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const { hostname } = new URL(request.url());
    if (hostname !== '127.0.0.1' && hostname !== 'localhost') trouble.push(`asked: ${request.url()}`);
  });
  return { page, trouble };
}
