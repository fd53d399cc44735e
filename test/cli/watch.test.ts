/**
 * `status --watch` in a real terminal: what stands on the screen, that it is left as it was on every way out, and what
 * comes out where there is no terminal.
 */
import { describe, expect, test } from 'vitest';
import { ASK, bench, csv, ENDLESS, jsonl, params, PROGRAM, requests, type Bench } from '../support/cli.ts';
import { inTerminal, Pty, type PtyOptions } from '../support/pty.ts';

const COLOUR = /\u001b\[(?:[0-9;]*;)?(?:1|2|3\d)m/;

/** A run whose batches do not end, unless the test says so. */
async function waiting(name = 'nightly', options = {}): Promise<Bench> {
  const b = await bench({ ...ENDLESS, ...options });
  b.write('in.jsonl', requests(40));
  await b.ok(['submit', 'in.jsonl', '--name', name, '--chunk-size', '10']);
  return b;
}

function watching(b: Bench, options: Partial<PtyOptions> = {}, args: readonly string[] = []): Pty {
  return inTerminal(['status', '--watch', ...args], { cwd: b.folder, ...options, env: { ...b.env, ...options.env } });
}

/** The first page is back, the cursor is shown, and lines wrap as before. */
function expectRestored({ screen }: Pty): void {
  expect([screen.isAlternate, screen.isCursorShown, screen.wraps]).toEqual([false, true, true]);
}

describe('on a terminal', () => {
  test('shows the runs, who drives and the last events, on a page of its own', async () => {
    const b = await waiting();
    const pty = watching(b);
    await pty.shows(/q quit/);
    expect([pty.screen.isAlternate, pty.screen.isCursorShown, pty.screen.wraps]).toEqual([true, false, false]);
    const [head, title, bar, counters] = pty.screen.lines;
    expect(head).toMatch(/^batchrun {2}nobody drives: batchrun collect {2}\.batchrun +\d\d:\d\d:\d\d$/);
    expect(title).toMatch(/^nightly {2}active {2}for /);
    expect(bar).toMatch(/^ {2}▒+ {4}0 % {2}0 of 40 rows$/);
    expect(counters).toBe('  ▒ 40 in batches');
    expect(pty.screen.text).toContain('4 batches under way');
    expect(pty.screen.text).toMatch(/last events\n.*4 chunks are under way with 40 rows/);
    expect(pty.raw).toMatch(COLOUR);
    pty.type('q');
    expect(await pty.exit()).toBe(0);
    expectRestored(pty);
    expect(pty.screen.text).toBe('');
  });

  test('a run goes to done before its eyes, and what it came to stays in the terminal', async () => {
    const b = await waiting('nightly', { batchDurationMs: [8_000, 8_500] });
    const pty = watching(b);
    await pty.shows(/nobody drives: batchrun collect/);
    const collecting = b.start(['collect']);
    await pty.shows(/driven by batchrun collect \(pid \d+\)/);
    await pty.until(() => !pty.screen.isAlternate && /succeeded +40/.test(pty.screen.text), 'its end');
    expect(await pty.exit()).toBe(0);
    expectRestored(pty);
    expect(pty.screen.text).toMatch(/"nightly" {2}done/);
    expect((await collecting.ended).code).toBe(0);
  });

  test('writes only the lines that have changed', async () => {
    const b = await waiting();
    const pty = watching(b);
    await pty.shows(/q quit/);
    const before = pty.raw.length;
    const clock = (): string => /\d\d:\d\d:\d\d/.exec(pty.screen.lines[0] ?? '')?.[0] ?? '';
    const seen = clock();
    await pty.until(() => clock() !== seen, 'another second');
    const written = pty.raw.slice(before);
    // The bar and the footer stand as they are.
    expect(written).not.toContain('of 40 rows');
    expect(written).not.toContain('q quit');
  });

  test('follows the size of the terminal', async () => {
    const b = await waiting();
    const pty = watching(b, { columns: 120, rows: 30 });
    await pty.shows(/q quit/);
    expect(pty.screen.lines[1]).toMatch(/run_/);
    pty.resize(40, 10);
    await pty.until(
      () => pty.screen.lines.length === 10 && (pty.screen.lines[9] ?? '').includes('q quit'),
      'ten lines',
    );
    for (const line of pty.screen.lines) expect(line.length).toBeLessThanOrEqual(40);
    expect(pty.screen.text).toContain('nightly');
    pty.resize(200, 50);
    await pty.until(() => (pty.screen.lines[49] ?? '').includes('q quit'), 'fifty lines');
    expect(pty.screen.lines[2]?.length).toBeGreaterThan(150);
  });

  test('scrolls where there is more, and shows its keys', async () => {
    const b = await waiting();
    for (let more = 0; more < 6; more++) {
      b.write(`in${more}.jsonl`, requests(3, `other ${more}`));
      await b.ok(['submit', `in${more}.jsonl`, '--name', `more-${more}`]);
    }
    const pty = watching(b, { rows: 10 });
    await pty.shows(/more lines/);
    expect(pty.screen.lines[1]).toMatch(/nightly/);
    pty.type('j');
    await pty.until(() => (pty.screen.lines[1] ?? '').includes('more-0'), 'one line further');
    pty.type('\u001b[B');
    await pty.until(() => (pty.screen.lines[1] ?? '').includes('more-1'), 'two lines further');
    pty.type('k\u001b[A');
    await pty.until(() => (pty.screen.lines[1] ?? '').includes('nightly'), 'the beginning');
    pty.type('G');
    await pty.shows(/lines above/);
    pty.type('?');
    await pty.shows(/arrows, j k/);
    pty.type('h');
    await pty.until(() => (pty.screen.lines[1] ?? '').includes('nightly'), 'the runs again');
    pty.type('q');
    expect(await pty.exit()).toBe(0);
  });

  test.each([
    ['the key Ctrl-C', (pty: Pty) => pty.type('\u0003'), 130],
    ['SIGINT', (pty: Pty) => pty.signal('SIGINT'), 130],
    ['SIGTERM', (pty: Pty) => pty.signal('SIGTERM'), 143],
  ])('is left as it was by %s', async (_name, stop, code) => {
    const b = await waiting();
    const pty = watching(b);
    await pty.shows(/q quit/);
    stop(pty);
    expect(await pty.exit()).toBe(code);
    expectRestored(pty);
  });

  test('is left as it was where the second signal comes before the first is heeded', async () => {
    const b = await waiting();
    const pty = watching(b);
    await pty.shows(/q quit/);
    pty.signal('SIGTERM');
    pty.signal('SIGTERM');
    expect(await pty.exit()).toBe(143);
    expectRestored(pty);
  });

  test('is left as it was by an error', async () => {
    const b = await waiting();
    const pty = watching(b);
    await pty.shows(/q quit/);
    // What cannot be read as a ledger: the next look fails.
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(`${b.state}/state.db`);
    db.exec('ALTER TABLE runs RENAME TO gone');
    db.close();
    expect(await pty.exit()).not.toBe(0);
    expectRestored(pty);
    expect(pty.screen.text).toContain('batchrun:');
  });

  test('gives the terminal back while it is stopped by Ctrl-Z, and takes it again', async () => {
    const b = await waiting();
    const shell = new Pty(
      [
        'bash',
        '--norc',
        '--noprofile',
        '-i',
        '-c',
        `set -m; "$@"; echo stopped; fg`,
        'bash',
        process.execPath,
        PROGRAM,
        'status',
        '--watch',
      ],
      { cwd: b.folder, env: b.env },
    );
    await shell.shows(/q quit/);
    shell.type('\u001a');
    await shell.until(() => shell.raw.includes('stopped'), 'being stopped');
    const before = shell.raw.slice(0, shell.raw.indexOf('stopped'));
    expect(before).toContain('\u001b[?1049l');
    await shell.until(() => shell.screen.isAlternate && shell.screen.text.includes('q quit'), 'the screen again');
    shell.type('q');
    await shell.until(() => !shell.screen.isAlternate, 'the end');
  });

  test('a name cannot steer the terminal', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(1));
    await b.ok(['submit', 'in.jsonl', '--name', 'evil\u001b[2J\u001b]0;owned\u0007\u202ename 日本語']);
    const pty = watching(b);
    await pty.shows(/q quit/);
    expect(pty.screen.lines[1]).toMatch(/^evil\[2J\]0;ownedname 日本語 {2}active/);
    expect(pty.raw).not.toContain('\u001b]0');
    pty.type('q');
    await pty.exit();
  });

  test('NO_COLOR and --no-color take the colours, not the screen', async () => {
    const b = await waiting();
    const plain = [watching(b, { env: { NO_COLOR: '1' } }), watching(b, {}, ['--no-color'])];
    for (const pty of plain) {
      await pty.shows(/q quit/);
      expect(pty.raw).not.toMatch(COLOUR);
      expect(pty.screen.isAlternate).toBe(true);
    }
  });

  test('LANG=C gives ASCII alone', async () => {
    const b = await waiting('Grüße → 日本語');
    const pty = watching(b, { env: { LANG: 'C' } });
    await pty.shows(/q quit/);
    expect(pty.raw.replaceAll('\u001b', '')).toMatch(/^[\x20-\x7e\r\n]*$/);
    expect(pty.screen.lines[1]).toMatch(/^Gr\?\?e -> \?\?\? {2}active/);
    expect(pty.screen.lines[2]).toMatch(/^ {2}=+ {4}0 %/);
  });

  test('a blocked run says what to do', async () => {
    const b = await bench();
    b.write('in.csv', csv(3));
    await b.exits(5, ['submit', 'in.csv', ...ASK, '--max-cost', '0.0000001']);
    const pty = watching(b, { columns: 60 });
    await pty.shows(/q quit/);
    expect(pty.screen.lines[1]).toMatch(/blocked/);
    expect(pty.screen.text).toMatch(/! .*\n/);
    expect(pty.screen.text).toContain('--max-cost');
  });
});

