/**
 * `--schema`: answers that do not follow it are paid and kept, fail their row or are asked again in both lanes, and no row
 * ends as a success with one.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { compileSchema } from '../../../src/adapters/schema/compile.ts';
import { armFailpoints, type FailpointName } from '../../../src/base/failpoint.ts';
import { settingHash } from '../../../src/domain/fingerprint.ts';
import { paths } from '../../../src/domain/ids.ts';
import type { RunRecord, RunSettings, RunWishes } from '../../../src/domain/model.ts';
import { outputFormat } from '../../../src/domain/schema/request-schema.ts';
import { auditLedger } from '../../../src/engine/audit/ledger.ts';
import { FindingList } from '../../../src/engine/audit/report.ts';
import { drive, type DriveRequest } from '../../../src/engine/runner.ts';
import { viewRun } from '../../../src/engine/views/status.ts';
import { failureOf, HOLDER, lab, MESSAGE, MINUTE_MS, refused, rows, type Json, type Lab } from './lab.ts';

type Try =
  | 'good'
  | 'low'
  | 'prose'
  | 'cut'
  | 'cut good'
  | 'refusal'
  | 'tool_use'
  | 'invalid'
  | 'overloaded'
  | 'expired'
  | 'canceled';

const SCHEMA = { type: 'object', properties: { score: { type: 'number', minimum: 0 } }, required: ['score'] };
const FORMAT = outputFormat(SCHEMA);
const KEPT = { file: 'answer.json', schema: SCHEMA, formatHash: settingHash(FORMAT) };
const OWN_FORMAT = outputFormat({ type: 'object', properties: { note: { type: 'string' } } });
const REQUEST: DriveRequest = {
  ...{ runIds: null, goal: 'finish', once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null },
};

const TEXTS: Partial<Record<Try, string>> = {
  good: '{"score":1}',
  low: '{"score":-1}',
  prose: 'I cannot say',
  cut: '{"sco',
  'cut good': '{"score":2}',
};
const STOPS: Partial<Record<Try, string>> = {
  cut: 'max_tokens',
  'cut good': 'max_tokens',
  refusal: 'refusal',
  tool_use: 'tool_use',
};

interface Stage extends Lab {
  readonly asked: { readonly lane: 'batch' | 'realtime'; readonly row: number }[];
  readonly run: RunRecord;
  now(): Promise<RunRecord>;
  drive(more?: Partial<DriveRequest>): Promise<string>;
}

interface Staged extends Partial<Omit<RunSettings, 'wishes'>> {
  readonly wishes?: Partial<RunWishes>;
  /** Rows with a format of their own. */
  readonly own?: readonly number[];
  readonly errors?: string | null;
}

// Loading the compiler takes turns of the real event loop, which the virtual clock does not wait for.
beforeAll(async () => {
  await compileSchema(KEPT);
});

function messageOf(kind: Try): Json {
  const text = TEXTS[kind];
  const content = text === undefined ? [] : [{ type: 'text', text }];
  return { ...(JSON.parse(MESSAGE) as Json), stop_reason: STOPS[kind] ?? 'end_turn', content };
}

function resultOf(kind: Try): Json {
  if (kind === 'expired' || kind === 'canceled') return { type: kind };
  if (kind !== 'invalid' && kind !== 'overloaded') return { type: 'succeeded', message: messageOf(kind) };
  const type = kind === 'invalid' ? 'invalid_request_error' : 'overloaded_error';
  return { type: 'errored', error: { type: 'error', error: { type, message: 'no' } } };
}

