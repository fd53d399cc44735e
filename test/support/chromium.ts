/**
 * The browser of the machine for tests of pages. Where there is none, the tests are left out and say so; where CI is set,
 * that is a failure.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export function findChromium(path: string = process.env['PATH'] ?? ''): string | null {
  for (const folder of path.split(delimiter)) {
    for (const name of NAMES) {
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // The next one.
      }
    }
  }
  return null;
}

export function launchChromium(executablePath: string): Promise<Browser> {
  // Root has no sandbox to fall back on.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}
