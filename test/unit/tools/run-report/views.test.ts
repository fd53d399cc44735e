/**
 * The parts of a report on a run, from what the ledger says: the course in time, the batches, the sentences, what to type.
 */
import { describe, expect, it } from 'vitest';
import type { BatchRecord, RunRecord } from '../../../../src/domain/model.ts';
import type { EventRecord } from '../../../../src/domain/store-steps.ts';
import { lookAtBatches, SPANS_MAX } from '../../../../src/tools/run-report/batch-spans.ts';
import { percentText } from '../../../../src/tools/run-report/html.ts';
import { isHopeless, reasonText } from '../../../../src/tools/run-report/reasons.ts';
import { spareBatches } from '../../../../src/tools/run-report/spare-batches.ts';
import { cutText, promptText, withCode } from '../../../../src/tools/run-report/texts.ts';
import { TimelineBuilder, type Timeline } from '../../../../src/tools/run-report/timeline.ts';
import { spanTable } from '../../../../src/tools/report/span-table.ts';
import { markup } from '../../../../src/tools/report/markup.ts';

const RUN = 'run_000000001aaaaaaa';

function event(atMs: number, kind: string, data: EventRecord['data'] = {}, chunkNo: number | null = null): EventRecord {
  return { id: 0, runId: RUN, atMs, kind, chunkNo, seq: null, data };
}

function runWith(rows: Partial<RunRecord['rows']>): RunRecord {
  const none = { waiting: 0, in_batch: 0, retry: 0, in_realtime: 0, succeeded: 0, failed: 0, expired: 0, canceled: 0 };
  return { id: RUN, rows: { ...none, invalid: 0, ...rows } } as RunRecord;
}

function timeline(events: readonly EventRecord[], rows: Partial<RunRecord['rows']>, endMs = 1_000): Timeline {
  const builder = new TimelineBuilder(0, endMs);
  for (const one of events) builder.add(one);
  return builder.end(runWith(rows));
}

function at(line: Timeline, ms: number): Timeline['points'][number] {
  const point = line.points.find(({ atMs }) => atMs >= ms);
  if (!point) throw new Error(`no point at ${ms}`);
  return point;
}

