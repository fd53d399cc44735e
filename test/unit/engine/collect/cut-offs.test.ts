/**
 * `--retry-truncated`: an answer that max_tokens cut is asked for again with more, both are paid, and a row never ends
 * worse than with the answer that it had.
 */
import { describe, expect, test } from 'vitest';
import { paths } from '../../../../src/domain/ids.ts';
import type { RunRecord, RunSettings } from '../../../../src/domain/model.ts';
import { auditLedger } from '../../../../src/engine/audit/ledger.ts';
import { FindingList } from '../../../../src/engine/audit/report.ts';
import { drive, type DriveRequest } from '../../../../src/engine/runner.ts';
import { failureOf, HOLDER, lab, MESSAGE, MINUTE_MS, refused, rows, type Json, type Lab } from '../lab.ts';

type Try = 'whole' | 'cut' | 'invalid' | 'overloaded' | 'expired' | 'canceled';

interface Asked {
  readonly lane: 'batch' | 'realtime';
  readonly row: number;
  readonly maxTokens: number;
}

interface Stage extends Lab {
  readonly asked: Asked[];
  readonly run: RunRecord;
  now(): Promise<RunRecord>;
  drive(more?: Partial<DriveRequest>): Promise<string>;
}

const REQUEST: DriveRequest = {
  ...{ runIds: null, goal: 'finish', once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null },
};

function messageOf(kind: 'whole' | 'cut', { row, maxTokens }: Asked): Json {
  const stop_reason = kind === 'cut' ? 'max_tokens' : 'end_turn';
  const content = [{ type: 'text', text: `${kind} answer of row ${row} within ${maxTokens}` }];
  return { ...(JSON.parse(MESSAGE) as Json), stop_reason, content };
}

function resultOf(kind: Try, asked: Asked): Json {
  if (kind === 'whole' || kind === 'cut') return { type: 'succeeded', message: messageOf(kind, asked) };
  if (kind === 'expired' || kind === 'canceled') return { type: kind };
  const type = kind === 'invalid' ? 'invalid_request_error' : 'overloaded_error';
  return { type: 'errored', error: { type: 'error', error: { type, message: 'no' } } };
}

/** Rows whose tries come to this, one after the other; rows that are not named are whole. */
async function stage(tries: Readonly<Record<number, readonly Try[]>>, settings: Partial<RunSettings>): Promise<Stage> {
  const room = lab();
  const asked: Asked[] = [];
  const answer = (lane: Asked['lane'], params: Json): { kind: Try; one: Asked } => {
    const [message] = params['messages'] as { content: string }[];
    const one = { lane, row: Number(message?.content.split(' ')[1]), maxTokens: Number(params['max_tokens']) };
    const before = asked.filter((other) => other.row === one.row).length;
    asked.push(one);
    return { kind: tries[one.row]?.[before] ?? 'whole', one };
  };
  room.api.onCreate = (body) => {
    const batch = room.api.make(body);
    const { requests } = JSON.parse(body) as { requests: { custom_id: string; params: Json }[] };
    const results = requests.map(({ custom_id, params }) => {
      const { kind, one } = answer('batch', params);
      return { custom_id, result: resultOf(kind, one) };
    });
    const count = (type: string): number => results.filter(({ result }) => result['type'] === type).length;
    const sums = { succeeded: count('succeeded'), errored: count('errored'), expired: count('expired') };
    const lines = results.map((line) => JSON.stringify(line));
    void room.clock
      .sleep(MINUTE_MS)
      .then(() => room.api.end(batch.id, lines, { ...sums, canceled: count('canceled') }));
    return batch;
  };
  room.api.onMessage = async ({ paramsJson }) => {
    const { kind, one } = answer('realtime', JSON.parse(paramsJson) as Json);
    if (kind === 'whole' || kind === 'cut') return JSON.stringify(messageOf(kind, one));
    throw refused(failureOf({ status: 400, type: 'invalid_request_error' }));
  };
  const run = await room.submit(rows(4), { settings: { retryLane: 'batch', ...settings } });
  return {
    ...{ ...room, asked, run },
    now: async () => (await room.store.run(run.id)) ?? run,
    drive: (more) => room.clock.run(drive(room.engine, { ...REQUEST, ...more })),
  };
}

const wishes = (retryTruncated: number): Partial<RunSettings> => ({ wishes: { retryTruncated } });

/** The answers in the output, in its order. */
function texts(it: Lab): (string | undefined)[] {
  return it.output().map((line) => {
    const { result } = JSON.parse(line) as { result: { message?: { content: { text: string }[] } } };
    return result.message?.content[0]?.text;
  });
}

