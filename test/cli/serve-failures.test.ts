/**
 * What the page lists of rows that did not succeed: of every reason as many as are counted, each once, page by page.
 */
import { describe, expect, test } from 'vitest';
import { bench, ENDLESS, jsonl, params, requests, type Bench } from '../support/cli.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

interface Reason {
  readonly reason: string;
  readonly rows: number;
}

interface Row {
  readonly row: number;
  readonly id: string | null;
  readonly detail: string | null;
}

interface Detail {
  readonly run: { readonly rows: Readonly<Record<string, number>> };
  readonly reasons: readonly Reason[];
}

async function ask<T>(origin: string, path: string): Promise<T> {
  const answer = await fetch(`${origin}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as T;
}

async function opened(b: Bench): Promise<{ readonly origin: string; readonly path: string; readonly detail: Detail }> {
  const running = b.start(['serve', '--port', '0'], { env: { BATCHRUN_TOKEN: TOKEN } });
  await running.says(/#token=\S+\n/, 'stdout');
  const { origin } = new URL(running.stdout.trim());
  const path = `/api/runs/${(await b.json(0, ['status'])).runs[0].id}`;
  return { origin, path, detail: await ask<Detail>(origin, path) };
}

/** Every row of a reason, three at a time. */
async function allRows(origin: string, path: string, reason: string): Promise<Row[]> {
  const found: Row[] = [];
  let after = '';
  for (let pages = 0; pages < 50; pages++) {
    const query = new URLSearchParams({ reason, limit: '3', ...(after === '' ? {} : { after }) });
    const page = await ask<{ rows: Row[]; next: string | null }>(origin, `${path}/failures?${query.toString()}`);
    expect(page.rows.length).toBeLessThanOrEqual(3);
    found.push(...page.rows);
    if (page.next === null) return found;
    after = page.next;
  }
  throw new Error('the pages have no end');
}

async function expectAllListed(b: Bench): Promise<Map<string, Row[]>> {
  const { origin, path, detail } = await opened(b);
  const { failed = 0, expired = 0, canceled = 0, invalid = 0 } = detail.run.rows;
  const counted = detail.reasons.reduce((sum, { rows }) => sum + rows, 0);
  expect(counted).toBe(failed + expired + canceled + invalid);
  const listed = new Map<string, Row[]>();
  for (const { reason, rows } of detail.reasons) {
    const all = await allRows(origin, path, reason);
    expect(all.length, reason).toBe(rows);
    listed.set(reason, all);
  }
  const seqs = [...listed.values()].flat().map(({ row }) => row);
  expect(new Set(seqs).size).toBe(seqs.length);
  expect(seqs.length).toBe(counted);
  return listed;
}

describe('rows that did not succeed', () => {
  test('by the kinds of errors of the API', async () => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { api_error: 1, overloaded_error: 1 } } });
    b.write('in.jsonl', requests(20));
    await b.exits(3, ['run', 'in.jsonl', '--retry-lane', 'none', '--max-attempts', '1']);
    const listed = await expectAllListed(b);
    expect([...listed.keys()].sort()).toEqual(['api_error', 'overloaded_error']);
    for (const { row, id } of [...listed.values()].flat()) expect(id).toBe(`row-${row + 1}`);
  });

  test('that were refused when the input was read, with what is wrong', async () => {
    const b = await bench();
    const rows = Array.from({ length: 12 }, (_, at) => ({
      custom_id: `row-${at + 1}`,
      params: params('fine', at % 2 === 0 ? { max_tokens: 0 } : {}),
    }));
    b.write('in.jsonl', jsonl(rows));
    await b.call(['run', 'in.jsonl', '--on-invalid', 'skip']);
    const listed = await expectAllListed(b);
    const invalid = listed.get('invalid') ?? [];
    expect(invalid.map(({ id }) => id)).toEqual(['row-1', 'row-3', 'row-5', 'row-7', 'row-9', 'row-11']);
    expect(invalid[0]?.detail).toContain('max_tokens');
  });

  test('that were canceled before they were sent, and in their batches', async () => {
    const b = await bench({ ...ENDLESS, limits: { batchesMax: 1 } });
    b.write('in.jsonl', requests(20));
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '5']);
    await b.ok(['cancel', 'latest']);
    const listed = await expectAllListed(b);
    // A row that was done before its batch heard of the cancel has succeeded, and is no failure.
    const { succeeded = 0 } = (await b.json(0, ['status'])).runs[0].rows;
    expect([...listed.values()].flat()).toHaveLength(20 - succeeded);
    expect(listed.get('batchrun_canceled')?.length).toBeGreaterThan(0);
  });
});
