/**
 * `--dedupe` in the engine: which rows are sent, which take the answer of another, and how these end whatever becomes of
 * that one.
 */
import { describe, expect, test } from 'vitest';
import { worstRunCostUsd } from '../../../../src/domain/reserve.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { copyRound } from '../../../../src/engine/copies/copy-answers.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { answering, asks, DEDUPE, finish, kinds, ran, sent, submitted, texts } from './coalesce.lab.ts';
import { erroredLine, lab, refused, rows, succeededLine, type Json, type Lab } from '../lab.ts';

const INPUT = [asks('a', 1), asks('b', 2), asks('c', 1), asks('d', 3), asks('e', 2), asks('f', 1)];

async function allRecords(room: Lab, runId: string): Promise<[number, string, string | null][]> {
  const records = await room.store.rowRecords(runId, { limit: 100 });
  return records.map((record) => [record.seq, record.state, record.errorType]);
}

describe('which rows are sent', () => {
  test('each question once, and every row gets its line', async () => {
    const room = lab();
    answering(room);
    const run = await ran(room, INPUT, DEDUPE);
    expect(sent(room)).toEqual(['question 1', 'question 2', 'question 3']);
    expect(texts(room)).toEqual([
      ['a', 'to question 1'],
      ['b', 'to question 2'],
      ['c', 'to question 1'],
      ['d', 'to question 3'],
      ['e', 'to question 2'],
      ['f', 'to question 1'],
    ]);
    expect(run.rows).toMatchObject({ succeeded: 6, waiting: 0 });
    expect(await kinds(room, run)).toEqual([
      ['api', 'collected', 3],
      ['rows', 'collected', 3],
    ]);
    expect((await room.store.usage(run.id)).map((entry) => entry.rows)).toEqual([3]);
  });

  test('however small the chunks are, and in the order of the input', async () => {
    const room = lab();
    answering(room);
    const input = Array.from({ length: 40 }, (_unused, at) => asks(`row-${at}`, (at * 7) % 11));
    await ran(room, input, { ...DEDUPE, chunkRows: 3 });
    expect(sent(room)).toHaveLength(11);
    expect(texts(room)).toEqual(input.map((row, at) => [row['custom_id'], `to question ${(at * 7) % 11}`]));
  });

  test('keys in another order and marks for the cache do not make another question; betas and a letter do', async () => {
    const room = lab();
    answering(room);
    const text = (more: Json): Json => [{ type: 'text', text: 'be brief', ...more }] as unknown as Json;
    const base = { model: 'claude-haiku-5-5', max_tokens: 100, messages: [{ role: 'user', content: 'one' }] };
    const turned = { messages: [{ content: 'one', role: 'user' }], max_tokens: 100, model: 'claude-haiku-5-5' };
    const input = [
      { custom_id: 'a', params: { ...base, system: text({}) } },
      { custom_id: 'b', params: { ...turned, system: text({ cache_control: { type: 'ephemeral' } }) } },
      { custom_id: 'c', params: { ...base, system: text({}) }, betas: ['beta-a-2026-01-01'] },
      { custom_id: 'd', params: { ...base, system: [{ type: 'text', text: 'be Brief' }] } },
    ];
    const run = await ran(room, input, DEDUPE);
    expect(sent(room)).toHaveLength(3);
    expect(await kinds(room, run)).toEqual([
      ['api', 'collected', 2],
      ['rows', 'collected', 1],
      ['api', 'collected', 1],
    ]);
  });

  test('without a question that is asked twice the chunks stay as they were sealed', async () => {
    const room = lab();
    const run = await submitted(room, rows(7), { ...DEDUPE, chunkRows: 3 });
    expect((await room.store.chunks(run.id)).map((chunk) => chunk.chunkNo)).toEqual([1, 2, 3]);
  });

  test('a row that was skipped leads nobody', async () => {
    const room = lab();
    answering(room);
    // The second "a" asks what "c" asks, and is dropped: its id is taken.
    const input = [asks('a', 1), asks('a', 2), asks('c', 2), asks('d', 2)];
    await room.submit(input, { settings: DEDUPE, request: { onInvalid: 'skip' } });
    const [run] = await room.store.runs();
    await finish(room, { id: run?.id ?? '' });
    expect(sent(room)).toEqual(['question 1', 'question 2']);
    expect(texts(room)).toEqual([
      ['a', 'to question 1'],
      ['a', 'batchrun_duplicate_id'],
      ['c', 'to question 2'],
      ['d', 'to question 2'],
    ]);
  });

  test('the files and the ledger of what was sealed before are gone', async () => {
    const room = lab();
    const run = await submitted(room, INPUT, DEDUPE);
    const numbers = (await room.store.chunks(run.id)).map((chunk) => chunk.chunkNo);
    const files = [...room.disk.contents().keys()].filter(
      (path) => path.includes('/chunks/') || path.includes('/rows/'),
    );
    expect(files).toHaveLength(2 * numbers.length);
    expect([...room.disk.contents().keys()].filter((path) => path.endsWith('.tmp'))).toEqual([]);
    const sealed = (await room.store.events(run.id, { limit: 100 })).filter((event) => event.kind === 'chunk.sealed');
    expect(sealed.map((event) => event.chunkNo).sort()).toEqual(numbers);
  });

  test('the same rows without the flag are the same run', async () => {
    const room = lab();
    const first = await room.submit(INPUT);
    const report = await room.ingest(INPUT, { settings: DEDUPE });
    expect(report.verdict).toEqual({ kind: 'exists', runId: first.id });
    expect(report.saving).toBeNull();
  });
});

