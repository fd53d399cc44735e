/**
 * `batchrun export --state-only`: the ledger of a run as JSON lines, whole, in a fixed order, and without a word of what
 * was asked or answered.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ASK, bench, ENDLESS, KEY, parseLines, requests, type Bench } from '../support/cli.ts';

const PROMPT = 'the-patient-is-called-Grete-Samsa';
const TYPES = ['run', 'chunk', 'attempt', 'batch', 'row', 'usage', 'event'] as const;
type Type = (typeof TYPES)[number];
type Fields = Readonly<Record<string, unknown>>;

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown;
const COUNT = expect.any(Number) as unknown;
const TEXT = expect.any(String) as unknown;
const RUN = expect.stringMatching(/^run_/) as unknown;
const BATCH = expect.stringMatching(/^msgbatch_/) as unknown;
const MIX = { 'claude-haiku-5-5': { rows: COUNT, bytes: COUNT, max_tokens: COUNT } };

/** Every field of each type of line: fields may be added to these, never removed. */
const LINES: Readonly<Record<Type, Fields>> = {
  run: {
    ...{ id: RUN, name: 'n', state: 'done', canceled: false, fingerprint: TEXT, again_no: 0, base_url: TEXT },
    ...{ workspace: TEXT, created_at: TIME, ready_at: TIME, done_at: TIME, inputs: [TEXT] },
    settings: {
      ...{ chunk_rows: 3, chunk_bytes: COUNT, max_attempts: COUNT, retry_lane: 'auto', fail_if: null },
      ...{ defuse_formulas: true, columns: 2, coalesce: null },
      wishes: {
        ...{ priority: 'normal', lane: 'auto', deadline: null, max_cost_usd: null, budget_mode: 'worst' },
        retry_truncated: 0,
      },
    },
    setting_hashes: expect.objectContaining({ prompt: TEXT }),
    ...{ output: TEXT, format: 'jsonl', errors: null, overwrite: false, rows: expect.objectContaining({ total: 5 }) },
    ...{ mix: MIX, blocked: [], stop_reasons: {}, realtime_log_bytes: COUNT, realtime_reserved_usd: COUNT },
  },
  chunk: {
    ...{ run: RUN, chunk: 1, kind: 'input', state: 'collected', rows: 3, first_row: 0, bytes: COUNT, sha256: TEXT },
    ...{ betas: [], wire: 'tag', mix: MIX, batch: BATCH, parent: null, root: 1, refusals: 0, fetches: 0 },
    ...{ priority: null, hurried_at: null, answers: 'api', saved_usd: null },
    ...{ sealed_at: TIME, outcomes: expect.objectContaining({ succeeded: COUNT, elsewhere: COUNT }) },
  },
  attempt: {
    ...{ id: 1, run: RUN, chunk: 1, state: 'created', batch: BATCH, workspace: TEXT, rows: 3, bytes: COUNT },
    ...{ baseline_batch: null, body_complete: true, by_hand: false, started_at: TIME, ended_at: TIME },
    doubt_since: null,
  },
  batch: {
    ...{ id: BATCH, run: RUN, chunk: 1, attempt: 1, workspace: TEXT, proven: true, status: 'ended' },
    request_counts: { processing: 0, succeeded: COUNT, errored: 0, canceled: 0, expired: COUNT },
    ...{ created_at: TIME, expires_at: TIME, ended_at: TIME, archived_at: null, missing_since: null },
    results_url: TEXT,
  },
  row: {
    ...{ run: RUN, row: COUNT, state: 'succeeded', home_chunk: COUNT, home_index: COUNT, attempts: 2 },
    ...{
      error_type: null,
      truncations: 0,
      max_tokens: null,
      not_before: null,
      result: { chunk: 0, offset: COUNT, length: COUNT },
    },
  },
  usage: {
    ...{ run: RUN, model: 'claude-haiku-5-5', lane: TEXT, rows: COUNT, input_tokens: COUNT, output_tokens: COUNT },
    ...{ cache_creation_5m_input_tokens: 0, cache_creation_1h_input_tokens: 0, cache_read_input_tokens: 0 },
    ...{ cost_usd: COUNT, unpriced_rows: 0 },
  },
  event: { id: COUNT, run: RUN, time: TIME, event: 'run.ingesting', chunk: null, row: null, data: { inputs: 1 } },
};

async function exported(b: Bench, ...more: string[]): Promise<Fields[]> {
  return parseLines((await b.ok(['export', 'latest', '--state-only', ...more])).stdout);
}