describe('the course of a run', () => {
  it('counts rows when they end, and those in batches as long as these are under way', () => {
    const line = timeline(
      [
        event(0, 'run.ingesting'),
        event(100, 'chunk.submitted', { rows: 10 }, 1),
        event(200, 'chunk.submitted', { rows: 5 }, 2),
        event(500, 'chunk.ended', { rows: 10 }, 1),
        event(600, 'chunk.collected', { rows: 10, succeeded: 7, rest: { failed: 2, retry: 1 } }, 1),
        event(800, 'rows.settled', { rows: 1, succeeded: 1 }),
      ],
      { succeeded: 8, failed: 2, in_batch: 5 },
    );
    expect(at(line, 150)).toMatchObject({ succeeded: 0, inBatches: 10 });
    expect(at(line, 300)).toMatchObject({ inBatches: 15 });
    expect(at(line, 550)).toMatchObject({ succeeded: 0, inBatches: 5 });
    expect(at(line, 700)).toMatchObject({ succeeded: 7, others: 2 });
    expect(line.points.at(-1)).toEqual({ atMs: 1_000, succeeded: 8, others: 2, inBatches: 5 });
  });

  it('does not count rows of a chunk that is released, and takes back those that somebody sends again', () => {
    const line = timeline(
      [
        event(100, 'chunk.canceled', { rows: 4, released: true }, 1),
        event(200, 'chunk.canceled', { rows: 3 }, 2),
        event(500, 'run.active', { retry: 2 }),
      ],
      { canceled: 1, retry: 2 },
    );
    expect(at(line, 150).others).toBe(0);
    expect(at(line, 300).others).toBe(3);
    expect(at(line, 600).others).toBe(1);
  });

  it('takes the counters of the ledger as the last word', () => {
    expect(timeline([], { succeeded: 3, expired: 2 }).points.at(-1)).toMatchObject({ succeeded: 3, others: 2 });
  });

  it('sums the time in which it was blocked, to the end where it still is', () => {
    const line = timeline(
      [
        event(100, 'run.blocked', { reasons: ['billing', 'billing'] }),
        event(300, 'run.blocked', { reasons: ['credentials'] }),
        event(400, 'run.unblocked', { reasons: [] }),
        event(900, 'run.blocked', { reasons: ['budget'] }),
      ],
      {},
    );
    expect(line.blockedMs).toBe(400);
    expect(line.blocked).toEqual([
      { fromMs: 100, toMs: 300, reasons: ['billing'] },
      { fromMs: 300, toMs: 400, reasons: ['credentials'] },
      { fromMs: 900, toMs: null, reasons: ['budget'] },
    ]);
  });

  it('takes back those that were given up before another try', () => {
    const line = timeline(
      [
        event(100, 'rows.retried', { rows: 5, attempt: 1, causes: { expired: 2, api_error: 3 } }, 1),
        event(200, 'rows.given_up', { rows: 4, causes: { expired: 1, api_error: 3 } }),
      ],
      { failed: 3, expired: 1 },
    );
    expect(line.troubles.retries).toEqual({ expired: 1 });
    expect(at(line, 300).others).toBe(4);
  });

  it('adds retries up by what came before, whatever a cause is called', () => {
    const line = timeline(
      [
        event(1, 'rows.retried', { rows: 3, causes: { expired: 2, constructor: 1 } }),
        event(2, 'row.retried', { error: 'batchrun_schema:minimum:/a' }),
        event(3, 'row.retried', { error: 'expired' }),
      ],
      {},
    );
    expect(line.troubles.retries).toEqual({ expired: 3, constructor: 1, batchrun_schema: 1 });
  });

  it('holds no more for a million events than for a few', () => {
    const builder = new TimelineBuilder(0, 1e6);
    for (let ms = 0; ms < 100_000; ms++) {
      builder.add(event(ms * 10, 'run.blocked', { reasons: ['billing'] }));
      builder.add(event(ms * 10, 'row.retried', { error: `odd_${ms}` }));
    }
    const line = builder.end(runWith({}));
    expect(line.points.length).toBeLessThanOrEqual(240);
    expect(line.moments.length + line.blocked.length + Object.keys(line.troubles.retries).length).toBeLessThan(300);
  });

  it('has a point for a run that ends in the millisecond in which it begins', () => {
    expect(new TimelineBuilder(5, 5).end(runWith({ succeeded: 1 })).points).toHaveLength(1);
  });
});

function batch(no: number, more: Partial<BatchRecord> = {}): BatchRecord {
  const counts = { processing: 0, succeeded: 9, errored: 1, canceled: 0, expired: 0 };
  return {
    ...{ id: `msgbatch_${no}`, status: 'ended', counts, createdAtMs: no * 1_000, endedAtMs: no * 1_000 + 500 },
    ...{ runId: RUN, chunkNo: no, attemptId: no, proven: true, missingSinceMs: null, workspace: 'w' },
    ...{ expiresAtMs: 0, archivedAtMs: null, resultsUrl: null },
    ...more,
  };
}