describe('what becomes of them', () => {
  test('a row ends as the one that it follows, with its error', async () => {
    const room = lab();
    answering(room, (id, question) =>
      question === 'question 1' ? erroredLine(id, 'invalid_request_error', 'no') : succeededLine(id, question),
    );
    const run = await ran(room, INPUT, DEDUPE);
    expect(run.rows).toMatchObject({ succeeded: 3, failed: 3 });
    expect(texts(room).map(([, text]) => text)).toEqual([
      ...['invalid_request_error', 'question 2', 'invalid_request_error'],
      ...['question 3', 'question 2', 'invalid_request_error'],
    ]);
    expect(await allRecords(room, run.id)).toEqual([
      [0, 'failed', 'invalid_request_error'],
      [2, 'failed', 'invalid_request_error'],
      [5, 'failed', 'invalid_request_error'],
    ]);
  });

  test('batchrun retry asks once again, for all of them', async () => {
    const room = lab();
    let good = false;
    answering(room, (id, question) =>
      good || question !== 'question 1' ? succeededLine(id, question) : erroredLine(id, 'invalid_request_error'),
    );
    const run = await ran(room, INPUT, { ...DEDUPE, retryLane: 'batch' });
    good = true;
    const driver = await room.driver();
    expect(await driver.reopen(run.id, ['failed'], room.clock.now())).toBe(3);
    const before = room.api.bodies.length;
    const done = await finish(room, run);
    expect(room.api.bodies).toHaveLength(before + 1);
    expect(sent(room)).toEqual(['question 1', 'question 2', 'question 3', 'question 1']);
    expect(done.rows).toMatchObject({ succeeded: 6, failed: 0 });
    expect(texts(room).map(([, text]) => text)).toEqual([1, 2, 1, 3, 2, 1].map((nth) => `question ${nth}`));
    const chunks = await room.store.chunks(run.id);
    expect(chunks.filter((chunk) => chunk.kind === 'retry').map((chunk) => chunk.answers)).toEqual(['rows', 'api']);
  });

  test('and a few of them in the realtime lane, as others', async () => {
    const room = lab();
    answering(room, (id, question) =>
      question === 'question 1' ? erroredLine(id, 'overloaded_error') : succeededLine(id, question),
    );
    const run = await ran(room, INPUT, DEDUPE);
    expect(room.api.calls.filter((call) => call === 'message')).toHaveLength(1);
    expect(run.rows).toMatchObject({ succeeded: 6 });
    expect(texts(room).map(([, text]) => text)).toEqual([
      ...['from the realtime lane', 'question 2', 'from the realtime lane'],
      ...['question 3', 'question 2', 'from the realtime lane'],
    ]);
  });

  test('with everything in the realtime lane as well', async () => {
    const room = lab();
    const run = await ran(room, INPUT, { ...DEDUPE, wishes: { lane: 'realtime' } });
    expect(room.api.calls.filter((call) => call === 'message')).toHaveLength(3);
    expect(room.api.bodies).toEqual([]);
    expect(run.rows).toMatchObject({ succeeded: 6 });
  });

  test('a chunk that the API splits still answers for those who follow its rows', async () => {
    const room = lab();
    answering(room);
    const create = room.api.onCreate;
    room.api.onCreate = async (body) => {
      const { requests } = JSON.parse(body) as { requests: unknown[] };
      if (requests.length > 1) {
        throw refused({ status: 413, type: 'request_too_large' });
      }
      return create(body);
    };
    await ran(room, INPUT, DEDUPE);
    expect(texts(room).map(([, text]) => text)).toEqual([1, 2, 1, 3, 2, 1].map((nth) => `to question ${nth}`));
  });

  test('a cancel keeps what was answered for all who asked, and the rest ends canceled', async () => {
    const room = lab();
    answering(room);
    const run = await submitted(room, INPUT, { ...DEDUPE, chunkRows: 1 });
    const session = await room.session();
    await room.clock.run(uploadRound(session, [run.id]));
    await room.store.requestCancel(run.id, room.clock.now());
    const done = await finish(room, run);
    expect(done.rows).toMatchObject({ succeeded: 6, canceled: 0 });
    const other = lab();
    const unsent = await submitted(other, INPUT, DEDUPE);
    await other.store.requestCancel(unsent.id, other.clock.now());
    const ended = await finish(other, unsent);
    expect(ended.rows).toMatchObject({ canceled: 6 });
    // As of any chunk that was never sent: no record for each row.
    expect(await allRecords(other, unsent.id)).toEqual([]);
    expect(await kinds(other, unsent)).toEqual([
      ['api', 'canceled', 3],
      ['rows', 'canceled', 3],
    ]);
    // And all of it can be had after all, once each.
    answering(other);
    const driver = await other.driver();
    expect(await driver.reopen(unsent.id, ['canceled'], other.clock.now())).toBe(6);
    expect((await finish(other, unsent)).rows).toMatchObject({ succeeded: 6 });
    expect(sent(other)).toHaveLength(0);
    expect(other.api.calls.filter((call) => call === 'message')).toHaveLength(3);
  });

  test('answers that were cut count for every row', async () => {
    const room = lab();
    answering(room, (id) => succeededLine(id).replace('"end_turn"', '"max_tokens"'));
    const run = await ran(room, INPUT, DEDUPE);
    expect(run.stopReasons).toEqual({ max_tokens: 6 });
  });

  test('an answer that cannot be read blocks its chunk, and nothing else', async () => {
    const room = lab();
    answering(room);
    const run = await submitted(room, INPUT, DEDUPE);
    const session = await room.session();
    await room.clock.run(uploadRound(session, [run.id]));
    await room.clock.run(poll(session));
    expect(await collectRound(session, [run.id])).toBe(1);
    const path = [...room.disk.contents().keys()].find((name) => name.includes('/results/')) ?? '';
    const kept = room.disk.contents().get(path) ?? Buffer.alloc(0);
    const spoilt = Buffer.from(kept.toString().replaceAll('"custom_id":"', '"custom_id":"x'));
    await room.files.remove(path);
    const writer = await room.files.create(path);
    await writer.write(spoilt);
    await writer.commit();
    expect(await copyRound(session, [run.id])).toBe(0);
    expect((await room.store.run(run.id))?.blocked).toMatchObject([{ reason: 'copy_damaged' }]);
    // A next driver tries again.
    const back = await room.files.create(path);
    await back.write(kept);
    await back.commit();
    expect((await finish(room, run)).rows).toMatchObject({ succeeded: 6 });
  });
});

