/**
 * An audit against the API: what bears our tag and is not in the ledger, what was paid twice, what is missing and what is
 * in doubt; and what it says when it cannot see.
 */
import { describe, expect, test } from 'vitest';
import { paths, tagOf } from '../../../../src/domain/ids.ts';
import type { AuditReport, Finding } from '../../../../src/engine/audit/report.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { added, ANSWER_USD, collected, DAY_MS, only, room, sent, type Room } from './audit.lab.ts';
import {
  countsOf,
  errorOf,
  erroredLine,
  HOUR_MS,
  linesOf,
  MINUTE_MS,
  refused,
  rows,
  succeededLine,
  wire,
  type Lab,
} from '../lab.ts';

describe('a batch that bears our tag and is not in the ledger', () => {
  test('is an orphan, priced from its own results; a chunk number beyond ours too', async () => {
    const it = await collected();
    added(it, 'msgbatch_copy', linesOf(it.run, 2, 3));
    added(it, 'msgbatch_odd', linesOf(it.run, 9, 3));
    const found = await it.audit();
    expect(found.findings.map(({ kind, batch, chunk }) => [kind, batch, chunk])).toEqual([
      ['orphan', 'msgbatch_odd', 9],
      ['orphan', 'msgbatch_copy', 2],
    ]);
    for (const one of found.findings) expect(one).toMatchObject({ rows: 3, cost_usd: expect.closeTo(3 * ANSWER_USD) });
    expect(found.findings[0]?.message).toContain('that the ledger has not');
    expect(found.cost_usd.spent).toBeCloseTo(6 * ANSWER_USD);
    expect(found.cost_usd.unused).toBeCloseTo(6 * ANSWER_USD);
    expect(found.checks.filter(({ ok }) => ok === false).map(({ name }) => name)).toEqual(['batches', 'costs']);
  });

  test('is found although it was once read and taken for a foreign one', async () => {
    const it = await collected();
    added(it, 'msgbatch_copy', linesOf(it.run, 1, 3));
    const [batch] = it.api.listed;
    if (batch) await it.the.driver.recordForeign(batch, it.api.workspace);
    expect(await it.kinds()).toEqual(['orphan']);
  });

  test('is known although a line that does not belong there comes first', async () => {
    const it = await collected();
    added(it, 'msgbatch_copy', linesOf(it.run, 1, 3));
    it.api.results.set('msgbatch_copy', `${[succeededLine('stranger'), ...linesOf(it.run, 1, 3)].join('\n')}\n`);
    const report = await it.clock.run(it.look());
    // Whose it is can be told; what it cost cannot, from a file with a line too many.
    expect(only(report.runs[0]?.findings ?? [])).toMatchObject({ kind: 'orphan', chunk: 1, cost_usd: null });
  });

  test('without a known price: what it cost is null, and the models are named', async () => {
    const it = await collected();
    const lines = linesOf(it.run, 1, 3).map((line) => line.replace('claude-haiku-5-5', 'claude-nobody-9'));
    added(it, 'msgbatch_copy', lines);
    const found = await it.audit();
    expect(only(found.findings)).toMatchObject({ cost_usd: null, message: expect.stringContaining('claude-nobody-9') });
    expect(found.cost_usd).toMatchObject({ unused: null, unused_known: 0 });
  });

  test('that answered nothing cost nothing: a note', async () => {
    const it = await collected();
    const lines = [0, 1, 2].map((at) => erroredLine(wire(it.run, 1, at)));
    added(it, 'msgbatch_copy', lines, { counts: countsOf({ errored: 3 }) });
    const found = await it.audit();
    expect(found).toMatchObject({ ok: true, cost_usd: { unused: 0 } });
    expect(only(found.notes)).toMatchObject({ kind: 'orphan', cost_usd: 0 });
  });

  test('is not priced from a file that is not whole', async () => {
    const it = await collected();
    added(it, 'msgbatch_copy', linesOf(it.run, 1, 3));
    it.api.results.set('msgbatch_copy', `${linesOf(it.run, 1, 2).join('\n')}\n`);
    const pending = it.look();
    const report = await it.clock.run(pending);
    expect(only(report.runs[0]?.findings ?? [])).toMatchObject({ kind: 'orphan', cost_usd: null });
    expect(it.api.calls.filter((call) => call === 'results msgbatch_copy').length).toBeGreaterThan(2);
  });

  test('is somebody else’s with another tag, another size, or from long before the run', async () => {
    const it = await collected();
    added(
      it,
      'msgbatch_theirs',
      [0, 1, 2].map((at) => succeededLine(`zzzzzzzzzzzzzzzz-1-${at}`)),
    );
    added(
      it,
      'msgbatch_words',
      [0, 1, 2].map((at) => succeededLine(`row ${at}`)),
    );
    added(it, 'msgbatch_larger', linesOf(it.run, 1, 4));
    added(it, 'msgbatch_older', linesOf(it.run, 1, 3), { createdAtMs: it.run.createdAtMs - 3 * DAY_MS });
    expect(await it.audit()).toMatchObject({ ok: true, findings: [], notes: [] });
    expect(it.api.calls.filter((call) => call.startsWith('results'))).not.toContain('results msgbatch_larger');
  });

  test('cannot be told before it has ended: named, and nothing is off', async () => {
    const it = await collected();
    it.api.add('msgbatch_maybe', 3);
    const found = await it.audit();
    expect(found).toMatchObject({ ok: true, findings: [] });
    expect(only(found.notes)).toMatchObject({ kind: 'undecided', batch: 'msgbatch_maybe', rows: 3 });
  });

  test('cannot be told when its results cannot be read: then the audit is not complete', async () => {
    const it = await collected();
    added(it, 'msgbatch_maybe', linesOf(it.run, 1, 3));
    it.api.results.delete('msgbatch_maybe');
    const report = await it.look();
    expect(report).toMatchObject({ ok: false, complete: false, api: { reached: true } });
    expect(only(report.runs[0]?.notes ?? [])).toMatchObject({ kind: 'undecided' });
  });

  test('can never be told when its results are gone: that is said, and nobody waits for it', async () => {
    const it = await collected();
    added(it, 'msgbatch_maybe', linesOf(it.run, 1, 3), { archivedAtMs: it.clock.now() });
    const report = await it.look();
    expect(report).toMatchObject({ ok: true, complete: true });
    expect(only(report.runs[0]?.notes ?? [])?.message).toContain('can no longer be told');
    expect(it.api.calls).not.toContain('results msgbatch_maybe');
  });
});