/** What an audit of the ledger and its files finds. */
async function findings(it: Stage): Promise<readonly unknown[]> {
  const found = new FindingList();
  await auditLedger(it.engine, it.run.id, found, (words) => words);
  return found.findings;
}

async function usedRows(it: Stage): Promise<number> {
  return (await it.store.usage(it.run.id)).reduce((sum, entry) => sum + entry.rows, 0);
}

/** The try that was cut is what the row ends with: in the output, in the counters, and paid like the other one. */
async function expectKept(it: Stage, attempts: number): Promise<void> {
  const run = await it.now();
  expect(run).toMatchObject({ state: 'done', rows: { succeeded: 4, failed: 0, expired: 0, canceled: 0 } });
  expect(run.stopReasons).toEqual({ max_tokens: 1 });
  expect(texts(it)[1]).toBe('cut answer of row 1 within 100');
  expect(await it.store.rowRecord(run.id, 1)).toMatchObject({ state: 'succeeded', attempts, errorType: null });
  expect(await it.store.failureCounts(run.id)).toEqual({});
  expect(await findings(it)).toEqual([]);
}

describe.each(['batch', 'realtime'] as const)('in the %s lane', (retryLane) => {
  test('a cut answer is asked for again with twice the tokens, and both are paid', async () => {
    const it = await stage({ 1: ['cut'], 3: ['cut', 'cut'] }, { ...wishes(2), retryLane });
    expect(await it.drive()).toBe('done');
    expect(it.asked.filter(({ row }) => row === 1).map(({ maxTokens }) => maxTokens)).toEqual([100, 200]);
    expect(it.asked.filter(({ row }) => row === 3).map(({ maxTokens }) => maxTokens)).toEqual([100, 200, 400]);
    expect(it.asked.slice(4).every(({ lane }) => lane === retryLane)).toBe(true);
    expect(texts(it)).toEqual([
      'whole answer of row 0 within 100',
      'whole answer of row 1 within 200',
      'whole answer of row 2 within 100',
      'whole answer of row 3 within 400',
    ]);
    const run = await it.now();
    expect(run).toMatchObject({ rows: { succeeded: 4 }, stopReasons: {} });
    expect(await it.store.rowRecord(run.id, 3)).toMatchObject({ attempts: 3, truncations: 2, maxTokens: 400 });
    expect(await usedRows(it)).toBe(7);
    expect(await findings(it)).toEqual([]);
  });

  test('no more often than asked for, nor than there are attempts', async () => {
    const always = { 1: ['cut', 'cut', 'cut', 'cut', 'cut'] } as const;
    const asked = await stage(always, { ...wishes(1), retryLane });
    expect(await asked.drive()).toBe('done');
    expect(asked.asked).toHaveLength(5);
    expect(texts(asked)[1]).toBe('cut answer of row 1 within 200');
    expect((await asked.now()).stopReasons).toEqual({ max_tokens: 1 });
    expect(await findings(asked)).toEqual([]);
    const tried = await stage(always, { ...wishes(9), maxAttempts: 3, retryLane });
    expect(await tried.drive()).toBe('done');
    expect(tried.asked).toHaveLength(6);
    expect(texts(tried)[1]).toBe('cut answer of row 1 within 400');
    expect(await tried.now()).toMatchObject({ rows: { succeeded: 4 }, stopReasons: { max_tokens: 1 } });
  });

  test('a try that is refused leaves the answer that there was', async () => {
    const it = await stage({ 1: ['cut', 'invalid'] }, { ...wishes(2), retryLane });
    expect(await it.drive()).toBe('done');
    await expectKept(it, 2);
  });
});

