/**
 * The browser of the machine, for pictures and benchmarks.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export async function openBrowser() {
  const file = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const executablePath = file.find(isExecutable);
  if (executablePath === undefined) throw new Error(`there is no Chromium in PATH (${NAMES.join(', ')})`);
  // Root has no sandbox to fall back on.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