/** Four rows whose tries come to this, one after the other; what is not named is good. */
async function stage(
  tries: Readonly<Record<number, readonly Try[]>>,
  { own = [], wishes, errors = '/out/errors.jsonl', ...settings }: Staged = {},
): Promise<Stage> {
  const room = lab();
  const asked: { lane: 'batch' | 'realtime'; row: number }[] = [];
  const answer = (lane: 'batch' | 'realtime', params: Json): Try => {
    const row = Number((params['messages'] as { content: string }[])[0]?.content.split(' ')[1]);
    const before = asked.filter((other) => other.row === row).length;
    asked.push({ lane, row });
    return tries[row]?.[before] ?? 'good';
  };
  room.api.onCreate = (body) => {
    const batch = room.api.make(body);
    const { requests } = JSON.parse(body) as { requests: { custom_id: string; params: Json }[] };
    const results = requests.map(({ custom_id, params }) => ({ custom_id, result: resultOf(answer('batch', params)) }));
    const count = (type: string): number => results.filter(({ result }) => result['type'] === type).length;
    const sums = { succeeded: count('succeeded'), errored: count('errored'), expired: count('expired') };
    const lines = results.map((line) => JSON.stringify(line));
    void room.clock
      .sleep(MINUTE_MS)
      .then(() => room.api.end(batch.id, lines, { ...sums, canceled: count('canceled') }));
    return batch;
  };
  room.api.onMessage = async ({ paramsJson }) => {
    const kind = answer('realtime', JSON.parse(paramsJson) as Json);
    if (kind === 'overloaded') throw refused(failureOf({ status: 529, type: 'overloaded_error' }));
    if (kind === 'invalid') throw refused(failureOf({ status: 400, type: 'invalid_request_error' }));
    return JSON.stringify(messageOf(kind));
  };
  const input = rows(4).map((row, at) => {
    const format = own.includes(at) ? OWN_FORMAT : FORMAT;
    return { ...row, params: { ...(row['params'] as Json), output_config: { format } } };
  });
  const all = { retryLane: 'batch', schema: KEPT, wishes: wishes ?? {}, ...settings } as const;
  const run = await room.submit(input, { settings: all, run: { errors } });
  return {
    ...{ ...room, asked, run },
    now: async () => (await room.store.run(run.id)) ?? run,
    drive: (more) => room.clock.run(drive(room.engine, { ...REQUEST, ...more })),
  };
}

const RETRY = { onSchemaError: 'retry' } as const;
const timesOf = (it: Stage, row: number): number => it.asked.filter((one) => one.row === row).length;

interface Line {
  readonly result: {
    readonly type: string;
    readonly message?: { readonly content: { text: string }[] };
    readonly error?: {
      readonly error: {
        readonly type: string;
        readonly message: string;
        readonly details?: { readonly answer: { readonly content: { text: string }[] } };
      };
    };
  };
}
const lineOf = (it: Stage, row: number): Line['result'] => (JSON.parse(it.output()[row] ?? '{}') as Line).result;

/** Row 1 failed for its answer, which is there, in the output and in the errors file; the others succeeded. */
async function expectDeviant(
  it: Stage,
  text: string,
  { attempts, reason }: { attempts: number; reason: string },
): Promise<void> {
  const run = await it.now();
  expect(run).toMatchObject({ state: 'done', rows: { succeeded: 3, failed: 1, expired: 0, canceled: 0 } });
  const record = await it.store.rowRecord(run.id, 1);
  expect(record).toMatchObject({ state: 'failed', attempts, errorType: expect.stringMatching(/^batchrun_schema:/) });
  expect(record?.result).not.toBeNull();
  const { type, error } = lineOf(it, 1);
  expect([type, error?.error.type]).toEqual(['errored', 'batchrun_schema']);
  expect(error?.error.message).toContain(reason);
  expect(error?.error.details?.answer.content.map((block) => block.text).join('')).toBe(text);
  const errors = it.disk.contents().get('/out/errors.jsonl')?.toString() ?? '';
  expect((JSON.parse(errors) as { error: Json }).error).toMatchObject({ type: 'batchrun_schema', answer: text });
  expect(await findings(it)).toEqual([]);
}

async function findings(it: Stage): Promise<readonly unknown[]> {
  const found = new FindingList();
  await auditLedger(it.engine, it.run.id, found, (words) => words);
  return found.findings;
}

async function usedRows(it: Stage): Promise<number> {
  return (await it.store.usage(it.run.id)).reduce((sum, entry) => sum + entry.rows, 0);
}

