/**
 * A page that stays open: beside other tabs, while nothing happens, and while the run that it shows goes away.
 */
import { rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { openPage } from '../support/chromium.ts';
import { bench, ENDLESS, requests, type Bench } from '../support/cli.ts';
import { isMissing, ownBrowser, serve } from './lab.ts';

/** A tab is in the background when a test says so: a browser without windows never says it. */
const TURNS = `
  globalThis.isHidden = false;
  Object.defineProperty(document, 'hidden', { get: () => globalThis.isHidden });
  globalThis.turn = (hidden) => {
    globalThis.isHidden = hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  };`;

/** Until its stream is let go: from then on it rests. */
async function toBackground(page: Page): Promise<void> {
  const isLetGo = page.waitForEvent('requestfailed', (request) => request.url().includes('/api/stream'));
  await page.evaluate('turn(true)');
  await isLetGo;
}

async function failedRun(): Promise<{ readonly b: Bench; readonly id: string }> {
  const b = await bench({ rates: { errorRate: 1 } });
  b.write('in.jsonl', requests(4));
  await b.exits(3, ['run', 'in.jsonl', '--name', 'short', '--retry-lane', 'none', '--max-attempts', '1']);
  return { b, id: (await b.json(0, ['status'])).runs[0].id };
}

describe.skipIf(isMissing)('a page that stays open', () => {
  const browser = ownBrowser();

  test('leaves room for others: a browser has six connections to one server', async () => {
    const { b } = await failedRun();
    const { url } = await serve(b);
    const { page: first } = await openPage(browser());
    const tabs = first.context();
    await tabs.addInitScript({ content: TURNS });
    let front = first;
    for (let nth = 1; nth <= 8; nth++) {
      if (nth > 1) {
        await front.evaluate('turn(true)');
        front = await tabs.newPage();
      }
      await front.goto(url);
      await front.getByRole('link', { name: 'short' }).waitFor();
    }
    // The one that comes to the front again hears of what is new at once.
    await front.evaluate('turn(true)');
    await b.ok(['submit', 'in.jsonl', '--again', '--name', 'later', '-o', 'later.jsonl']);
    await first.evaluate('turn(false)');
    await first.getByRole('link', { name: 'later' }).waitFor();
  });

  test('shows the log of a state that was made anew while it rested', async () => {
    const { b } = await failedRun();
    const { url } = await serve(b);
    const { page } = await openPage(browser());
    await page.addInitScript({ content: TURNS });
    await page.goto(url);
    await page.locator('table.log tbody tr').first().waitFor();
    await toBackground(page);
    rmSync(b.state, { recursive: true });
    await b.ok(['submit', 'in.jsonl', '--name', 'anew', '-o', 'anew.jsonl']);
    await page.evaluate('turn(false)');
    await page.getByRole('link', { name: 'anew' }).waitFor();
    const { id } = (await b.json(0, ['status'])).runs[0];
    await page.locator('table.log tbody tr', { hasText: id }).first().waitFor();
  });

  test('asks for the timeline when it comes back from a rest, in which it saw one point in half a minute', async () => {
    const { b, id } = await failedRun();
    const { url, origin } = await serve(b);
    const { page } = await openPage(browser());
    await page.addInitScript({ content: TURNS });
    const isTimeline = (request: { url(): string }): boolean => request.url().endsWith(`/api/runs/${id}/timeline`);
    await page.goto(url);
    await Promise.all([page.waitForResponse(isTimeline), page.goto(`${origin}/#/run/${id}`)]);
    await page.locator('#link[data-state="live"]').waitFor();
    await toBackground(page);
    await Promise.all([page.waitForResponse(isTimeline), page.evaluate('turn(false)')]);
  });

  test('goes on telling how long ago something was; what has not changed is not said again', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(4));
    await b.call(['submit', 'in.jsonl', '--name', 'poor', '--max-cost', '0.00000001']);
    const { url, origin } = await serve(b);
    const { page } = await openPage(browser());
    await page.clock.install();
    await page.goto(url);
    const fact = page.locator('#runs .facts');
    await fact.getByText(/begun .* ago/).waitFor();
    const before = await fact.innerText();
    // One tick of the page, and far less than the quiet after which it connects anew.
    await page.clock.fastForward(6_000);
    await expect.poll(() => fact.innerText()).not.toBe(before);

    const { id } = (await b.json(0, ['status'])).runs[0];
    await page.goto(`${origin}/#/run/${id}`);
    await page.locator('main > .notice[role=alert]', { hasText: 'budget' }).waitFor();
    await page.evaluate(`globalThis.said = 0;
      new MutationObserver((changes) => (globalThis.said += changes.length)).observe(
        document.querySelector('main > .notice[role=alert]'), { childList: true, subtree: true, characterData: true })`);
    await page.clock.fastForward(6_000);
    expect(await page.evaluate('globalThis.said')).toBe(0);
  });

  test('keeps the focus on a reason while its number grows', async () => {
    const { b, id } = await failedRun();
    const { url, origin } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.goto(`${origin}/#/run/${id}`);
    await page.locator('button.reason').first().waitFor();
    const focused = await page.evaluate(`import('/failures.js').then(({ failurePanel }) => {
      const panel = failurePanel('run_of_the_test');
      document.body.append(panel.element);
      const reason = (reason, rows) => ({ reason, rows, says: null });
      panel.update([reason('expired', 1), reason('api_error', 1)]);
      panel.element.querySelectorAll('button.reason')[1].focus();
      panel.update([reason('expired', 2), reason('api_error', 2)]);
      return document.activeElement.textContent;
    })`);
    expect(focused).toBe('api_error2');
    expect(trouble).toEqual([]);
  });

  test('says that its run was pruned, and offers nothing more for it', async () => {
    const { b, id } = await failedRun();
    const { url, origin } = await serve(b);
    const { page } = await openPage(browser());
    await page.goto(url);
    await page.goto(`${origin}/#/run/${id}`);
    await page.locator('#do-retry').waitFor();
    await b.ok(['prune', id]);
    await page.locator('.notice', { hasText: 'it was pruned' }).waitFor();
    expect(await page.locator('#do-retry').isVisible()).toBe(false);
    await page.getByRole('heading', { name: 'short' }).waitFor();
  });

  test('an action that cannot be asked for says why', async () => {
    const { b, id } = await failedRun();
    const { url, origin, running } = await serve(b);
    const { page } = await openPage(browser());
    await page.goto(url);
    await page.goto(`${origin}/#/run/${id}`);
    await page.locator('#do-retry').waitFor();
    running.kill('SIGINT');
    await running.ended;
    await page.locator('#do-retry').click();
    await page.locator('.notice', { hasText: 'cannot be done now: the server does not answer' }).waitFor();
  });
});
