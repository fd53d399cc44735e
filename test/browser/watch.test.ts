/**
 * A run from submit to done before the eyes of a page that was open before it began.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openPage } from '../support/chromium.ts';
import { bench, requests, type Bench } from '../support/cli.ts';
import { isMissing, ownBrowser, serve } from './lab.ts';

const ROWS = 60;

async function withInput(options: Parameters<typeof bench>[0] = {}): Promise<Bench> {
  const b = await bench(options);
  b.write('in.jsonl', requests(ROWS));
  return b;
}

describe.skipIf(isMissing)('a page that is open', () => {
  const browser = ownBrowser();

  test('sees a run from submit to done, chunk by chunk', async () => {
    const b = await withInput({ batchDurationMs: [1_000, 1_500] });
    const { page, trouble } = await openPage(browser());
    const { url } = await serve(b);
    await page.goto(url);
    await page.getByRole('heading', { name: 'No runs yet' }).waitFor();
    // The token is nowhere where somebody could copy it by accident.
    expect(page.url()).not.toContain('token');

    const driving = b.start(['run', 'in.jsonl', '--name', 'before its eyes', '--chunk-size', '10']);
    await page.getByRole('link', { name: 'before its eyes' }).click();
    await page.locator('.chip', { hasText: 'running' }).waitFor();
    const grid = page.locator('#grid');
    await page.waitForSelector('#grid[aria-label*="at the API"]');
    expect(await grid.getAttribute('aria-label')).toMatch(/^\d+ chunks: /);
    await page.locator('#who', { hasText: 'batchrun run drives' }).waitFor();

    await page.locator('.chip', { hasText: /^done$/ }).waitFor();
    await expect.poll(() => page.title()).toBe('done · before its eyes · batchrun');
    expect((await driving.ended).code).toBe(0);
    await page.waitForSelector('#grid[aria-label="6 chunks: 6 collected. Arrow keys choose one."]');
    expect(await page.locator('.state .legend').innerText()).toMatch(/60\s*succeeded/);
    expect(await page.locator('.figures').innerText()).toContain('60 of 60');
    await page.locator('#log tbody tr', { hasText: 'run.done' }).waitFor();
    await page.locator('#who', { hasText: 'nobody drives' }).waitFor();
    // What is read aloud.
    await page.locator('#live', { hasText: 'before its eyes is done' }).waitFor({ state: 'attached' });
    expect(trouble).toEqual([]);
  });

  test('that is opened late sees the past in its charts, and saves what the output holds', async () => {
    const b = await withInput();
    await b.ok(['run', 'in.jsonl', '--chunk-size', '10']);
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('#runs a').click();
    await page.locator('#timeline .u-over').first().waitFor();
    await page.locator('#timeline header', { hasText: 'from the log' }).waitFor();
    for (const what of ['save-output', 'save-results']) {
      await page.locator('#do-download').click();
      const [saved] = await Promise.all([page.waitForEvent('download'), page.locator(`#${what}`).click()]);
      expect(saved.suggestedFilename()).toMatch(/results\.jsonl$/);
      expect(readFileSync(await saved.path(), 'utf8')).toBe(b.read('in.results.jsonl'));
    }
    expect(trouble).toEqual([]);
  });

  test('shows failures by reason, down to the row, its prompt and what was answered', async () => {
    const b = await withInput({ rates: { errorRate: 1 } });
    await b.exits(3, ['run', 'in.jsonl', '--retry-lane', 'none', '--max-attempts', '1']);
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('#runs a').click();
    const reason = page.locator('button.reason').first();
    await reason.click();
    await page.locator('#failed-rows tbody tr').first().waitFor();
    expect(await page.locator('#failed-rows tbody tr').count()).toBeGreaterThan(1);
    await page.locator('#failed-rows tbody tr').first().click();
    await page.locator('#row dl', { hasText: 'row-' }).waitFor();
    const text = await page.locator('#row dl').innerText();
    const id = /row-\d+/.exec(text)?.[0] ?? '';
    await page.locator('#row-show').click();
    await page.locator('#row-texts pre').first().waitFor();
    const texts = await page.locator('#row-texts').innerText();
    expect(texts).toContain(`question ${id.slice('row-'.length)}`);
    expect(texts).toContain('"type": "errored"');
    await page.keyboard.press('Escape');
    expect(await page.locator('dialog[open]').count()).toBe(0);
    expect(trouble).toEqual([]);
  });

  test('shows what is blocked, and what a person must do', async () => {
    const b = await withInput({ accountProblem: 'credit_too_low' });
    await b.call(['run', 'in.jsonl', '--no-preflight']);
    const { url } = await serve(b);
    const { page } = await openPage(browser());
    await page.goto(url);
    const notice = page.locator('#runs .notice');
    await notice.waitFor();
    const view = (await b.json(0, ['status'])).runs[0];
    expect(await notice.innerText()).toContain(view.blocked[0]?.['hint']);
  });
});
