/**
 * Reports as a browser draws them: what stands on their axes, and that they fit a phone.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openPage } from '../support/chromium.ts';
import { bench } from '../support/cli.ts';
import { isMissing, ownBrowser } from './lab.ts';

/** Charts are canvases: what is written on them is noted. */
const NOTE_TEXTS = `window.written = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { window.written.push(text); return write.call(this, text, ...rest); };`;

describe.skipIf(isMissing)('the report of a load test', () => {
  const browser = ownBrowser();

  test('has figures on the axes of times that are shorter than a second, and fits a phone', async () => {
    const b = await bench();
    const args = ['--rate', '40/s', '--duration', '3s', '--message-latency', '40ms-90ms', '--html', 'load.html'];
    await b.ok(['loadtest', ...args, '--quiet'], { env: { ANTHROPIC_API_KEY: undefined } });
    const { page, trouble } = await openPage(browser(), { viewport: { width: 360, height: 740 } });
    await page.addInitScript({ content: NOTE_TEXTS });
    await page.goto(pathToFileURL(join(b.folder, 'load.html')).href);
    await page.locator('#times canvas').waitFor();
    const written = await page.evaluate<string[]>('window.written');
    expect(new Set(written.filter((text) => /^\d+ms$/.test(text))).size).toBeGreaterThanOrEqual(2);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    expect(trouble.filter((one) => !one.startsWith('asked: file:'))).toEqual([]);
  });
});
