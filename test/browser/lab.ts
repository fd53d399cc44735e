/**
 * A page of the built `batchrun serve` beside a bench: the address that it prints, and one browser for each file.
 */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { isChromiumMissing, launchChromium } from '../support/chromium.ts';
import type { Bench, CallOptions, Running } from '../support/cli.ts';

/** Long enough to be a token, and the same for a server that comes back. */
export const TOKEN = 'a-token-of-the-tests-0123456789';

export const isMissing = isChromiumMissing();

/** The browser of this file. */
export function ownBrowser(): () => Browser {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (!isMissing) browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  return () => {
    if (!browser) throw new Error('there is no browser');
    return browser;
  };
}

export interface Served {
  readonly running: Running;
  /** With the token behind its #. */
  readonly url: string;
  readonly origin: string;
}

export async function serve(b: Bench, args: readonly string[] = [], options: CallOptions = {}): Promise<Served> {
  const env = { BATCHRUN_TOKEN: TOKEN, ...options.env };
  const running = b.start(['serve', '--port', '0', ...args], { ...options, env });
  await running.says(/#token=\S+\n/, 'stdout');
  const url = running.stdout.trim();
  return { running, url, origin: new URL(url).origin };
}