/** A run whose only chunk was sent, and the answer got lost; the batch was made. */
async function inDoubt(): Promise<Room> {
  const it = await room(3);
  it.api.onCreate = (body) => {
    it.api.make(body);
    throw refused({ connection: 'lost' });
  };
  await uploadRound(it.the, [it.run.id]);
  expect((await it.store.chunk(it.run.id, 1))?.state).toBe('uncertain');
  return it;
}

describe('a chunk in doubt', () => {
  test('is off while nobody drives, with what may be its batch and what to type', async () => {
    const it = await inDoubt();
    const found = await it.audit();
    expect(only(found.findings)).toMatchObject({ kind: 'in_doubt', chunk: 1, rows: 3, since: expect.any(String) });
    expect(found.findings[0]?.message).toContain('msgbatch_1 may be of it');
    for (const words of ['collect', 'resolve', '--batch ID', '--not-created', '--lost']) {
      expect(found.findings[0]?.hint).toContain(words);
    }
  });

  test('is the driver’s business while there is one, but not for ever, and not when it is stuck', async () => {
    const it = await inDoubt();
    const driven = await it.audit({ driven: true });
    expect(driven).toMatchObject({ ok: true, findings: [] });
    expect(driven.notes.map(({ kind }) => kind)).toContain('in_doubt');
    await it.the.driver.setBlocks(
      it.run.id,
      [{ reason: 'candidate_unreadable', scope: 'chunk:1', message: 'm', hint: 'h', sinceMs: 0 }],
      it.clock.now(),
    );
    expect(await it.kinds({ driven: true })).toEqual(['in_doubt']);
    await it.the.driver.setBlocks(it.run.id, [], it.clock.now());
    it.clock.advance(26 * HOUR_MS);
    expect(await it.kinds({ driven: true })).toEqual(['in_doubt']);
  });

  test('whose batch has ended is told with it; a driver takes it up', async () => {
    const it = await inDoubt();
    it.api.end('msgbatch_1', linesOf(it.run, 1, 3));
    expect(only((await it.audit()).findings)).toMatchObject({
      kind: 'unclaimed',
      chunk: 1,
      batch: 'msgbatch_1',
      hint: expect.stringContaining(`batchrun collect ${it.run.id}`),
    });
    expect(await it.audit({ driven: true })).toMatchObject({ ok: true, notes: [{ kind: 'unclaimed' }] });
    await poll(it.the);
    expect(await it.audit()).toMatchObject({ ok: true, notes: [] });
  });

  test('whose attempt never finished its body is not in doubt at all', async () => {
    const it = await inDoubt();
    it.db.run("UPDATE attempts SET state = 'open', body_complete = 0");
    it.db.run("UPDATE chunks SET state = 'submitting'");
    expect(await it.kinds()).toEqual([]);
    it.db.run('UPDATE attempts SET body_complete = 1');
    expect(await it.kinds()).toEqual(['in_doubt']);
    expect(await it.kinds({ driven: true })).toEqual([]);
  });

  test('that is sealed again long after, while its batch is there, is about to be paid twice', async () => {
    const it = await inDoubt();
    await it.the.driver.recordNotCreated({ attemptId: 1, atMs: it.clock.now(), reason: 'not in the list' });
    it.api.end('msgbatch_1', linesOf(it.run, 1, 3));
    expect(await it.audit({ driven: true })).toMatchObject({ ok: true, notes: [{ kind: 'unclaimed' }] });
    it.clock.advance(25 * HOUR_MS);
    const found = only((await it.audit({ driven: true })).findings);
    expect(found).toMatchObject({ kind: 'unclaimed', hint: expect.stringContaining('--batch msgbatch_1') });
    expect(found?.hint).toContain('paid twice');
  });
});

