/**
 * The built program is killed with SIGKILL at every failpoint and run again: the output is that of a run without
 * trouble, and the API was asked for nothing twice (promises P1, P2, P3).
 */
import { describe, expect, test } from 'vitest';
import { FAILPOINTS, type FailpointName } from '../../src/base/failpoint.ts';
import type { SimWorld } from '../../src/tools/sim/world.ts';
import {
  asked,
  bench,
  expectAnswers,
  expectNothingTwice,
  jsonl,
  params,
  requests,
  type Bench,
} from '../support/cli.ts';

const ROWS = 8;
const CONCURRENCY = 2;
const ALL = Object.keys(FAILPOINTS) as FailpointName[];

/** How often each request was taken into a batch: once where nothing went wrong at the API. */
function acceptances(world: SimWorld): number[] {
  const times = new Map<string, number>();
  for (const batch of world.ledger.batches) {
    for (const row of batch.rows()) times.set(row.paramsHash, (times.get(row.paramsHash) ?? 0) + 1);
  }
  return [...times.values()];
}

async function killedAt(b: Bench, args: readonly string[], failpoint: string): Promise<void> {
  const ended = await b.call(args, { env: { BATCHRUN_FAILPOINT: failpoint } });
  expect(ended.signal, `${failpoint} was not reached:\n${ended.stderr}`).toBe('SIGKILL');
}

const SUBMIT = ['submit', 'in.jsonl', '--chunk-size', '3'];
const inSubmit = ALL.filter((name) => name.startsWith('ingest.') || name.startsWith('submit.'));
const inRealtime = ALL.filter((name) => name.startsWith('retry.realtime'));
const inRetryChunk = ALL.filter((name) => name === 'retry.chunk_file');
const inHurry = ALL.filter((name) => name.startsWith('hurry.'));
const inCache = ALL.filter((name) => name.startsWith('cache.'));
const inCopies = ALL.filter((name) => name.startsWith('copy.'));
const elsewhere = [...inSubmit, ...inRealtime, ...inRetryChunk, ...inHurry, ...inCache, ...inCopies];
const inCollect = ALL.filter((name) => !elsewhere.includes(name));

describe('killed at', () => {
  test.each([...inSubmit, 'submit.body_complete:2', 'submit.answered:2'])('%s in submit', async (failpoint) => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    await killedAt(b, SUBMIT, failpoint);
    await b.ok(SUBMIT);
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expectNothingTwice(b.world);
    expect(acceptances(b.world)).toEqual(Array.from({ length: ROWS }, () => 1));
    expect(b.runFolders()).toHaveLength(1);
  });

  test.each(inCollect)('%s in collect', async (failpoint) => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    await b.ok(SUBMIT);
    await killedAt(b, ['collect'], failpoint);
    await b.ok(['run', 'in.jsonl']);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expect(acceptances(b.world)).toEqual(Array.from({ length: ROWS }, () => 1));
  });

  test.each([...inCopies, 'ingest.chunk_file:3', 'ingest.chunk_file:6'])('%s with --dedupe', async (failpoint) => {
    const b = await bench();
    // Every question twice.
    const rows = [...asked(ROWS, 'question'), ...asked(ROWS, 'question')].map(([, text], at) => {
      return { custom_id: `row-${at}`, params: params(text) };
    });
    b.write('in.jsonl', jsonl(rows));
    const job = ['run', 'in.jsonl', '--dedupe', '--chunk-size', '3'];
    await killedAt(b, job, failpoint);
    await b.ok(job);
    const texts = rows.map(({ custom_id: id }, at) => [id, asked(ROWS)[at % ROWS]?.[1] ?? ''] as const);
    expectAnswers(b.lines('in.results.jsonl'), texts);
    expectNothingTwice(b.world);
    expect(acceptances(b.world)).toEqual(Array.from({ length: ROWS }, () => 1));
    expect(b.runFolders()).toHaveLength(1);
    await b.ok(['audit', 'latest']);
  });

  test.each([...inRealtime, 'retry.realtime_answer:3'])('%s in collect', async (failpoint) => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { api_error: 1 } } });
    b.write('in.jsonl', requests(ROWS));
    await b.ok(SUBMIT);
    await killedAt(b, ['collect', '--concurrency', String(CONCURRENCY)], failpoint);
    await b.ok(['collect', '--concurrency', String(CONCURRENCY)]);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expect(acceptances(b.world)).toEqual(Array.from({ length: ROWS }, () => 1));
    expect(b.world.ledger.messages.length).toBeGreaterThanOrEqual(ROWS);
    expect(b.world.ledger.messages.length).toBeLessThanOrEqual(ROWS + CONCURRENCY);
  });

  test.each(inHurry)('%s before a deadline', async (failpoint) => {
    const b = await bench({ batchDurationMs: [3_600_000, 3_600_000], cancelDurationMs: 500 });
    b.write('in.jsonl', requests(ROWS));
    await b.ok(SUBMIT);
    // A stop is taken to need five minutes: a few seconds later than that is the last moment.
    const collect = ['collect', '--deadline', '306s', '--poll-interval', '200ms'];
    await killedAt(b, collect, failpoint);
    await b.ok(collect);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expect(acceptances(b.world)).toEqual(Array.from({ length: ROWS }, () => 1));
    expect(b.world.ledger.messages).toHaveLength(ROWS);
  });

  test.each([...inRetryChunk, 'submit.answered'])('%s of a retry chunk', async (failpoint) => {
    const b = await bench({ rates: { errorRate: 1, errorTypes: { overloaded_error: 1 } } });
    b.write('in.jsonl', requests(ROWS));
    await b.ok([...SUBMIT, '--retry-lane', 'batch']);
    b.world.setRates({ errorRate: 0 });
    await killedAt(b, ['collect'], failpoint);
    await b.ok(['collect']);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expectNothingTwice(b.world);
    expect(acceptances(b.world)).toEqual(Array.from({ length: ROWS }, () => 2));
    expect(b.world.ledger.messages).toHaveLength(0);
  });

  test('every place in turn, each time by the same cron job', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(ROWS));
    const job = ['run', 'in.jsonl', '--chunk-size', '4', '-q'];
    for (const failpoint of [...inSubmit, ...inCollect]) {
      const ended = await b.call(job, { env: { BATCHRUN_FAILPOINT: failpoint } });
      expect([null, 0]).toContain(ended.code);
    }
    await b.ok(job);
    expectAnswers(b.lines('in.results.jsonl'), asked(ROWS));
    expect(acceptances(b.world)).toEqual(Array.from({ length: ROWS }, () => 1));
  });
});
