/**
 * `batchrun report run` as a user calls it: what the page says of runs in every state, that nothing of a user becomes
 * markup, that no prompt is in it unless it was asked for, and where it is written.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ASK, bench, csv, ENDLESS, jsonl, KEY, params, requests, type Bench } from '../support/cli.ts';

const EVIL = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "</title><svg/onload='alert(1)'>",
  '--><b>bold',
  '</script><script>alert(1)//',
  '&lt;b&gt;',
  '`${alert(1)}`',
];
const PROMPT = 'the-patient-is-called-Grete-Samsa';

/** The tags of a page beside what is in its own scripts and style, each once. */
function tagsOf(page: string): string[] {
  const bare = page.replace(/<(script|style)([^>]*)>[\s\S]*?<\/\1>/g, '<$1$2></$1>');
  return [...new Set([...bare.matchAll(/<\s*\/?\s*([a-z!][^\s>]*)/gi)].map(([, name]) => (name ?? '').toLowerCase()))];
}

/** The text of a page, as a reader sees it. */
function textOf(page: string): string {
  const bare = page.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '').replace(/<[^>]*>/g, ' ');
  const names: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" };
  return bare.replace(/&(lt|gt|amp|quot|#39);/g, (_, name: string) => names[name] ?? '').replace(/\s+/g, ' ');
}

async function report(b: Bench, ...args: string[]): Promise<string> {
  return (await b.ok(['report', 'run', '-o', '-', ...args])).stdout;
}

/** A run with rows that succeed, that the API refuses, and that could not be sent. */
async function mixed(): Promise<Bench> {
  const b = await bench();
  const rows = [
    ...EVIL.map((id, at) => ({ custom_id: id, params: params(`${PROMPT} ${at}`, { model: `claude-nobody-${at}` }) })),
    ...Array.from({ length: 20 }, (_, at) => ({ custom_id: `fine-${at}`, params: params(`${PROMPT} fine ${at}`) })),
    { custom_id: `skipped ${EVIL[1] ?? ''}`, params: {} },
  ];
  b.write('<b>in.jsonl', jsonl(rows));
  const flags = ['--on-invalid', 'skip', '--name', '<i>evil</i> & co', '-o', 'out.jsonl', '--no-preflight'];
  await b.exits(3, ['run', '<b>in.jsonl', ...flags]);
  return b;
}

describe('a report on a run', () => {
  test('says in short what became of it, why rows failed, with examples, and what to type next', async () => {
    const b = await mixed();
    const text = textOf(await report(b));
    expect(text).toMatch(/20 of 28 rows succeeded for \$[\d.]+ in /);
    expect(text).toMatch(/7 failed, 1 was skipped, most \(7\) because/);
    expect(text).toContain('Nothing is waiting.');
    expect(text).toMatch(/batchrun results run_\w+ --only failed,invalid/);
    for (const id of EVIL.slice(0, 5)) expect(text).toContain(id);
    expect(text).toMatch(/model: claude-nobody-0|claude-nobody-0/);
    expect(text).toMatch(/Batches saved about \$[\d.]+/);
    expect(text).toContain(`API ${new URL(b.origin).host}`);
    expect(text).not.toContain(KEY.slice(-12));
  });

  test('lets nothing of a user become markup, and allows only what is its own', async () => {
    const b = await mixed();
    const harmless = await bench();
    harmless.write('in.jsonl', jsonl([{ params: params('x', { model: 'claude-nobody-1' }) }, { params: {} }]));
    await harmless.exits(3, ['run', 'in.jsonl', '--on-invalid', 'skip', '-o', 'out.jsonl', '--no-preflight']);
    for (const more of [[], ['--texts']]) {
      const page = await report(b, ...more);
      const own = tagsOf(await report(harmless, ...more));
      // What a run without a strange word has, and what its success adds.
      const known = new Set([...own, 'noscript', 'figure', 'figcaption', 'ul', 'li', 'caption']);
      expect(tagsOf(page).filter((tag) => !known.has(tag))).toEqual([]);
      expect(page).not.toMatch(/<img|<svg\/onload|<b>|<i>/);
      const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll('&#39;', "'") ?? '';
      expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-/);
      const script = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, inside]) => inside ?? '');
      expect(script).toHaveLength(1);
      const sum = createHash('sha256')
        .update(script[0] ?? '')
        .digest('base64');
      expect(policy).toContain(`script-src 'sha256-${sum}'`);
      expect(page).not.toMatch(/(?:src|href)=["']?http/);
    }
  });

  test('holds prompts and answers only with --texts', async () => {
    const b = await mixed();
    expect(await report(b)).not.toContain('Grete');
    const open = textOf(await report(b, '--texts'));
    expect(open).toContain(`user: ${PROMPT} 0`);
    expect(open).not.toContain(`${PROMPT} fine 1`);
    expect(open).toContain('It holds prompts and answers of some rows');
  });

  test('does not tell what the API quotes of a prompt', async () => {
    const b = await bench({ answer: () => 'x' });
    const bad = params(`${PROMPT} and more`, { model: 'claude-nobody-1', metadata: { user_id: PROMPT } });
    b.write('in.jsonl', jsonl([{ custom_id: 'a', params: bad }]));
    await b.exits(3, ['run', 'in.jsonl', '-o', 'out.jsonl', '--no-preflight']);
    const text = textOf(await report(b));
    expect(text).toContain('claude-nobody-1');
    expect(text).not.toContain('Grete');
  });

  test('works on a run that is under way, offline, and on one that was canceled', async () => {
    const b = await bench(ENDLESS);
    b.write('in.csv', csv(30));
    await b.ok(['submit', 'in.csv', ...ASK, '--chunk-size', '10', '--deadline', '2h']);
    await b.offline();
    const open = textOf(await report(b));
    expect(open).toContain(': under way');
    expect(open).toMatch(/0 of 30 rows have succeeded so far/);
    expect(open).toMatch(/Rows under way: 30 in batches/);
    expect(open).toMatch(/batchrun collect run_\w+/);
    expect(open).toMatch(/The deadline \(.*\) is in 1h 5/);
    await b.online();
    await b.call(['cancel', 'latest']);
    const canceled = textOf(await report(b));
    expect(canceled).toContain('The run was canceled. 0 of 30 rows succeeded');
    expect(canceled).toMatch(/30 were canceled/);
    expect(canceled).toMatch(/batchrun retry run_\w+/);
  });

  test('says that a run is blocked, and what a person has to do', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(20));
    await b.exits(5, ['run', 'in.jsonl', '--max-cost', '0.000001']);
    const text = textOf(await report(b));
    expect(text).toContain(': blocked');
    expect(text).toMatch(/The run is blocked, and a person has to act: the budget of/);
    expect(text).toMatch(/20 waiting to be sent/);
    expect(text).toMatch(/Raise it: batchrun collect run_\w+ --max-cost/);
  });

  test('tells what went wrong on the way and was mended', async () => {
    const b = await bench({ rates: { expireRate: 0.3 } });
    b.world.failNext('results.cut_line');
    b.write('in.jsonl', requests(60));
    await b.ok(['run', 'in.jsonl', '-o', 'out.jsonl', '--max-attempts', '9']);
    const text = textOf(await report(b));
    expect(text).toContain('All 60 rows succeeded');
    expect(text).toMatch(/tried again, by what came before expired \d+/);
    expect(text).toMatch(/Once results did not come whole and were fetched again/);
    expect(text).toMatch(/Calls cost about \$[\d.]+ more than batches/);
  });

  test('goes on where files of the run are gone', async () => {
    const b = await mixed();
    const { rmSync } = await import('node:fs');
    rmSync(`${b.state}/runs`, { recursive: true });
    const text = textOf(await report(b));
    expect(text).toMatch(/20 of 28 rows succeeded/);
    expect(text).toContain('not known');
  });
});

