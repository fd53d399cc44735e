/**
 * The screen of `status --watch` at several sizes: pictures of whole frames, and that nothing is ever wider or longer than
 * the terminal.
 */
import { describe, expect, test } from 'vitest';
import { symbolsOf } from '../../../../src/cli/terminal/symbols.ts';
import { createPaint } from '../../../../src/cli/terminal/ui.ts';
import { drawFrame, type FrameOptions } from '../../../../src/cli/watch/frame.ts';
import { inked } from '../../../../src/cli/watch/line.ts';
import { outcomeBar } from '../../../../src/cli/watch/run-lines.ts';
import { clean, clip, widthOf, wrapped } from '../../../../src/cli/watch/width.ts';
import type { LimitsView } from '../../../../src/engine/views/limits-view.ts';
import type { RunView } from '../../../../src/engine/views/status.ts';
import type { EventView, ProgressView } from '../../../../src/tools/progress/view.ts';

const NOW_MS = Date.UTC(2026, 10, 29, 10, 42, 3);
const MINUTE_MS = 60_000;
const at = (ms: number): string => new Date(NOW_MS + ms).toISOString();

function run(given: Partial<RunView> = {}): RunView {
  const view: RunView = {
    ...{ id: 'run_1m8kcj5697a2kq2b', name: 'nightly-labels', state: 'active', canceled: false },
    ...{ priority: 'high', lane: 'auto', pilot: null, blocked: [], coalesced: null, in_doubt: [], usage: {} },
    budget: { max_usd: 50, spent_usd: 12.2, reserved_usd: 3.1, left_usd: 34.7, mode: 'worst' },
    rows: { total: 1_000_000, succeeded: 410_233, failed: 120, in_batch: 300_000, retry: 12, waiting: 289_635 },
    chunks: { total: 100, sealed: 28, submitted: 30, collected: 42 },
    cost_usd: { spent: 12.2, estimated_total: 29.8, estimated_max: 90 },
    ...{ cache: null, lanes: {}, models: ['claude-haiku-5-5'], failures: {}, schema_errors: {}, stop_reasons: {} },
    ...{
      inputs: ['a.csv'],
      output: '/a.results.csv',
      format: 'csv',
      errors: null,
      base_url: 'https://api.anthropic.com',
    },
    ...{ created_at: at(-12 * MINUTE_MS), done_at: null },
    batches: [1, 2, 3].map((chunk) => ({
      ...{ id: `msgbatch_${chunk}`, chunk, rows: 100_000, status: 'in_progress', created_at: at(-chunk * MINUTE_MS) },
      ...{ expires_at: at(86_400_000), results_until: at(29 * 86_400_000) },
    })),
    results_vanish_at: at(29 * 86_400_000),
    deadline: { at: at(7 * 3_600_000), missed: false, late_rows: 120 },
    api_outage: null,
    eta: { latest_end: at(86_400_000), typical_batch_seconds: 1_080 },
  };
  return { ...view, ...given };
}

const done = run({
  ...{ id: 'run_0done', name: null, state: 'done', done_at: at(-60_000), budget: null, deadline: null, batches: [] },
  ...{ rows: { total: 500, succeeded: 500 }, chunks: { total: 1, collected: 1 }, priority: 'normal' },
  cost_usd: { spent: 0.5, estimated_total: 0.5, estimated_max: 0.5 },
});

const NONE = { requests: 0, input_tokens: 0, output_tokens: 0, refused: 0, retried: 0 };
const limits: LimitsView[] = [
  {
    ...{ organization: 'org_1', rate_class: 'haiku_5_5', base_url: 'https://api.anthropic.com', as_of: at(0) },
    ...{ mode: 'own', open: null, paused_until: null, keys: [], latency_ms: null },
    limits: [
      ...[{ name: 'requests', value: 1_000, used: 412, share: 0.412, warning: false }],
      ...[{ name: 'input', value: 2_000_000, used: 1_850_000, share: 0.925, warning: true }],
    ].map((limit) => ({ ...limit, per: 'minute', source: 'headers', known_at: at(0), level: null })),
    use: { last_minute: { ...NONE, requests: 412 }, last_hour: { ...NONE, requests: 4_000 } },
  } as unknown as LimitsView,
];