describe.each(['batch', 'realtime'] as const)('in the %s lane', (lane) => {
  const inLane = lane === 'realtime' ? ({ lane: 'realtime' } as const) : {};
  const settings = { retryLane: lane } as const;

  test('an answer that does not follow the schema fails its row, is paid and is kept', async () => {
    const it = await stage({ 1: ['low'] }, { ...settings, wishes: inLane });
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(4);
    expect(it.asked.every((one) => one.lane === lane)).toBe(true);
    await expectDeviant(it, '{"score":-1}', { attempts: 1, reason: 'minimum at /score' });
    expect(await usedRows(it)).toBe(4);
  });

  test('it is asked again until it follows', async () => {
    const it = await stage({ 1: ['low', 'prose'] }, { ...settings, wishes: { ...inLane, ...RETRY } });
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(6);
    expect(await it.now()).toMatchObject({ rows: { succeeded: 4, failed: 0 } });
    expect(lineOf(it, 1)).toMatchObject({ type: 'succeeded', message: { content: [{ text: '{"score":1}' }] } });
    expect(await it.store.rowRecord(it.run.id, 1)).toMatchObject({ state: 'succeeded', attempts: 3, errorType: null });
    expect(await usedRows(it)).toBe(6);
    expect(await findings(it)).toEqual([]);
  });

  test('no more often than there are attempts: the last one stays', async () => {
    const it = await stage(
      { 1: ['low', 'low', 'prose', 'good'] },
      { ...settings, maxAttempts: 3, wishes: { ...inLane, ...RETRY } },
    );
    expect(await it.drive()).toBe('done');
    expect(timesOf(it, 1)).toBe(3);
    await expectDeviant(it, 'I cannot say', { attempts: 3, reason: 'it is not JSON' });
    expect(await usedRows(it)).toBe(6);
  });

  test('a later try without an answer leaves the one that there was', async () => {
    const it = await stage({ 1: ['low', 'overloaded', 'invalid'] }, { ...settings, wishes: { ...inLane, ...RETRY } });
    expect(await it.drive()).toBe('done');
    await expectDeviant(it, '{"score":-1}', { attempts: 3, reason: 'minimum at /score' });
  });

  test('what was refused or is a call of a tool is not asked again', async () => {
    const it = await stage({ 1: ['refusal'], 2: ['tool_use'] }, { ...settings, wishes: { ...inLane, ...RETRY } });
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(4);
    expect(await it.now()).toMatchObject({ rows: { succeeded: 2, failed: 2 }, stopReasons: { refusal: 1 } });
    expect(lineOf(it, 1).error?.error.message).toContain('the model refused');
    expect(lineOf(it, 2).error?.error.message).toContain('a call of a tool');
  });

  test('one that was cut fails as that, unless what there is follows', async () => {
    const it = await stage({ 1: ['cut'], 2: ['cut good'] }, { ...settings, wishes: { ...inLane, ...RETRY } });
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(4);
    await expectDeviant(it, '{"sco', { attempts: 1, reason: 'cut by max_tokens' });
    expect((await it.now()).stopReasons).toEqual({ max_tokens: 2 });
  });

  test('with --retry-truncated one that was cut is asked again with more, and is no success in the end', async () => {
    const it = await stage(
      { 1: ['cut', 'cut'], 2: ['cut', 'good'] },
      { ...settings, wishes: { ...inLane, retryTruncated: 1 } },
    );
    expect(await it.drive()).toBe('done');
    expect([timesOf(it, 1), timesOf(it, 2)]).toEqual([2, 2]);
    await expectDeviant(it, '{"sco', { attempts: 2, reason: 'cut by max_tokens' });
    expect((await it.now()).stopReasons).toEqual({ max_tokens: 1 });
  });

  test('a row that asks for a format of its own is not judged by it', async () => {
    const it = await stage(
      { 0: ['prose'], 1: ['low'], 3: ['cut', 'cut'] },
      { ...settings, own: [0, 3], wishes: { ...inLane, ...RETRY, retryTruncated: 1 } },
    );
    expect(await it.drive()).toBe('done');
    expect(await it.now()).toMatchObject({ rows: { succeeded: 4 }, stopReasons: { max_tokens: 1 } });
    expect([timesOf(it, 0), timesOf(it, 1), timesOf(it, 3)]).toEqual([1, 2, 2]);
    expect(await findings(it)).toEqual([]);
  });
});

describe('a later try in a batch', () => {
  test.each([
    ['expires', ['low', 'expired', 'expired']],
    ['is canceled by somebody', ['low', 'canceled']],
    ['is overloaded to the end', ['low', 'overloaded', 'overloaded']],
  ] as const)('that %s leaves the answer that there was', async (_what, tries) => {
    const it = await stage({ 1: tries }, { maxAttempts: 3, wishes: RETRY });
    expect(await it.drive()).toBe('done');
    await expectDeviant(it, '{"score":-1}', { attempts: tries.length, reason: 'minimum' });
  });

  test('whose request the API refuses leaves the answer that there was', async () => {
    const it = await stage({ 1: ['low'] }, { wishes: RETRY });
    const works = it.api.onCreate;
    it.api.onCreate = (body) => {
      if (it.asked.length < 4) return works(body);
      throw refused({ status: 400, type: 'invalid_request_error', message: 'requests.0.params: no' });
    };
    expect(await it.drive()).toBe('done');
    await expectDeviant(it, '{"score":-1}', { attempts: 2, reason: 'minimum' });
  });
});