/** A run of two chunks, whose rows all expired in their batch and were answered in the realtime lane. */
async function finished(b: Bench): Promise<void> {
  const rows = Array.from({ length: 5 }, (_unused, at) => `${at},${PROMPT} ${at}\n`).join('');
  b.write('in.csv', `id,text\n${rows}`);
  await b.ok(['run', 'in.csv', ...ASK, '--chunk-size', '3', '--name', 'n']);
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('the ledger of a run', () => {
  test('has all fields of every type of line, in a fixed order, and is the same each time', async () => {
    const b = await bench({ rates: { expireRate: 1 } });
    await finished(b);
    const lines = await exported(b);
    const types = lines.map((line) => line['type'] as Type);
    expect([...new Set(types)]).toEqual(TYPES);
    expect(types).toEqual([...types].sort((a, b) => TYPES.indexOf(a) - TYPES.indexOf(b)));
    for (const type of TYPES) {
      const first = lines.find((line) => line['type'] === type);
      expect(first).toEqual({ type, ...LINES[type] });
    }
    const count = (type: Type): number => types.filter((one) => one === type).length;
    expect(TYPES.slice(0, 5).map(count)).toEqual([1, 2, 2, 2, 5]);
    expect(await exported(b)).toEqual(lines);
  });

  test('reads nothing but the state, changes nothing in it, and needs no key', async () => {
    const b = await bench();
    await finished(b);
    const state = (): string[] => filesOf(b.state).map((file) => `${file} ${readFileSync(file).toString('base64')}`);
    const before = state();
    const calls = b.calls();
    await b.ok(['export', 'n', '--state-only'], {
      env: { ANTHROPIC_API_KEY: undefined, ANTHROPIC_BASE_URL: undefined },
    });
    expect(state()).toEqual(before);
    expect(b.calls()).toBe(calls);
  });

  test('works beside a driver, and shows what is under way', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(2));
    const driver = b.start(['run', 'in.jsonl']);
    await driver.says(/batch msgbatch_/);
    const lines = await exported(b);
    const chunk = lines.find((line) => line['type'] === 'chunk');
    expect(chunk).toMatchObject({ state: 'submitted', outcomes: null, batch: b.world.ledger.batches[0]?.id });
    driver.kill('SIGKILL');
    await driver.ended;
  });
});

test('holds no prompt, no answer, no key, and no name of a column', async () => {
  const b = await bench({ rates: { expireRate: 0.4, errorRate: 0.2 } });
  b.world.failNext('create.500_before');
  b.world.failNext('results.cut_line');
  const rows = Array.from({ length: 9 }, (_unused, at) => `${at},${PROMPT} ${at}\n`).join('');
  b.write('in.csv', `${PROMPT},text\n${rows}`);
  const ask = ['--model', 'claude-haiku-5-5', '--max-tokens', '9', '--prompt', `{{text}} ${PROMPT}`];
  await b.call(['run', 'in.csv', ...ask, '--system', `${PROMPT}!`, '--chunk-size', '4']);
  const { stdout, stderr } = await b.ok(['export', 'latest', '--state-only', '--log-level', 'debug']);
  expect(parseLines(stdout).length).toBeGreaterThan(10);
  expect(b.read('in.results.jsonl')).toContain('Grete');
  for (const secret of [PROMPT, KEY, 'Grete']) expect(stdout + stderr).not.toContain(secret);
});

describe('-o', () => {
  test('writes the same to a file, whole or not at all, and never over what is there', async () => {
    const b = await bench();
    await finished(b);
    const { stdout } = await b.ok(['export', 'n', '--state-only']);
    const said = await b.ok(['export', 'n', '--state-only', '-o', '{run}.ledger.jsonl']);
    const id = String((await exported(b))[0]?.['id']);
    expect(said).toMatchObject({ stdout: '', stderr: expect.stringContaining(`${id}.ledger.jsonl`) });
    expect(b.read(`${id}.ledger.jsonl`)).toBe(stdout);
    expect((await b.ok(['export', 'n', '--state-only', '-o', '-'])).stdout).toBe(stdout);
    b.write('there.jsonl', 'precious');
    const taken = await b.exits(2, ['export', 'n', '--state-only', '-o', 'there.jsonl']);
    expect(taken.stderr).toContain('exists already');
    expect(b.read('there.jsonl')).toBe('precious');
    await b.ok(['export', 'n', '--state-only', '-o', 'there.jsonl', '--overwrite']);
    expect(b.read('there.jsonl')).toBe(stdout);
    await b.exits(2, ['export', 'n', '--state-only', '-o', 'no/folder.jsonl']);
    expect(filesOf(b.folder).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  test('is never what a run reads or writes, and an output from elsewhere is not meant', async () => {
    const b = await bench();
    await finished(b);
    const [input, output] = [b.read('in.csv'), b.read('in.results.jsonl')];
    for (const path of ['in.csv', 'in.results.jsonl']) {
      const refused = await b.exits(2, ['export', 'n', '--state-only', '-o', path, '--overwrite']);
      expect(refused.stderr).toContain(path);
    }
    b.write('batchrun.config.json', JSON.stringify({ output: 'in.results.jsonl', overwrite: true }));
    const env = { BATCHRUN_OUTPUT: 'in.results.jsonl' };
    expect((await b.ok(['export', 'n', '--state-only'], { env })).stdout).toMatch(/^\{"type":"run"/);
    expect([b.read('in.csv'), b.read('in.results.jsonl')]).toEqual([input, output]);
  });
});

test('without --state-only it says where results are; without a state or a run it says that', async () => {
  const b = await bench();
  const plain = await b.exits(2, ['export', 'latest']);
  expect(plain.stderr).toContain('--state-only');
  expect(plain.stderr).toContain('batchrun results');
  expect((await b.exits(2, ['export', 'latest', '--state-only'])).stderr).toContain('there is no state');
  expect(b.has('.batchrun')).toBe(false);
  await finished(b);
  expect((await b.exits(2, ['export', 'nightly', '--state-only'])).stderr).toContain('nightly');
});
