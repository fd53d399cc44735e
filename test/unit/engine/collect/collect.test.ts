/**
 * A result file counts only when it is whole: each wire id of the chunk once, nothing else, and the sums that the API
 * gave. What is not whole is fetched again and never paid again.
 */
import { describe, expect, test } from 'vitest';
import { RESULT_FETCHES_MAX, RESULTS_KEPT_MS } from '../../../../src/domain/limits.ts';
import { paths } from '../../../../src/domain/ids.ts';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { ResultScan, whyNotWhole, type ScannedResults } from '../../../../src/engine/collect/result-scan.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { newSession, type Session } from '../../../../src/engine/session.ts';
import { taggedIds } from '../../../../src/engine/collect/wire-ids.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { countsOf, erroredLine, HOUR_MS, lab, linesOf, refused, rows, succeededLine, wire, type Lab } from '../lab.ts';

const RUN = { id: 'run_0123456789abcdef' };

function scan(lines: readonly string[]): { problem: string | null; scan: ScannedResults } {
  const it = new ResultScan(3, taggedIds({ runId: RUN.id, chunkNo: 2, rowCount: 3 }));
  let offset = 0;
  for (const line of lines) {
    const bytes = Buffer.from(line);
    const problem = it.take(line, { offset, bytes: bytes.length });
    if (problem !== null) return { problem, scan: it.results };
    offset += bytes.length + 1;
  }
  return { problem: whyNotWhole(it.results, countsOf({ succeeded: 3 })), scan: it.results };
}

describe('a scan', () => {
  const whole = linesOf(RUN, 2, 3);

  test('takes the lines in any order and knows where each lies', () => {
    const [a = '', b = '', c = ''] = whole;
    const { problem, scan: it } = scan([c, a, b]);
    expect(problem).toBeNull();
    expect([...it.offsets]).toEqual([c.length + 1, c.length + a.length + 2, 0]);
    expect([...it.lengths]).toEqual([a.length, b.length, c.length]);
    expect(it.usage).toMatchObject([{ model: 'claude-haiku-5-5', lane: 'batch', rows: 3, outputTokens: 21 }]);
  });

  test.each([
    ['is cut at the end of a line', whole.slice(0, 2), '2 of 3 lines came'],
    ['is empty', [], '0 of 3 lines came'],
    ['is cut inside a line', [...whole.slice(0, 2), (whole[2] ?? '').slice(0, 40)], 'line 3 is not a result'],
    ['has a line twice', [...whole, whole[1] ?? ''], 'row 1 came twice'],
    ['has a line of another run', [succeededLine('zzzzzzzzzzzzzzzz-2-0')], 'line 1 belongs to no row of this chunk'],
    ['has a line of another chunk', [succeededLine('0123456789abcdef-1-0')], 'line 1 belongs to no row of this chunk'],
    ['has a row too many', [...whole, succeededLine('0123456789abcdef-2-3')], 'line 4 belongs to no row of this chunk'],
    ['has an id of somebody else', [succeededLine('their id')], 'line 1 belongs to no row of this chunk'],
    [
      'has other sums than the batch',
      [...whole.slice(0, 2), erroredLine(wire(RUN, 2, 2))],
      '2 lines are succeeded; the batch says 3',
    ],
  ])('that %s is not believed', (_what, lines, problem) => {
    expect(scan(lines).problem).toBe(problem);
  });
});

interface Ended extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  readonly batchId: string;
  collect(): Promise<number>;
  state(): Promise<string | undefined>;
}

/** A run of one chunk whose batch has ended with these lines. */
async function ended(count: number, lines?: (run: RunRecord) => readonly string[]): Promise<Ended> {
  const room = lab();
  const run = await room.submit(rows(count));
  const the = await room.session();
  await uploadRound(the, [run.id]);
  const batchId = (await room.store.chunk(run.id, 1))?.batchId ?? '';
  const given = lines?.(run) ?? linesOf(run, 1, count);
  const errored = given.filter((line) => line.includes('"errored"')).length;
  room.api.end(batchId, given, { succeeded: count - errored, errored });
  await poll(the);
  return {
    ...{ ...room, run, the, batchId },
    collect: () => collectRound(the, [run.id]),
    state: async () => (await room.store.chunk(run.id, 1))?.state,
  };
}

