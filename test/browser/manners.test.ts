/**
 * How the page behaves: the keyboard, the width of a phone, dark mode, a server that goes away and comes back, and a run
 * of ten thousand chunks.
 */
import { mkdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { openDatabase } from '../../src/adapters/sqlite/kept.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts';
import { newChunk, newRun } from '../contract/store.lab.ts';
import { openPage } from '../support/chromium.ts';
import { bench, ENDLESS, requests, type Bench } from '../support/cli.ts';
import { isMissing, ownBrowser, serve, TOKEN } from './lab.ts';

async function withRuns(): Promise<Bench> {
  const b = await bench({ rates: { errorRate: 0.5 } });
  b.write('in.jsonl', requests(30));
  await b.call(['run', 'in.jsonl', '--name', 'first', '--retry-lane', 'none', '--max-attempts', '1']);
  const long = 'a_name_without_any_space_that_is_much_longer_than_a_phone_is_wide_'.repeat(2);
  await b.call(['run', 'in.jsonl', '--name', long, '--again', '-o', 'again.jsonl', '--retry-lane', 'none']);
  return b;
}

function focused(page: Page): Promise<string> {
  return page.evaluate(`document.activeElement?.textContent ?? ''`);
}

/** Sealing each of them would sync the disk as often. */
function copyChunk(b: Bench, count: number): void {
  const raw = openDatabase(`${b.state}/state.db`, { timeout: 5_000 });
  const columns = raw.prepare("SELECT name FROM pragma_table_info('chunks')").pluck().all() as string[];
  const values = columns.map((name) => (name === 'chunk_no' ? 'i' : name === 'first_seq' ? 'i - 1' : name));
  raw.exec(`WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO chunks (${columns.join(',')}) SELECT ${values.join(',')} FROM chunks, n`);
  raw.close();
}

describe.skipIf(isMissing)('the page', () => {
  const browser = ownBrowser();

  test('is used with the keyboard alone', async () => {
    const b = await withRuns();
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('#runs a').first().waitFor();
    await page.keyboard.press('j');
    expect(await focused(page)).toContain('a_name');
    await page.keyboard.press('j');
    expect(await focused(page)).toBe('first');
    await page.keyboard.press('k');
    await page.keyboard.press('j');
    const ring = await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`);
    expect(ring).not.toBe('none');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'first', exact: true }).waitFor();
    await page.locator('button.reason').first().waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.locator('#failed-rows tbody tr').first().waitFor();
    const reasons = await page.locator('button.reason').count();
    for (let at = 0; at < reasons; at++) await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.locator('dialog#row[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog#row').waitFor({ state: 'detached' });
    await page.locator('#grid').focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('#chunks .detail', { hasText: 'msgbatch_' }).waitFor();
    await page.keyboard.press('?');
    await page.locator('dialog#help[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog#help').waitFor({ state: 'detached' });
    await page.keyboard.press('Escape');
    await page.locator('#runs a').first().waitFor();
    expect(trouble).toEqual([]);
  });

  test('does not scroll sideways at 360 pixels', async () => {
    const b = await withRuns();
    const { url } = await serve(b);
    const { page } = await openPage(browser(), { viewport: { width: 360, height: 740 }, isMobile: true });
    const widest = `Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)`;
    await page.goto(url);
    await page.locator('#runs a').first().waitFor();
    expect(await page.evaluate(widest)).toBe(360);
    await page.locator('#runs a').first().click();
    await page.locator('#timeline .u-over').first().waitFor();
    await page.locator('button.reason').first().click();
    await page.locator('#failed-rows tbody tr').first().waitFor();
    expect(await page.evaluate(widest)).toBe(360);
    await page.locator('#failed-rows tbody tr').first().click();
    await page.locator('#row-show').click();
    await page.locator('#row-texts pre').first().waitFor();
    expect(await page.evaluate(widest)).toBe(360);
  });

  test('is dark where the reader wants it dark', async () => {
    const b = await bench();
    const { url } = await serve(b);
    const grounds: number[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await openPage(browser(), { colorScheme });
      await page.goto(url);
      await page.getByRole('heading', { name: 'No runs yet' }).waitFor();
      const colour = await page.evaluate<string>(`getComputedStyle(document.body).backgroundColor`);
      grounds.push(Number(/\d+/.exec(colour)?.[0]));
    }
    expect(grounds[0]).toBeGreaterThan(200);
    expect(grounds[1]).toBeLessThan(50);
  });

  test('says that the server is gone, and goes on by itself when it is back', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    const first = await serve(b);
    const { page } = await openPage(browser());
    await page.goto(first.url);
    await page.locator('#link[data-state="live"]').waitFor();
    first.running.kill('SIGINT');
    expect((await first.running.ended).code).toBe(130);
    await page.locator('#link', { hasText: 'disconnected' }).waitFor();
    await page.locator('.notice', { hasText: 'does not answer' }).waitFor();
    await b.ok(['submit', 'in.jsonl', '--name', 'while it was away']);
    const { port } = new URL(first.origin);
    const again = b.start(['serve', '--port', port], { env: { BATCHRUN_TOKEN: TOKEN } });
    await again.says(/#token=/, 'stdout');
    await page.locator('#link[data-state="live"]').waitFor();
    await page.getByRole('link', { name: 'while it was away' }).waitFor();
    await page.locator('.notice').waitFor({ state: 'hidden' });
  });

  test('shows what happened last, also before the server was started again', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl', '--name', 'early']);
    const { id } = (await b.json(0, ['status'])).runs[0];
    const first = await serve(b);
    const { page } = await openPage(browser());
    await page.goto(first.url);
    const early = page.locator('table.log tbody tr', { hasText: id }).first();
    await early.waitFor();
    first.running.kill('SIGINT');
    await first.running.ended;
    await page.locator('#link', { hasText: 'disconnected' }).waitFor();
    const { port } = new URL(first.origin);
    await serve(b, ['--port', port]);
    // What is new is shown behind the first words of the new server.
    await b.ok(['submit', 'in.jsonl', '--again', '--name', 'late', '-o', 'late.jsonl']);
    const late = (await b.json(0, ['status', 'late'])).runs[0].id;
    await page.locator('table.log tbody tr', { hasText: late }).first().waitFor();
    await early.waitFor();
  });

  test('draws ten thousand chunks, and tells each of them', async () => {
    const b = await bench();
    const CHUNKS = 10_000;
    mkdirSync(b.state);
    const store = openSqliteStore(`${b.state}/state.db`);
    const id = 'run_000000001aaaaaaa';
    await store.beginRun(newRun(id));
    await store.sealChunk(id, newChunk(1, [0]), 0);
    copyChunk(b, CHUNKS);
    const end = { fingerprint: 'many', again: false, totalRows: CHUNKS, invalidRows: 0, mix: {} };
    await store.finishIngest({ runId: id, atMs: 0, ...end });
    await store.close();
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(`${url.split('#')[0] ?? ''}#/run/${id}`);
    await page.locator('#grid[aria-label^="10,000 chunks: 10,000 waiting"]').waitFor();
    const box = await page.locator('#grid').boundingBox();
    expect(box?.height).toBeLessThan(700);
    await page.locator('#chunk-no').fill('9876');
    await page.locator('#chunks .detail', { hasText: '9,876: waiting' }).waitFor();
    await page.locator('#grid').click({ position: { x: 2, y: 2 } });
    await page.locator('#chunks .detail', { hasText: 'from row 0' }).waitFor();
    expect(trouble).toEqual([]);
  });
});