describe('a later try in a batch', () => {
  test.each([
    ['expires', ['cut', 'expired', 'expired']],
    ['is overloaded to the end', ['cut', 'overloaded', 'overloaded']],
    ['is canceled by somebody', ['cut', 'canceled']],
  ] as const)('that %s leaves the answer that there was', async (_what, tries) => {
    const it = await stage({ 1: tries }, { ...wishes(2), maxAttempts: 3 });
    expect(await it.drive()).toBe('done');
    await expectKept(it, tries.length);
    expect(await usedRows(it)).toBe(4);
  });

  test('that fails in passing is made again with as many tokens, and is found by the answer that it brings', async () => {
    const it = await stage({ 1: ['cut', 'overloaded'] }, wishes(2));
    expect(await it.drive()).toBe('done');
    expect(it.asked.filter(({ row }) => row === 1).map(({ maxTokens }) => maxTokens)).toEqual([100, 200, 200]);
    expect(texts(it)[1]).toBe('whole answer of row 1 within 200');
    expect((await it.now()).stopReasons).toEqual({});
  });

  test('whose request the API refuses leaves the answer that there was', async () => {
    const it = await stage({ 1: ['cut'] }, wishes(1));
    const works = it.api.onCreate;
    it.api.onCreate = (body) => {
      if (!body.includes('"max_tokens":200')) return works(body);
      throw refused({ status: 400, type: 'invalid_request_error', message: 'requests.0.params.max_tokens: no' });
    };
    expect(await it.drive()).toBe('done');
    const run = await it.now();
    expect(run).toMatchObject({ rows: { succeeded: 4, failed: 0 }, stopReasons: { max_tokens: 1 } });
    expect(texts(it)[1]).toBe('cut answer of row 1 within 100');
    expect(await findings(it)).toEqual([]);
  });

  test('whose results are lost leaves the answer that there was', async () => {
    const it = await stage({ 1: ['cut'] }, wishes(1));
    const { streamResults } = it.api;
    it.api.streamResults = (batch) => {
      if (batch.id === 'msgbatch_2') throw refused({ status: 404, type: 'not_found_error' });
      return streamResults.call(it.api, batch);
    };
    const { end } = it.api;
    it.api.end = (id, lines, counts) => {
      end.call(it.api, id, lines, counts);
      const archivedAtMs = id === 'msgbatch_2' ? it.clock.now() : null;
      it.api.listed = it.api.listed.map((batch) => (batch.id === id ? { ...batch, archivedAtMs } : batch));
    };
    expect(await it.drive()).toBe('done');
    await expectKept(it, 2);
  });

  test('that never comes, because the run is canceled, leaves the answer that there was', async () => {
    const it = await stage({ 1: ['cut'] }, wishes(1));
    const { end } = it.api;
    it.api.end = (id, lines, counts) => {
      if (id === 'msgbatch_1') end.call(it.api, id, lines, counts);
    };
    it.api.cancelBatch = async (id) => {
      end.call(
        it.api,
        id,
        [JSON.stringify({ custom_id: customIdIn(it.api.bodies[1]), result: { type: 'canceled' } })],
        {
          canceled: 1,
        },
      );
      return it.api.retrieveBatch(id);
    };
    void it.clock.sleep(30 * MINUTE_MS).then(() => it.store.requestCancel(it.run.id, it.clock.now()));
    expect(await it.drive()).toBe('done');
    await expectKept(it, 2);
  });
});

function customIdIn(body: string | undefined): string | undefined {
  return (JSON.parse(body ?? '{}') as { requests: { custom_id: string }[] }).requests[0]?.custom_id;
}

describe('nothing is asked for again', () => {
  test('without the flag', async () => {
    const it = await stage({ 1: ['cut'] }, {});
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(4);
    expect(await it.now()).toMatchObject({ rows: { succeeded: 4 }, stopReasons: { max_tokens: 1 } });
    expect(await it.store.rowRecord(it.run.id, 1)).toBeNull();
  });

  test('with --retry-lane none', async () => {
    const it = await stage({ 1: ['cut'] }, { ...wishes(3), retryLane: 'none' });
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(4);
    expect(await it.now()).toMatchObject({ rows: { succeeded: 4 }, stopReasons: { max_tokens: 1 } });
  });

  test('where its model writes no more', async () => {
    const it = lab();
    const most = 64_000;
    const params = { model: 'claude-haiku-4-5', max_tokens: most, messages: [{ role: 'user', content: 'all of it' }] };
    const run = await it.submit([{ custom_id: 'a', params }], { settings: { retryLane: 'batch', ...wishes(3) } });
    it.api.onCreate = (body) => {
      const batch = it.api.make(body);
      const message = messageOf('cut', { lane: 'batch', row: 0, maxTokens: most });
      const line = { custom_id: customIdIn(body), result: { type: 'succeeded', message } };
      void it.clock.sleep(MINUTE_MS).then(() => it.api.end(batch.id, [JSON.stringify(line)]));
      return batch;
    };
    expect(await it.clock.run(drive(it.engine, REQUEST))).toBe('done');
    expect(it.api.bodies).toHaveLength(1);
    expect((await it.store.run(run.id))?.stopReasons).toEqual({ max_tokens: 1 });
  });

  test('where the file of its request is gone: the answer stays', async () => {
    const it = await stage({ 1: ['cut'] }, wishes(2));
    const { streamResults } = it.api;
    it.api.streamResults = (batch) => {
      void it.files.remove(paths.body(it.run.id, 1));
      return streamResults.call(it.api, batch);
    };
    expect(await it.drive()).toBe('done');
    expect(await it.now()).toMatchObject({ rows: { succeeded: 4 }, stopReasons: { max_tokens: 1 } });
  });
});