let eventId = 0;
function event(kind: string, data: EventView['data'] = {}, chunk: number | null = null): EventView {
  return { id: ++eventId, time: at(-30_000 + eventId), event: kind, run: run().id, chunk, row: null, data };
}

const events = [
  event('run.ready', { rows: 1_000_000, invalid: 0 }),
  event('chunk.submitted', { rows: 10_000, batch: 'msgbatch_1' }, 1),
  event('chunk.submitting', { rows: 10_000 }, 2),
  event('chunk.submitted', { rows: 10_000, batch: 'msgbatch_2' }, 2),
  event('chunk.collected', { rows: 10_000, succeeded: 9_900, rest: { retry: 95, failed: 5 } }, 1),
  event('rows.retried', { rows: 95, causes: { api_error: 90, expired: 5 } }, 1),
  event('rows.settled', { rows: 1, succeeded: 1 }),
  event('rows.in_realtime', { rows: 1 }),
  event('rows.settled', { rows: 2, succeeded: 1 }),
  event('something.new', {}),
];

function view(given: Partial<ProgressView> = {}): ProgressView {
  return {
    at: at(0),
    runs: [run()],
    hidden_runs: 0,
    driver: { pid: 4711, host: 'here', command: 'batchrun collect', since: at(-60_000) },
    limits,
    events,
    pace: {
      run_1m8kcj5697a2kq2b: {
        rows_per_minute: 5_210,
        tokens_per_minute: 1.2e6,
        done_at: at(123 * MINUTE_MS),
        basis: 'rate',
      },
    },
    ...given,
  };
}

const timeText = (ms: number, seconds = false): string => new Date(ms).toISOString().slice(11, seconds ? 19 : 16);

function frame(
  columns: number,
  rows: number,
  shown = view(),
  more: Partial<FrameOptions> & { color?: boolean } = {},
): string[] {
  const { color = false, symbols = symbolsOf(true), ...rest } = more;
  const options = { columns, rows, symbols, scroll: 0, help: false, stateFolder: '.batchrun', timeText, ...rest };
  const { lines } = drawFrame(shown, { driveCommand: 'batchrun collect', ...options });
  return lines.map((line) => inked(line, { columns, paint: createPaint(color), symbols }));
}

