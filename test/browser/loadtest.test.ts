/**
 * The live page of a load test: it shows the load as it is, changes it and stops it.
 */
import { describe, expect, test } from 'vitest';
import { openPage } from '../support/chromium.ts';
import type { LoadView } from '../../src/tools/loadtest/view.ts';
import { bench, type Bench, type Running } from '../support/cli.ts';
import { isMissing, ownBrowser, TOKEN } from './lab.ts';

async function loadtest(
  b: Bench,
  args: readonly string[],
): Promise<{ readonly running: Running; readonly url: string }> {
  const running = b.start(
    [
      'loadtest',
      '--prompt',
      'hello',
      '--model',
      'claude-haiku-5-5',
      '--max-tokens',
      '20',
      '--web',
      '--port',
      '0',
      ...args,
    ],
    { env: { BATCHRUN_TOKEN: TOKEN } },
  );
  await running.says(/The live page: \S+/);
  return { running, url: /The live page: (\S+)/.exec(running.stderr)?.[1] ?? '' };
}

describe.skipIf(isMissing)('the live page of a load test', () => {
  const browser = ownBrowser();

  test('shows the load, changes the users, and stops the test', async () => {
    const b = await bench();
    const { running, url } = await loadtest(b, [
      '--users',
      '2',
      '--think-time',
      '20ms',
      '--duration',
      '120s',
      '--json',
      '--fail-if',
      'succeeded<1',
    ]);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('.chip', { hasText: 'running' }).waitFor();
    await page.locator('.u-over').first().waitFor();
    await page.locator('#load-value').fill('5');
    await page.locator('#load-set').click();
    await page.waitForSelector('figure[aria-label*="5 users"]');
    // The field says what was asked for last, not what the test began with.
    const before = await page.title();
    await expect.poll(() => page.title()).not.toBe(before);
    expect(await page.locator('#load-value').inputValue()).toBe('5');
    expect(await page.locator('.keys').first().innerText()).toMatch(/succeeded\s+refused \(429\)\s+failed/);
    expect(trouble).toEqual([]);
    expect(await page.locator('#outcome').isVisible()).toBe(false);
    await page.locator('#load-stop').click();
    await page.locator('#confirm').click();
    await page.locator('.chip', { hasText: 'over' }).waitFor();
    const { code, stdout } = await running.ended;
    expect(code).toBe(0);
    // The page showed what the report says.
    const report = JSON.parse(stdout) as Pick<LoadView, 'requests' | 'changes' | 'findings'>;
    expect(report.changes).toMatchObject([{ users: 5, per_second: null }]);
    await page.locator('#outcome').waitFor();
    const found = await page.locator('#outcome').innerText();
    expect(found).toMatch(/Kept: succeeded<1 does not hold/);
    for (const finding of report.findings) expect(found).toContain(finding);
    const shown = await page.locator('.state .legend').innerText();
    expect(shown.replaceAll(',', '')).toContain(String(report.requests.succeeded));
  });

  test('takes less than one arrival a second, and calls conversations what they are', async () => {
    const b = await bench();
    const { url } = await loadtest(b, ['--rate', '3/s', '--duration', '120s']);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.waitForSelector('figure[aria-label*="conversation"]');
    await page.locator('#load-value').fill('0.5');
    const taken = page.waitForResponse('**/api/rate');
    await page.locator('#load-set').click();
    expect((await taken).status()).toBe(200);
    await page.locator('#load-set').focus();
    const before = await page.title();
    await expect.poll(() => page.title()).not.toBe(before);
    expect(await page.locator('#load-value').inputValue()).toBe('0.5');
    expect(await page.locator('main').innerText()).not.toMatch(/\busers?\b/);
    expect(trouble).toEqual([]);
  });

  test('without the token it can be looked at, not steered', async () => {
    const b = await bench();
    const { url } = await loadtest(b, ['--users', '1', '--think-time', '20ms', '--duration', '120s']);
    const { page } = await openPage(browser());
    await page.goto(url.split('#')[0] ?? '');
    await page.locator('.chip', { hasText: 'running' }).waitFor();
    expect(await page.locator('#load-stop').isDisabled()).toBe(true);
    const status = await page.evaluate<number>(
      `fetch('/api/stop', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }).then((a) => a.status)`,
    );
    expect(status).toBe(401);
  });
});