describe('two batches of one chunk', () => {
  async function twice(): Promise<Room> {
    const it = await sent(1);
    const second = it.api.add('msgbatch_second', 3);
    await it.the.driver.recordDuplicate({ attemptId: 1, batch: second, atMs: it.clock.now() });
    return it;
  }

  test('the second is off while it runs, a note while it is canceled, and priced when it has ended', async () => {
    const it = await twice();
    const running = only((await it.audit()).findings);
    expect(running).toMatchObject({ kind: 'duplicate', chunk: 1, batch: 'msgbatch_second', cost_usd: null });
    expect((await it.audit()).cost_usd.unused).toBeNull();
    it.api.listed = it.api.listed.map((one) => (one.id === 'msgbatch_second' ? { ...one, status: 'canceling' } : one));
    expect(await it.audit()).toMatchObject({ ok: true, notes: [{ kind: 'duplicate' }] });
    it.api.end('msgbatch_second', linesOf(it.run, 1, 3));
    const found = await it.audit();
    expect(only(found.findings)).toMatchObject({ kind: 'duplicate', cost_usd: expect.closeTo(3 * ANSWER_USD) });
    expect(found.cost_usd.unused).toBeCloseTo(3 * ANSWER_USD);
    expect(found.findings[0]?.message).toContain('msgbatch_1 is used, msgbatch_second is not');
  });

  test('one that was canceled in time cost nothing; one that was deleted cannot be priced: notes', async () => {
    const it = await twice();
    it.api.end('msgbatch_second', [], { canceled: 3 });
    expect(await it.audit()).toMatchObject({ ok: true, notes: [{ kind: 'duplicate', cost_usd: 0 }] });
    it.api.listed = it.api.listed.filter(({ id }) => id !== 'msgbatch_second');
    expect(await it.audit()).toMatchObject({ ok: true, notes: [{ kind: 'duplicate', cost_usd: null }] });
  });

  test('of a chunk that was given up, the one that turned up is paid for nothing', async () => {
    const it = await inDoubt();
    const given = [0, 1, 2].map((index) => ({
      ...{ seq: index, index, to: 'failed', attempts: 1, errorType: 'batchrun_results_lost' },
      ...{ notBeforeMs: 0, result: null },
    })) as Parameters<Session['driver']['recordLost']>[0]['rows'];
    await it.the.driver.recordLost({ runId: it.run.id, chunkNo: 1, atMs: it.clock.now(), rows: given });
    it.api.end('msgbatch_1', linesOf(it.run, 1, 3));
    await poll(it.the);
    const found = await it.audit();
    expect(only(found.findings)).toMatchObject({
      kind: 'duplicate',
      batch: 'msgbatch_1',
      cost_usd: expect.closeTo(3 * ANSWER_USD),
      message: expect.stringContaining('given up'),
    });
    expect(found.notes.map(({ kind }) => kind)).toEqual(['results_lost']);
  });
});