describe('a frame', () => {
  test('of 100 columns and 26 rows', () => {
    expect(frame(100, 26).join('\n')).toMatchInlineSnapshot(`
      "batchrun  driven by batchrun collect (pid 4711)  .batchrun                                  10:42:03
      nightly-labels  active  for 12m  run_1m8kcj5697a2kq2b  priority high
        █████████████████████████▚▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░░░░░░░░   41 %  410,353 of 1,000,000 rows
        █ 410,233 succeeded  ▚ 120 failed  ▒ 300,000 in batches  ░ 12 tried again  ░ 289,635 waiting
        5.2k rows/min  1.2M tokens/min  done at about 12:45, in 2h 3m  (at the pace of late)
        ━━━───────  $12.20 of $50.00  $3.10 set aside  about $29.80 in the end
        3 batches under way for 3m  earlier ones took about 18m  28 chunks to send
        deadline 17:42, in 7h  120 rows will be late as it looks

      limits
        haiku_5_5  requests/min      ━━━━━━━━────────────   41 %  412 of 1,000
                   input tokens/min  ━━━━━━━━━━━━━━━━━━╸─   92 %  1,850,000 of 2,000,000

      last events
        10:41:33  something new
        10:41:33  3 rows answered one by one, 1 did not succeed
        10:41:33  95 rows get another try (api_error 90, expired 5)
        10:41:33  chunk 1 is collected: 9,900 rows succeeded, 5 did not
        10:41:33  2 chunks are under way with 20,000 rows
        10:41:33  1,000,000 rows are checked and sealed





      q quit  h help"
    `);
  });

  test('of 60 columns and 14 rows keeps the run whole and lets the events go', () => {
    expect(frame(60, 14).join('\n')).toMatchInlineSnapshot(`
      "batchrun  driven by batchrun collect (pid 4711)     10:42:03
      nightly-labels  active  for 12m  priority high
        █████████▚▒▒▒▒▒▒▒░░░░░░░   41 %  410,353 of 1,000,000 rows
        █ 410,233 succeeded  ▚ 120 failed  ▒ 300,000 in batches
        5.2k rows/min  done at about 12:45, in 2h 3m
        $12.20 of $50.00  $3.10 set aside  about $29.80 in the end
        3 batches under way for 3m  28 chunks to send
        deadline 17:42, in 7h  120 rows will be late as it looks

      limits
        haiku_5_5  requests/min      ━━━━╸───────   41 %
                   input tokens/min  ━━━━━━━━━━━─   92 %

      q quit  h help  ↑↓ scroll  ↓ 7 more lines"
    `);
  });

  test('of 40 columns and 10 rows, in ASCII', () => {
    expect(frame(40, 10, view(), { symbols: symbolsOf(false) }).join('\n')).toMatchInlineSnapshot(`
      "driven by batchrun collect (pid 4711)
      nightly-labels  active  for 12m
        ############x=========.........   41 %
        # 410,233 succeeded  x 120 failed
        done at about 12:45, in 2h 3m
        $12.20 of $50.00
        3 batches under way for 3m
        deadline 17:42, in 7h

      q quit  h help  v 11 more lines"
    `);
  });

  test('of many runs shows a line each, and that there is more', () => {
    const runs = Array.from({ length: 30 }, (_, no) => run({ id: `run_${no}`, name: `night ${no}` }));
    expect(frame(80, 10, view({ runs, events: [], limits: [] })).join('\n')).toMatchInlineSnapshot(`
      "batchrun  driven by batchrun collect (pid 4711)  .batchrun              10:42:03
      ████▚▒▒▒░░░░   41 %  night 0  active  120 failed  $12.20
      ████▚▒▒▒░░░░   41 %  night 1  active  120 failed  $12.20
      ████▚▒▒▒░░░░   41 %  night 2  active  120 failed  $12.20
      ████▚▒▒▒░░░░   41 %  night 3  active  120 failed  $12.20
      ████▚▒▒▒░░░░   41 %  night 4  active  120 failed  $12.20
      ████▚▒▒▒░░░░   41 %  night 5  active  120 failed  $12.20
      ████▚▒▒▒░░░░   41 %  night 6  active  120 failed  $12.20
      ████▚▒▒▒░░░░   41 %  night 7  active  120 failed  $12.20
      q quit  h help  ↑↓ scroll  ↓ 22 more lines"
    `);
  });

  test('of a run that is done, one that is blocked, and nobody who drives', () => {
    const block = {
      ...{ reason: 'billing', scope: 'workspace', since: at(0), candidates: [] },
      message: 'the credit balance of this workspace is too low to go on with batches of this size',
      hint: 'Add credit in the Console, then run `batchrun collect`.',
    };
    const shown = view({
      runs: [done, run({ blocked: [block] })],
      driver: null,
      limits: [],
      events: [],
      hidden_runs: 3,
    });
    expect(frame(70, 24, shown).join('\n')).toMatchInlineSnapshot(`
      "batchrun  nobody drives: batchrun collect  .batchrun          10:42:03
      nightly-labels  blocked  for 12m  run_1m8kcj5697a2kq2b  priority high
        █████████████▚▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░   41 %  410,353 of 1,000,000 rows
        █ 410,233 succeeded  ▚ 120 failed  ▒ 300,000 in batches
        5.2k rows/min  1.2M tokens/min  done at about 12:45, in 2h 3m
        $12.20 of $50.00  $3.10 set aside  about $29.80 in the end
        3 batches under way for 3m  28 chunks to send
        deadline 17:42, in 7h  120 rows will be late as it looks
        ! the credit balance of this workspace is too low to go on with
          batches of this size
          Add credit in the Console, then run \`batchrun collect\`.

      ████████████  100 %  run_0done  done  $0.50
      and 3 older finished runs: batchrun list









      q quit  h help"
    `);
  });

  test('shows where it can be scrolled to, and stops at the end', () => {
    const all = frame(80, 200)
      .slice(1, -1)
      .filter((line) => line !== '');
    const small = frame(80, 10, view(), { scroll: 1_000 });
    expect(small[8]).toBe(all.at(-1));
    expect(small[9]).toMatch(/^q quit {2}h help {2}↑↓ scroll {2}↑ \d+ lines above$/);
  });

  test('colours take no room', () => {
    const plain = frame(80, 24);
    const colored = frame(80, 24, view(), { color: true });
    expect(colored.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''))).toEqual(plain);
    expect(colored.join('')).toContain('\u001b[32m');
  });

  test('is never wider or longer than the terminal, whatever is in it', () => {
    const names = ['x', '日本語の名前'.repeat(9), '🙂👩‍👩‍👧‍👦🇩🇪'.repeat(12), 'évil\u001b[2J\u0007\u202e\n'.repeat(9)];
    const runs = names.map((name, no) => run({ id: no === 0 ? run().id : `run_${no}`, name }));
    for (let columns = 20; columns <= 200; columns += 9) {
      for (const rows of [3, 10, 11, 15, 24, 60]) {
        for (const help of [false, true]) {
          const lines = frame(columns, rows, view({ runs }), { help });
          expect(lines).toHaveLength(rows);
          for (const line of lines) {
            expect(widthOf(line), `${columns}x${rows}: ${line}`).toBeLessThanOrEqual(columns);
            expect(line).toBe(clean(line));
          }
        }
      }
    }
  });
});

