/**
 * What a page may do with the token and without: looking is free on this machine, texts and actions are not.
 */
import { describe, expect, test } from 'vitest';
import { openPage } from '../support/chromium.ts';
import { bench, ENDLESS, requests } from '../support/cli.ts';
import { isMissing, ownBrowser, serve, TOKEN } from './lab.ts';

describe.skipIf(isMissing)('the token', () => {
  const browser = ownBrowser();

  test('is needed for ids, texts and actions; with it they are there', async () => {
    const b = await bench({ rates: { errorRate: 1 } });
    b.write('in.jsonl', requests(4, 'a secret'));
    await b.exits(3, ['run', 'in.jsonl', '--retry-lane', 'none', '--max-attempts', '1']);
    const { origin } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(`${origin}/`);
    await page.locator('.notice', { hasText: 'Looking only' }).waitFor();
    await page.locator('#runs a').click();
    await page.locator('#do-retry:disabled').waitFor();
    expect(await page.locator('#do-download').isDisabled()).toBe(true);
    await page.locator('button.reason').first().click();
    await page.locator('#failed-rows tbody tr').first().waitFor();
    expect(await page.locator('#failed-rows').innerText()).not.toContain('row-');
    await page.locator('#failed-rows tbody tr').first().click();
    await page.locator('#row-show').click();
    await page.locator('#row-texts', { hasText: 'this needs the token' }).waitFor();
    expect(await page.content()).not.toContain('a secret');
    await page.keyboard.press('Escape');

    await page.locator('#token-open').click();
    await page.locator('#token').fill(TOKEN);
    await page.locator('#token').press('Enter');
    await page.locator('#do-retry:enabled').waitFor();
    await page.locator('button.reason').first().click();
    await page.locator('#failed-rows code', { hasText: 'row-' }).first().waitFor();
    // The refusal itself is an error in the browser's eyes.
    expect(trouble.filter((line) => !line.includes('401'))).toEqual([]);
  });

  test('a retry from the page sends the rows again, and says before what it costs', async () => {
    const b = await bench({ rates: { errorRate: 1 } });
    b.write('in.jsonl', requests(5));
    await b.exits(3, ['run', 'in.jsonl', '--retry-lane', 'none', '--max-attempts', '1']);
    b.world.setRates({ errorRate: 0 });
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('#runs a').click();
    await page.locator('.chip', { hasText: 'not every row succeeded' }).waitFor();
    await page.locator('#do-retry').click();
    await page.locator('#question li', { hasText: '5 rows are sent again' }).waitFor();
    expect(await page.locator('#question').innerText()).toMatch(/cost/);
    await page.locator('#confirm').click();
    await page.locator('#tasks code', { hasText: 'batchrun retry run_' }).waitFor();
    await page.locator('#tasks .chip', { hasText: 'done (0)' }).waitFor();
    await page.locator('.headline .chip', { hasText: /^done$/ }).waitFor();
    expect(trouble).toEqual([]);
    expect((await b.json(0, ['status'])).runs[0].rows['succeeded']).toBe(5);
  });

  test('a cancel from the page stops the batches; nothing happens before it is confirmed', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(5));
    await b.ok(['submit', 'in.jsonl']);
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('#runs a').click();
    await page.locator('#do-cancel').click();
    await page.locator('#question li', { hasText: 'batchrun cancel' }).waitFor();
    await page.keyboard.press('Escape');
    expect(b.calls('batches.cancel')).toBe(0);
    await page.locator('#do-cancel').click();
    await page.locator('#confirm').click();
    await page.locator('.headline .chip', { hasText: /^canceled$/ }).waitFor();
    expect(b.calls('batches.cancel')).toBe(1);
    expect(trouble).toEqual([]);
  });

  test('without an API key everything can be seen, and the page says what that means', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(5));
    await b.ok(['submit', 'in.jsonl']);
    const { url } = await serve(b, [], { env: { ANTHROPIC_API_KEY: undefined } });
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('.notice', { hasText: 'ANTHROPIC_API_KEY' }).waitFor();
    await page.locator('#runs a').click();
    await page.locator('#do-cancel').click();
    await page.locator('#question li', { hasText: 'ANTHROPIC_API_KEY' }).waitFor();
    expect(await page.locator('#confirm').isVisible()).toBe(false);
    expect(trouble).toEqual([]);
  });
});