describe('what is said of it', () => {
  test('status counts the rows, what they wait for, and what they save; only what is sent is estimated', async () => {
    const room = lab();
    answering(room);
    const run = await submitted(room, INPUT, DEDUPE);
    const plain = await submitted(lab(), INPUT.slice(0, 4));
    const before = await viewRun(room.store, run);
    expect(before.coalesced).toEqual({
      ...{ rows: 3, deduped_rows: 3, reused_rows: 0, waiting_rows: 3, waiting_chunks: 1, saved_usd: 0 },
    });
    expect(Object.values(run.mix)[0]?.rows).toBe(3);
    expect(plain.mix).not.toEqual(run.mix);
    const done = await viewRun(room.store, await finish(room, run));
    expect(done.coalesced).toMatchObject({ rows: 3, waiting_rows: 0 });
    const spent = done.cost_usd.spent ?? 0;
    expect(done.coalesced?.saved_usd).toBeCloseTo(spent, 12);
    expect((await viewRun(room.store, { ...run, settings: { ...run.settings } })).coalesced).not.toBeNull();
  });

  test('flat gives the lane of a copy, and no cost', async () => {
    const room = lab();
    answering(room);
    await finish(room, await room.submit(INPUT, { settings: DEDUPE, run: { format: 'flat' } }));
    const lines = room.output().map((line) => JSON.parse(line) as Json);
    expect(lines.map((line) => [line['lane'], line['attempts'], (line['cost_usd'] as number) > 0])).toEqual([
      ['batch', 1, true],
      ['batch', 1, true],
      ['copy', 0, false],
      ['batch', 1, true],
      ['copy', 0, false],
      ['copy', 0, false],
    ]);
  });

  test('the report of the reading says what the flag spares, or would have spared', async () => {
    const on = await lab().ingest(INPUT, { settings: DEDUPE });
    expect(on).toMatchObject({ rows: 6, chunks: 1, saving: { deduped: { rows: 3 }, duplicates: null } });
    const off = await lab().ingest(INPUT);
    expect(off).toMatchObject({ saving: { deduped: { rows: 0 }, duplicates: { rows: 3, exact: true } } });
    expect(off.saving?.duplicates?.usd).toBeGreaterThan(0);
    // Half of the rows cannot save more than half of what all of them can cost.
    expect(off.saving?.duplicates?.usd).toBeLessThanOrEqual(0.51 * (worstRunCostUsd(off.mix, 'auto') ?? NaN));
    expect((await lab().ingest(rows(5))).saving?.duplicates).toMatchObject({ rows: 0, usd: 0 });
  });
});