describe('batches in time', () => {
  it('are each a span in the order in which they were made, with how long they took', () => {
    const look = lookAtBatches([batch(2), batch(1, { endedAtMs: 9_000 }), batch(3, { endedAtMs: null })]);
    expect(look.spans.map(({ id, toMs, failed }) => [id, toMs, failed])).toEqual([
      ['msgbatch_1', 9_000, 1],
      ['msgbatch_2', 2_500, 1],
      ['msgbatch_3', null, 1],
    ]);
    expect(look).toMatchObject({ count: 3, open: 1, rows: 30, took: { medianMs: 500, longestMs: 8_000 } });
    expect(look.slowest[0]).toMatchObject({ id: 'msgbatch_1', tookMs: 8_000 });
  });

  it('share spans where there are many, and none is left out', () => {
    const look = lookAtBatches(Array.from({ length: 1_000 }, (_, no) => batch(no + 1)));
    expect(look.spans.length).toBeLessThanOrEqual(SPANS_MAX);
    expect(look.spans.reduce((sum, { batches }) => sum + batches, 0)).toBe(1_000);
    expect(look.spans[1]?.first).toBe((look.spans[0]?.batches ?? 0) + 1);
  });

  it('are drawn within the axis, the short ones too', () => {
    const spans = [
      { label: 'a', fromMs: 0, toMs: 1, cells: [] },
      { label: 'b', fromMs: 1_000, toMs: null, cells: [] },
      { label: 'c', fromMs: -50, toMs: 5_000, cells: [] },
    ];
    const { text } = spanTable({ caption: '', fromMs: 0, toMs: 1_000, ends: ['', ''], head: ['x'], spans });
    const drawn = [...text.matchAll(/class="tone1[^"]*" x="([\d.]+)%" width="([\d.]+)%"/g)].map(([, x, width]) => [
      Number(x),
      Number(width),
    ]);
    expect(drawn).toHaveLength(3);
    for (const [x = 0, width = 0] of drawn) expect(x + width).toBeLessThanOrEqual(100.01);
    for (const [, width = 0] of drawn) expect(width).toBeGreaterThan(0);
  });
});

describe('second batches', () => {
  it('are those that their chunk does not use, priced by what an answer of the run cost', async () => {
    const batches = [batch(1), batch(1, { id: 'msgbatch_second' }), batch(2)];
    const usage = [{ lane: 'batch', rows: 10, costUsd: 5, unpricedRows: 0 }] as never;
    const ledger = {
      chunk: (_: string, no: number) => Promise.resolve({ batchId: `msgbatch_${no}` } as never),
      chunkCounts: () => Promise.resolve({ lost: 2 } as never),
    };
    const spare = await spareBatches(ledger, RUN, { batches, usage });
    expect(spare.batches.map(({ id }) => id)).toEqual(['msgbatch_second']);
    expect(spare).toMatchObject({ rows: 9, usd: 4.5, lostChunks: 2 });
  });
});

describe('texts', () => {
  it.each([
    [0, '0 %'],
    [100, '100 %'],
    [99.9999, '> 99.99 %'],
    [0.0001, '< 0.01 %'],
    [86.71, '86.7 %'],
  ])('%d percent is %s: nearly all is not all', (percent, text) => {
    expect(percentText(percent)).toBe(text);
  });

  it('show what was asked, whatever shape it has, without keys and cut', () => {
    const key = 'sk-ant-api03-abcdefghijklmnop';
    const content = [{ type: 'text', text: `hello ${key}` }, { type: 'image' }];
    const shown = promptText({ system: 'be short', messages: [{ role: 'user', content }, null, { role: 7 }] });
    expect(shown).toBe('system: be short\nuser: hello sk-ant-[redacted] [image]\nunknown: ');
    expect(promptText('text')).toBeNull();
    expect(promptText({ messages: [{ role: 'user', content: 'x'.repeat(5_000) }] })?.length).toBeLessThan(900);
    expect(cutText('ab😀cd', 3)).toBe('ab…');
  });

  it('tells commands apart and escapes them', () => {
    expect(markup`${withCode('say `a<b` now')}`.text).toBe('say <code>a&lt;b</code> now');
  });

  it('knows what cannot succeed, also where a whole batch was refused for it', () => {
    expect(isHopeless('batchrun_refused_invalid_request_error')).toBe(true);
    expect(isHopeless('overloaded_error')).toBe(false);
    expect(reasonText('constructor')).toBe('of constructor');
  });
});