describe('a bar of outcomes', () => {
  const signs = (rows: Record<string, number>, width: number): string =>
    outcomeBar(run({ rows }), width, symbolsOf(true))
      .map(({ text }) => text)
      .join('');

  test.each([
    [{ total: 10, succeeded: 5, waiting: 5 }, 10, '█████░░░░░'],
    [{ total: 10_000, succeeded: 9_998, failed: 1, in_batch: 1 }, 10, '████████▚▒'],
    [{ total: 3, succeeded: 1, failed: 1, waiting: 1 }, 10, '████▚▚▚░░░'],
    [{ total: 0 }, 4, '░░░░'],
    [
      {
        total: 9,
        succeeded: 1,
        failed: 1,
        expired: 1,
        canceled: 1,
        invalid: 1,
        in_batch: 1,
        in_realtime: 1,
        retry: 1,
        waiting: 1,
      },
      6,
      null,
    ],
  ])('%j in %i columns', (rows, width, expected) => {
    const drawn = signs(rows, width);
    expect(Array.from(drawn)).toHaveLength(width);
    if (expected !== null) expect(drawn).toBe(expected);
  });
});

describe('widths', () => {
  test.each([
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['ｆｕｌｌ', 8],
    ['한국어', 6],
    ['🙂', 2],
    ['👩‍👩‍👧‍👦', 2],
    ['🇩🇪', 2],
    ['❤️', 2],
    ['─━█', 3],
    ['\u200b', 0],
    ['', 0],
  ])('of %j: %i', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test('a text is cut between signs, and says so', () => {
    expect(clip('日本語', 6, '…')).toBe('日本語');
    expect(clip('日本語', 5, '…')).toBe('日本…');
    expect(clip('日本語', 4, '…')).toBe('日…');
    expect(clip('👩‍👩‍👧‍👦abc', 3, '…')).toBe('👩‍👩‍👧‍👦…');
    expect(clip('abc', 0, '…')).toBe('');
  });

  test('a text is broken between words', () => {
    expect(wrapped('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrapped('verylongword a', 5)).toEqual(['verylongword', 'a']);
    expect(wrapped('', 5)).toEqual([]);
  });
});