describe('nothing is asked again', () => {
  test('with --retry-lane none', async () => {
    const it = await stage({ 1: ['low'] }, { retryLane: 'none', wishes: RETRY });
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(4);
    await expectDeviant(it, '{"score":-1}', { attempts: 1, reason: 'minimum' });
  });

  test('of a run that is canceled, whose answers are judged all the same', async () => {
    const it = await stage({ 1: ['low'] }, { wishes: RETRY });
    void it.clock.sleep(MINUTE_MS / 2).then(() => it.store.requestCancel(it.run.id, it.clock.now()));
    expect(await it.drive()).toBe('done');
    expect(it.asked).toHaveLength(4);
    await expectDeviant(it, '{"score":-1}', { attempts: 1, reason: 'minimum' });
  });

  test('of a run that is canceled while they are: the answers that there were stay', async () => {
    const it = await stage({ 1: ['low'] }, { wishes: RETRY, maxAttempts: 3 });
    const works = it.api.onCreate;
    it.api.onCreate = async (body) => {
      // The second batch would be of the row alone.
      if (it.asked.length < 4) return works(body);
      await it.store.requestCancel(it.run.id, it.clock.now());
      throw refused({ status: 429, type: 'rate_limit_error' });
    };
    expect(await it.drive()).toBe('done');
    await expectDeviant(it, '{"score":-1}', { attempts: 1, reason: 'minimum' });
  });

  test('of a run without a schema: any answer will do, and none is looked at', async () => {
    const it = await stage({ 1: ['low'], 2: ['prose'] }, { schema: undefined as never, wishes: RETRY });
    expect(await it.drive()).toBe('done');
    expect(await it.now()).toMatchObject({ rows: { succeeded: 4 } });
    expect(await it.store.rowRecord(it.run.id, 1)).toBeNull();
  });
});

test('where the file of its request is gone the answer is judged all the same', async () => {
  const it = await stage({ 1: ['low'] }, { errors: null });
  const { streamResults } = it.api;
  it.api.streamResults = (batch) => {
    void it.files.remove(paths.body(it.run.id, 1));
    return streamResults.call(it.api, batch);
  };
  expect(await it.drive()).toBe('done');
  expect(await it.now()).toMatchObject({ rows: { succeeded: 3, failed: 1 } });
});

test('`batchrun retry` sends them again, and what comes then counts', async () => {
  const it = await stage({ 1: ['low', 'overloaded', 'good'], 2: ['prose', 'prose'] });
  expect(await it.drive()).toBe('done');
  expect((await it.now()).rows).toMatchObject({ succeeded: 2, failed: 2 });
  const driver = await it.driver();
  expect(await driver.reopen(it.run.id, ['failed'], it.clock.now())).toBe(2);
  expect(await it.drive()).toBe('done');
  expect([timesOf(it, 1), timesOf(it, 2)]).toEqual([3, 2]);
  expect((await it.now()).rows).toMatchObject({ succeeded: 3, failed: 1 });
  expect(lineOf(it, 1).type).toBe('succeeded');
  expect(lineOf(it, 2).error?.error.type).toBe('batchrun_schema');
  expect(await findings(it)).toEqual([]);
});

test('what people and scripts see: one kind of failure, and what is wrong, without what was said', async () => {
  const it = await stage({ 0: ['low'], 1: ['low'], 2: ['prose'] });
  await it.drive();
  const view = await viewRun(it.store, await it.now());
  expect(view.failures).toEqual({ batchrun_schema: 3 });
  expect(view.schema_errors).toEqual({ 'minimum at /score': 2, 'it is not JSON': 1 });
  const ledger = it.db.all('SELECT * FROM rows').concat(it.db.all('SELECT data FROM events'));
  expect(JSON.stringify(ledger)).not.toContain('cannot say');
});

test.each<[FailpointName, RunWishes['lane']]>([
  ['collect.results_file', 'batch'],
  ['collect.checkpoint', 'batch'],
  ['retry.chunk_file', 'batch'],
  ['retry.realtime_answer', 'realtime'],
  ['retry.realtime_log', 'realtime'],
])('a crash at %s: what was committed counts, and nothing is judged twice', async (name, lane) => {
  const it = await stage(
    { 1: ['low', 'prose', 'good', 'good'] },
    { retryLane: lane === 'realtime' ? 'realtime' : 'batch', wishes: { ...RETRY, lane } },
  );
  let armed = true;
  armFailpoints((reached) => {
    if (reached !== name || !armed) return;
    armed = false;
    throw new Error('crash');
  });
  try {
    await expect(it.drive()).rejects.toThrow('crash');
    expect(await it.drive()).toBe('done');
  } finally {
    armFailpoints(undefined);
  }
  expect(await it.now()).toMatchObject({ rows: { succeeded: 4, failed: 0 } });
  // An answer that was not committed counts as a try as well: the row is asked once more for it, and no more.
  expect(timesOf(it, 1)).toBe(3);
  expect(await findings(it)).toEqual([]);
});