describe('a batch that is not at the API', () => {
  const lose = (it: Room, id: string): void => {
    it.api.listed = it.api.listed.filter((batch) => batch.id !== id);
  };

  test('is off; a new one, or one that is missed since a moment, is a note', async () => {
    const it = await sent();
    lose(it, 'msgbatch_1');
    expect(await it.audit()).toMatchObject({ ok: true, notes: [{ kind: 'batch_missing', batch: 'msgbatch_1' }] });
    it.clock.advance(2 * HOUR_MS);
    const found = only((await it.audit()).findings);
    expect(found).toMatchObject({ kind: 'batch_missing', chunk: 1, batch: 'msgbatch_1', rows: 3 });
    expect(found?.message).toContain('404');
    expect(found?.hint).toContain(it.api.workspace);
    expect(found?.hint).toContain(`batchrun resolve ${it.run.id} --chunk 1 --lost`);
    await it.the.driver.recordBatchMissing('msgbatch_1', it.clock.now() - MINUTE_MS);
    expect(await it.audit()).toMatchObject({ ok: true, notes: [{ kind: 'batch_missing' }] });
  });

  test('is not missed when only the list does not show it, or when its results are here', async () => {
    const it = await sent();
    it.clock.advance(2 * HOUR_MS);
    it.api.unlisted.push(...it.api.listed.filter(({ id }) => id === 'msgbatch_1'));
    lose(it, 'msgbatch_1');
    expect(await it.kinds()).toEqual([]);
    const done = await collected();
    done.clock.advance(2 * HOUR_MS);
    done.api.listed = [];
    expect(await done.kinds()).toEqual([]);
  });

  test('means nothing under a key of another workspace: that is what is said', async () => {
    const it = await sent();
    it.clock.advance(2 * HOUR_MS);
    const batches = it.api.listed;
    const elsewhere = Object.assign(Object.create(it.api) as Lab['api'], { workspace: 'wrkspc_2', listed: [] });
    const found = only((await it.audit({ api: elsewhere })).findings);
    expect(found).toMatchObject({ kind: 'other_workspace', hint: expect.stringContaining('key of the workspace') });
    expect(found?.message).toContain('wrkspc_1');
    // A rotated key of the same workspace shows them.
    expect(await it.kinds({ api: Object.assign(elsewhere, { listed: batches }) })).toEqual([]);
  });

  test('and that the ledger does not name: the ledger is damaged', async () => {
    const it = await sent();
    it.db.run('UPDATE chunks SET batch_id = NULL WHERE chunk_no = 2');
    const found = (await it.audit()).findings.find(({ kind }) => kind === 'batch_missing');
    expect(found?.message).toContain('names no batch');
  });
});

