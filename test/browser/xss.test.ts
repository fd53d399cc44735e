/**
 * Texts of strangers in prompts, ids, names and answers: all of it is shown as it is, and none of it does anything.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openPage } from '../support/chromium.ts';
import { bench, jsonl, params } from '../support/cli.ts';
import { isMissing, ownBrowser, serve } from './lab.ts';

const PAYLOADS = readFileSync(fileURLToPath(new URL('../../fixtures/xss.txt', import.meta.url)), 'utf8')
  .trimEnd()
  .split('\n');

describe.skipIf(isMissing)('texts of strangers', () => {
  const browser = ownBrowser();

  test('there are enough of them', () => {
    expect(new Set(PAYLOADS).size).toBe(PAYLOADS.length);
    expect(PAYLOADS.length).toBeGreaterThanOrEqual(40);
  });

  test('do nothing in ids, prompts and answers, and are shown to the letter', async () => {
    const b = await bench({ answer: (row) => textOf(row), rates: { errorRate: 0.4 } });
    b.write('in.jsonl', jsonl(PAYLOADS.map((text) => ({ custom_id: text, params: params(text) }))));
    const name = '<img src=x onerror=alert(1)>"\'><script>alert(2)</script>';
    await b.call(['run', 'in.jsonl', '--name', name, '--retry-lane', 'none', '--max-attempts', '1']);
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.getByRole('link', { name, exact: true }).click();
    await page.getByRole('heading', { name, exact: true }).waitFor();
    expect(await page.title()).toContain(name);
    const outcomes = new Set<string>();
    for (const [at, payload] of PAYLOADS.entries()) {
      await page.locator('#row-no').fill(String(at));
      await page.locator('#row-no').press('Enter');
      await page.locator('#row-show').click();
      const first = page.locator('#row-texts pre').first();
      await first.waitFor();
      const facts = await page.locator('#row dl dd').allTextContents();
      expect(facts[0]).toBe(payload);
      const texts = await page.locator('#row-texts pre').allTextContents();
      const request = JSON.parse(texts.find((text) => text.includes('"max_tokens"')) ?? '{}') as Params;
      expect(request.messages[0]?.content).toBe(payload);
      const isAnswered = facts[2] === 'succeeded';
      if (isAnswered) expect(texts).toContain(payload);
      outcomes.add(facts[2] ?? '');
      await page.keyboard.press('Escape');
      await page.locator('#row').waitFor({ state: 'detached' });
    }
    // Both kinds of rows were among them.
    expect([...outcomes].sort()).toEqual(['failed', 'succeeded']);
    expect(trouble).toEqual([]);
  });

  test('do nothing in lists of failed rows, in file names and in what commands say', async () => {
    const b = await bench({ rates: { errorRate: 1 } });
    const file = '<img src=x onerror=alert(1)>.jsonl';
    b.write(file.replace('/', ''), jsonl(PAYLOADS.map((text) => ({ custom_id: text, params: params(text) }))));
    await b.call(['run', file, '-o', '<svg onload=alert(1)>.jsonl', '--retry-lane', 'none', '--max-attempts', '1']);
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.locator('#runs a').click();
    for (const reason of await page.locator('button.reason').all()) {
      await reason.click();
      await page.locator('#failed-rows tbody tr').first().waitFor();
      for (const more = page.locator('#failed-rows button.more'); await more.isVisible();) {
        const before = await page.locator('#failed-rows tbody tr').count();
        await more.click();
        const rows = page.locator('#failed-rows tbody tr');
        await expect.poll(() => rows.count()).toBeGreaterThan(before);
      }
      const ids = await page.locator('#failed-rows tbody td:nth-child(2)').allTextContents();
      expect(ids.length).toBeGreaterThan(0);
      for (const id of ids) expect(PAYLOADS).toContain(id);
    }
    await page.locator('#settings summary').click();
    await page.locator('#settings dd', { hasText: '<svg onload=alert(1)>.jsonl' }).waitFor();
    expect(trouble).toEqual([]);
  });

  test('a page that would run one is stopped by the policy', async () => {
    const b = await bench();
    const { url } = await serve(b);
    const { page, trouble } = await openPage(browser());
    await page.goto(url);
    await page.getByRole('heading', { name: 'No runs yet' }).waitFor();
    // The walls behind: text as markup, a script in the page, one from elsewhere.
    const refused = await page.evaluate(`(() => {
      try {
        document.body.innerHTML = '<b>x</b>';
        return 'taken';
      } catch (error) {
        return error.name;
      }
    })()`);
    expect(refused).toBe('TypeError');
    await page.evaluate(`(() => {
      const link = document.createElement('a');
      link.href = 'javascript:window.hurt = true';
      document.body.append(link);
      link.click();
    })()`);
    await page.locator('#live').waitFor({ state: 'attached' });
    expect(await page.evaluate(`'hurt' in window`)).toBe(false);
    const breaches = trouble.filter((line) => line.startsWith('console: policy: '));
    expect(breaches[0]).toContain('require-trusted-types-for');
    expect(breaches.length).toBeGreaterThan(1);
  });
});

interface Params {
  readonly messages: readonly { readonly content: string }[];
}

function textOf(row: unknown): string {
  return (row as Params).messages[0]?.content ?? '';
}
