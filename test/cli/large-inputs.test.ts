/**
 * Inputs that are large enough for a thread of their own (cli/submit/read-rows.ts): what comes of them is the same, to the
 * byte, as of an input that is read in the main thread, which stdin always is.
 */
import { describe, expect, test } from 'vitest';
import { bench, jsonl, params, type Bench } from '../support/cli.ts';

/** A row of 300 kB: sixty of them are above what a thread takes. */
const LARGE = 'question with some words in it '.repeat(10_000);
const ROWS = 60;

function rows(more: (at: number) => Record<string, unknown> = () => ({})): Record<string, unknown>[] {
  return Array.from({ length: ROWS }, (_unused, at) => ({
    custom_id: `row-${at}`,
    params: params(`${at} ${LARGE}`),
    ...more(at),
  }));
}

/** Of all sorts: plain, with characters of several bytes, with escapes, with columns and betas, without an id. */
function mixed(): string {
  const all = rows(
    (at) => [{}, { topic: 'ä💶' }, { params: params(`"${at}"\n\\${LARGE}`) }, { betas: ['b-1'] }][at % 4] ?? {},
  );
  return jsonl(all.map((row, at) => (at % 7 === 0 ? { ...row, custom_id: undefined } : row)));
}

async function refusal(b: Bench, content: string, args: readonly string[] = []): Promise<[string, string]> {
  b.write('in.jsonl', content);
  const thread = await b.exits(2, ['submit', 'in.jsonl', ...args]);
  const here = await b.exits(2, ['submit', '-', ...args], { stdin: content });
  expect([b.runFolders(), b.calls('POST /v1/messages/batches')]).toEqual([[], 0]);
  return [thread.stderr, here.stderr];
}

describe('a large input', () => {
  test('is the same run as the same rows from stdin', async () => {
    const b = await bench();
    b.write('in.jsonl', mixed());
    const first = await b.json(0, ['submit', 'in.jsonl', '--yes']);
    expect(first).toMatchObject({ rows: ROWS, invalid: 0, already_submitted: false });
    const again = await b.json(0, ['submit', '-', '--yes'], { stdin: mixed() });
    expect(again).toMatchObject({ run_id: first.run_id, already_submitted: true });
    await b.ok(['collect']);
    const ids = b.lines('in.results.jsonl').map((line) => line.custom_id);
    expect(ids).toEqual(Array.from({ length: ROWS }, (_unused, at) => (at % 7 === 0 ? String(at + 1) : `row-${at}`)));
  });

  test('is read up to --limit', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl(rows()));
    expect(await b.json(0, ['submit', 'in.jsonl', '--limit', '7', '--dry-run'])).toMatchObject({ rows: 7, chunks: 1 });
  });

  test('with rows that cannot be sent is refused with the same words', async () => {
    const b = await bench();
    const broken = jsonl(rows((at) => (at % 20 === 9 ? { params: { ...params('x'), max_tokens: -1 } } : {})));
    const [thread, here] = await refusal(b, broken);
    expect(thread).toContain('in.jsonl:10');
    expect(thread.replaceAll(/\S*in\.jsonl/g, '-')).toBe(here);
  });

  test('whose rows need a prompt is answered with a corrected command', async () => {
    const b = await bench();
    const [thread, here] = await refusal(b, jsonl(Array.from({ length: ROWS }, () => ({ text: LARGE }))));
    expect(thread).toContain('--prompt is missing');
    expect(thread.replaceAll('in.jsonl', '-')).toBe(here);
  });

  test('with two rows of one id is refused, and nothing is left behind', async () => {
    const b = await bench();
    const [thread] = await refusal(b, jsonl(rows((at) => (at === ROWS - 1 ? { custom_id: 'row-3' } : {}))));
    expect(thread).toContain('is already that of the row on line 4');
  });

  test('whose last row is nested beyond all measure loses nothing: it is refused with the same words', async () => {
    const b = await bench();
    // Deeper than a thread could hand over, and refused for something else as well.
    const schema = `${'{"a":'.repeat(6_000)}1${'}'.repeat(6_000)}`;
    const last = `{"custom_id":"deep","params":{"model":"claude-haiku-5-5","max_tokens":9,"temperature":1,"messages":[{"role":"user","content":"x"}],"tools":[{"input_schema":${schema}}]}}\n`;
    const [thread, here] = await refusal(b, jsonl(rows()) + last);
    expect(thread).toContain('nested too deeply');
    expect(thread.replaceAll(/\S*in\.jsonl/g, '-')).toBe(here);
    b.write('in.jsonl', jsonl(rows()) + last);
    await b.exits(3, ['run', 'in.jsonl', '--yes', '--on-invalid', 'skip']);
    expect(b.lines('in.results.jsonl')).toHaveLength(ROWS + 1);
  });
});