describe('the API', () => {
  const offlineKinds = async (it: Room, failure: Error): Promise<[AuditReport, readonly Finding[]]> => {
    it.api.listFailure = failure;
    const report = await it.clock.run(it.look());
    return [report, report.runs[0]?.findings ?? []];
  };

  test('that cannot be reached is tried a few times; what can be checked offline is', async () => {
    const it = await collected();
    await it.files.remove(paths.results(it.run.id, 1));
    it.api.calls.length = 0;
    const [report, findings] = await offlineKinds(it, refused({ connection: 'never_made' }));
    expect(report).toMatchObject({ ok: false, complete: false, api: { reached: false, error: { blocked: false } } });
    expect(findings.map(({ kind }) => kind)).toEqual(['file_missing']);
    expect(it.api.calls).toEqual(['list', 'list', 'list', 'list']);
    expect(report.runs[0]?.checks.map(({ ok }) => ok)).toEqual([null, true, true, false, null]);
  });

  test('that refuses the key is asked once, and a person must act', async () => {
    const it = await collected();
    it.api.calls.length = 0;
    const [report] = await offlineKinds(it, refused({ status: 401, type: 'authentication_error' }));
    expect(report.api.error).toMatchObject({ blocked: true, hint: expect.stringContaining('ANTHROPIC_API_KEY') });
    expect(it.api.calls).toEqual(['list']);
  });

  test('is not asked before the wait is over that it asked a driver for', async () => {
    const it = await collected();
    const { origin, workspace } = it.api;
    const wait = { origin, workspace, kind: 'batches', untilMs: it.clock.now() + HOUR_MS, askedMs: HOUR_MS } as const;
    await it.the.driver.recordWait(wait);
    it.api.calls.length = 0;
    const report = await it.look();
    expect(it.api.calls).toEqual([]);
    expect(report.api.error?.message).toContain('no calls before');
    it.clock.advance(HOUR_MS);
    expect((await it.look()).ok).toBe(true);
  });

  test('whose list is long is read only as far back as the runs go', async () => {
    const it = await room(3);
    it.api.pageSize = 10;
    for (let nth = 0; nth < 100; nth++) it.api.add(`msgbatch_old_${nth}`, 3);
    it.api.listed = it.api.listed.map((one) => ({ ...one, createdAtMs: it.run.createdAtMs - 30 * DAY_MS }));
    it.api.calls.length = 0;
    expect((await it.look()).api.listed).toBe(10);
    expect(it.api.calls).toEqual(['list']);
  });

  test('a stop ends it without a word about what it did not see', async () => {
    const it = await collected();
    it.stop.abort();
    expect(await errorOf(it.look())).toMatchObject({ code: 'E_NOT_FINISHED' });
  });
});

describe('what a driver does while the audit looks', () => {
  test('a batch that is taken up before it is judged is no orphan', async () => {
    const it = await inDoubt();
    it.api.end('msgbatch_1', linesOf(it.run, 1, 3));
    const results = it.api.streamResults.bind(it.api);
    it.api.streamResults = async function* (batch) {
      it.api.streamResults = results;
      await poll(it.the);
      yield* results(batch);
    };
    expect(await it.audit()).toMatchObject({ ok: true, findings: [], notes: [] });
    expect((await it.store.chunk(it.run.id, 1))?.batchId).toBe('msgbatch_1');
  });

  test('a chunk that is collected before its batch is missed does not wait for it', async () => {
    const it = await sent(1);
    it.clock.advance(2 * HOUR_MS);
    it.api.listed = [];
    const retrieve = it.api.retrieveBatch.bind(it.api);
    it.api.retrieveBatch = (id) => {
      it.db.run("UPDATE chunks SET state = 'collected'");
      return retrieve(id);
    };
    expect(await it.kinds()).not.toContain('batch_missing');
  });

  test('a run that is pruned meanwhile is left out, and nothing of it is missing', async () => {
    const it = await collected();
    it.api.date = () => {
      void it.store.pruneRun(it.run.id, it.clock.now());
      return null;
    };
    expect(await it.look()).toMatchObject({ ok: true, runs: [] });
  });

  test('nor is it while its files are looked at', async () => {
    const it = await collected({ chunks: 1 });
    const size = it.files.size.bind(it.files);
    it.files.size = async (path) => {
      it.files.size = size;
      await it.store.pruneRun(it.run.id, it.clock.now());
      await it.files.removeFolder(paths.run(it.run.id));
      return size(path);
    };
    expect(await it.look()).toMatchObject({ ok: true, runs: [] });
  });
});

test('runs are told apart by their tags, and each has its own sum', async () => {
  const it = await collected();
  const other = await it.submit(rows(3), { run: { name: 'other' } });
  added(it, 'msgbatch_copy', linesOf(other, 7, 3));
  const report = await it.look();
  expect(report.runs.map(({ id, findings }) => [id, findings.length])).toEqual([
    [it.run.id, 0],
    [other.id, 1],
  ]);
  expect(report.cost_usd.unused).toBeCloseTo(3 * ANSWER_USD);
  expect(tagOf(other.id)).not.toBe(tagOf(it.run.id));
});