describe('without a terminal', () => {
  test('a line for each change, the status before and after', async () => {
    const b = await waiting('nightly', { batchDurationMs: [300, 600] });
    const lines = b.start(['status', '--watch']);
    await lines.says(/in batch/, 'stdout');
    await b.ok(['collect']);
    const { code, stdout } = await lines.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d{4}-.*Z {2}nightly {2}done: 40 of 40 rows succeeded/m);
    expect(stdout.match(/^run_/gm)).toHaveLength(2);
    expect(stdout).not.toContain('\u001b');
  });

  test('the same on a terminal that is dumb, and with --quiet the end alone', async () => {
    const b = await waiting('nightly', { batchDurationMs: [300, 600] });
    const dumb = watching(b, { env: { TERM: 'dumb' } });
    await dumb.shows(/in batch/);
    const quiet = b.start(['status', '--watch', '--quiet']);
    await b.ok(['collect']);
    expect(await dumb.exit()).toBe(0);
    expect(dumb.raw).not.toContain('\u001b');
    const { stdout } = await quiet.ended;
    expect(stdout.match(/^run_/gm)).toHaveLength(1);
    expect(stdout).toMatch(/^run_\w+ "nightly" {2}done/);
  });

  test('with --json an object a line', async () => {
    const b = await waiting('nightly', { batchDurationMs: [300, 600] });
    const watched = b.start(['status', '--watch', '--json']);
    await watched.says(/"in_batch":40/, 'stdout');
    await b.ok(['collect']);
    const { stdout } = await watched.ended;
    const states = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { runs: [{ state: string }] }).runs[0].state);
    expect([states[0], states.at(-1)]).toEqual(['active', 'done']);
  });

  test('a name in the status of a file cannot hold a sequence either', async () => {
    const b = await bench();
    b.write('in.jsonl', jsonl([{ custom_id: 'a', params: params('x') }]));
    await b.ok(['run', 'in.jsonl', '--name', 'evil\u001b[2Jname']);
    expect((await b.ok(['status'])).stdout).toContain('"evil[2Jname"');
    expect((await b.ok(['list'])).stdout).toContain('evil[2Jname');
  });
});