describe('where a report goes', () => {
  test('is a file named after the run, which only a report on the same run may replace', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    await b.ok(['run', 'in.jsonl', '-o', 'out.jsonl']);
    const first = await b.ok(['report', 'run']);
    const [, path = ''] = /^Report: (\S+\/run_\w+\.report\.html)$/m.exec(first.stderr) ?? [];
    expect(statSync(path).size).toBeLessThan(200_000);
    expect(first.stdout).toBe('');
    expect((await b.ok(['report', 'run', 'latest', '--quiet'])).stderr).toBe('');
    b.write('mine.html', '<!doctype html>');
    await b.exits(2, ['report', 'run', '-o', 'mine.html']);
    expect(b.read('mine.html')).toBe('<!doctype html>');
    await b.ok(['report', 'run', '-o', 'mine.html', '--overwrite']);
    expect(b.read('mine.html')).toContain('All 3 rows succeeded');
    await b.ok(['report', 'run', '-o', '{run}-{date}.html']);
    // Never what a run reads or writes, nor the report on another run.
    for (const taken of ['in.jsonl', 'out.jsonl']) {
      const refused = await b.exits(2, ['report', 'run', '-o', taken, '--overwrite']);
      expect(refused.stderr).toContain(taken);
    }
    await b.ok(['run', 'in.jsonl', '-o', 'again.jsonl', '--again']);
    await b.exits(2, ['report', 'run', '-o', 'mine.html']);
  });

  test('is nothing where the word is wrong, the run is not there, or the folder', async () => {
    const b = await bench();
    const wrong = await b.exits(2, ['report', 'latest']);
    expect(wrong.stderr).toContain('there is one on a run');
    expect(wrong.stderr).toContain('batchrun report run latest');
    await b.exits(2, ['report', 'run']);
    expect(b.has('.batchrun')).toBe(false);
    b.write('in.jsonl', requests(1));
    await b.ok(['run', 'in.jsonl', '-o', 'out.jsonl']);
    await b.exits(2, ['report', 'run', '-o', 'nowhere/a.html']);
    await b.exits(2, ['report', 'run', 'nobody']);
  });

  test('its commands name the state they are about', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([{ params: params('x', { model: 'claude-nobody-1' }) }]));
    await b.exits(3, ['run', 'in.jsonl', '-o', 'out.jsonl', '--no-preflight', '--state', 'my state']);
    const { stdout } = await b.ok(['report', 'run', '-o', '-', '--state', 'my state']);
    expect(textOf(stdout)).toMatch(/batchrun results run_\w+ --only failed --state 'my state'/);
  });
});