describe('collecting', () => {
  test('keeps the bytes of the API and counts the rows', async () => {
    const it = await ended(3, (run) => [...linesOf(run, 1, 2), erroredLine(wire(run, 1, 2))].reverse());
    expect(await it.collect()).toBe(1);
    expect(
      it.disk
        .contents()
        .get(`/state/${paths.results(it.run.id, 1)}`)
        ?.toString(),
    ).toBe(it.api.results.get(it.batchId));
    expect((await it.store.run(it.run.id))?.rows).toMatchObject({ in_batch: 0, succeeded: 2, retry: 1 });
    expect(await it.store.rowRecord(it.run.id, 2)).toMatchObject({
      state: 'retry',
      attempts: 1,
      errorType: 'overloaded_error',
    });
    expect(await it.collect()).toBe(0);
  });

  test('a file that is not whole is thrown away and fetched again after a wait', async () => {
    const it = await ended(3, (run) => linesOf(run, 1, 2));
    expect(await it.collect()).toBe(0);
    expect({ state: await it.state(), file: it.disk.contents().has(`/state/${paths.results(it.run.id, 1)}`) }).toEqual({
      state: 'ended',
      file: false,
    });
    it.api.end(it.batchId, linesOf(it.run, 1, 3));
    it.clock.advance(HOUR_MS);
    expect(await it.collect()).toBe(1);
    expect(await it.state()).toBe('collected');
    expect(it.api.calls.filter((call) => call === 'create')).toHaveLength(1);
  });

  test('a file that is never whole is asked about after some fetches, and never paid again', async () => {
    const it = await ended(3, (run) => linesOf(run, 1, 2));
    for (let nth = 0; nth < RESULT_FETCHES_MAX + 5; nth++) {
      await it.collect();
      it.clock.advance(HOUR_MS);
    }
    expect(it.api.calls.filter((call) => call.startsWith('results'))).toHaveLength(RESULT_FETCHES_MAX);
    expect((await it.store.run(it.run.id))?.blocked).toMatchObject([
      { reason: 'results_unreadable', scope: 'chunk:1' },
    ]);
    it.api.end(it.batchId, linesOf(it.run, 1, 3));
    Object.assign(it, { the: newSession(it.engine, await it.driver()) });
    expect(await collectRound(it.the, [it.run.id])).toBe(1);
  });

  test('404 is a passing fault for an hour, and is asked about then', async () => {
    const it = await ended(3);
    it.api.results.clear();
    for (let nth = 0; nth < 6; nth++) {
      await it.collect();
      it.clock.advance(10 * 60_000);
    }
    expect((await it.store.run(it.run.id))?.blocked).toEqual([]);
    it.clock.advance(60_000);
    await it.collect();
    expect((await it.store.run(it.run.id))?.blocked).toMatchObject([{ reason: 'batch_missing' }]);
    expect(await it.state()).toBe('ended');
  });

  test('after 29 days what is gone is lost, and its rows are not sent again', async () => {
    const it = await ended(3);
    it.api.results.clear();
    it.clock.advance(RESULTS_KEPT_MS + 1);
    await it.collect();
    expect(await it.state()).toBe('lost');
    expect((await it.store.run(it.run.id))?.rows).toMatchObject({ in_batch: 0, failed: 3 });
    expect(await it.store.rowRecord(it.run.id, 0)).toMatchObject({ errorType: 'batchrun_results_lost' });
  });

  test('a refused key stops everything that would be sent, and keeps what is paid', async () => {
    const it = await ended(3);
    it.api.streamResults = () => {
      throw refused({ status: 401, type: 'authentication_error' });
    };
    await it.collect();
    expect(it.the.blocks.stopsSending(it.run.id)).toBe(true);
    expect(await it.state()).toBe('ended');
  });

  test('rows without money wait, and no attempt is used', async () => {
    const message = 'Your credit balance is too low to access the Anthropic API.';
    const it = await ended(2, (run) => [
      erroredLine(wire(run, 1, 0), 'invalid_request_error', message),
      succeededLine(wire(run, 1, 1)),
    ]);
    await it.collect();
    expect(await it.store.rowRecord(it.run.id, 0)).toMatchObject({ state: 'retry', attempts: 0 });
    expect((await it.store.run(it.run.id))?.blocked).toMatchObject([{ reason: 'billing' }]);
  });
});
