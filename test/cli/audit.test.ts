/**
 * `batchrun audit`: the built program against a simulator that knows what was really paid. Every way in which ledger and
 * API can differ is made here as it happens in life, and nothing is ever written.
 */
import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDatabase, prepare } from '../../src/adapters/sqlite/kept.ts';
import { costUsd } from '../../src/domain/pricing.ts';
import type { AuditReport, Finding, RunAudit } from '../../src/engine/audit/report.ts';
import { asked, bench, ENDLESS, expectAnswers, jsonl, KEY, params, requests, type Bench } from '../support/cli.ts';

/** What an answer of a batch that `addForeignBatch` makes costs. */
const FOREIGN_ANSWER_USD =
  costUsd({
    model: 'claude-haiku-5-5',
    lane: 'batch',
    usage: { inputTokens: 10, outputTokens: 3, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, cacheReadTokens: 0 },
  }) ?? Number.NaN;

async function audited(b: Bench, code: number, ...more: string[]): Promise<AuditReport> {
  return (await b.json(code, ['audit', ...more])) as unknown as AuditReport;
}

/** The audit of the only run. */
async function auditedRun(b: Bench, code: number, ...more: string[]): Promise<RunAudit> {
  const { runs } = await audited(b, code, ...more);
  const [run] = runs;
  if (!run || runs.length !== 1) throw new Error(`there are ${runs.length} runs`);
  return run;
}

const kindsOf = (findings: readonly Finding[]): string[] => findings.map(({ kind }) => kind).sort();

/** A finished run of two chunks; gives its id. */
async function finished(b: Bench): Promise<string> {
  b.write('in.jsonl', requests(7));
  return (await b.json(0, ['run', 'in.jsonl', '--chunk-size', '4'])).runs[0].id;
}

/** Everything in the state folder: names, times and bytes. */
function stateOf(b: Bench): string[] {
  const entries = readdirSync(b.state, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => `${file} ${statSync(file).mtimeMs} ${readFileSync(file).toString('base64')}`);
}

/** As a person with a database tool, or a bug, might. */
function alter(b: Bench, ...statements: readonly string[]): void {
  const database = openDatabase(join(b.state, 'state.db'), {});
  for (const statement of statements) database.exec(statement);
  database.close();
}

/** A run that is sealed and not sent, in two copies of its state folder: what must never be driven both. */
async function copied(b: Bench): Promise<void> {
  b.world.setAccountProblem('credit_too_low');
  await b.exits(5, ['run', 'in.jsonl']);
  cpSync(b.state, b.path('copy'), { recursive: true });
  b.world.setAccountProblem(undefined);
}

describe('a state that is in order', () => {
  test('exit 0, with every field that is documented, and nothing is written', async () => {
    const b = await bench();
    const id = await finished(b);
    const before = stateOf(b);
    expect(await audited(b, 0)).toEqual({
      ok: true,
      complete: true,
      api: { base_url: b.origin, reached: true, listed: 2, error: null },
      runs: [
        {
          ...{ id, name: null, state: 'done', ok: true, findings: [], notes: [] },
          checks: ['batches', 'chunks', 'rows', 'files', 'costs'].map((name) => ({
            ...{ name, ok: true },
            found: expect.any(String),
          })),
          cost_usd: { spent: expect.any(Number), unused: 0, unused_known: 0 },
        },
      ],
      findings: [],
      cost_usd: { spent: expect.any(Number), unused: 0, unused_known: 0 },
      left_alone: [],
    });
    expect(stateOf(b)).toEqual(before);
  });

  test('in text: a line for each check and one about all', async () => {
    const b = await bench();
    const id = await finished(b);
    const { stdout, stderr } = await b.ok(['audit', 'latest']);
    expect(stderr).toBe('');
    expect(stdout.split('\n')[0]).toMatch(new RegExp(`^${id} +done$`));
    for (const check of ['batches', 'chunks', 'rows', 'files', 'costs']) {
      expect(stdout).toMatch(new RegExp(`^ {2}ok +${check} +\\S`, 'm'));
    }
    expect(stdout).toContain('7 rows, each with one outcome');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('In order: 1 run.');
  });

  test('with rows of every fate, retries in both lanes and skipped rows', async () => {
    const rates = { errorRate: 0.2, expireRate: 0.1, errorTypes: { api_error: 0.5, invalid_request_error: 0.5 } };
    const b = await bench({ rates });
    const bad = jsonl([
      { custom_id: 'bad', params: { ...params('x'), stream: 1 } },
      { custom_id: 'row-1', params: params('y') },
    ]);
    b.write('in.jsonl', `${requests(60)}${bad}`);
    for (const lane of ['auto', 'batch', 'none']) {
      const flags = ['--on-invalid', 'skip', '--chunk-size', '20', '--retry-lane', lane, '--name', lane];
      await b.call(['run', 'in.jsonl', ...flags, '-o', `${lane}.jsonl`]);
    }
    await b.call(['submit', 'in.jsonl', '--on-invalid', 'skip', '--name', 'canceled', '-o', 'canceled.jsonl']);
    await b.call(['cancel', 'canceled']);
    const report = await audited(b, 0);
    expect(report.runs.map(({ name, findings }) => [name, findings])).toEqual(
      ['auto', 'batch', 'none', 'canceled'].map((name) => [name, []]),
    );
  });

  test('beside a driver: no lock is needed, and nothing is off', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(4));
    const driver = b.start(['run', 'in.jsonl', '--chunk-size', '2']);
    await driver.says(/chunk 2: batch msgbatch_/);
    const run = await auditedRun(b, 0);
    expect(run.checks.find(({ name }) => name === 'chunks')?.found).toMatch(/^2 chunks of 2 waiting/);
    driver.kill('SIGINT');
    await driver.ended;
    expect((await auditedRun(b, 0)).state).toBe('active');
  });
});

describe('a batch that bears our tag and that the ledger does not know', () => {
  test('of another copy of the state folder: an orphan, at what its own answers cost', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(4));
    await copied(b);
    await b.ok(['collect']);
    const spent = (await auditedRun(b, 0)).cost_usd.spent ?? Number.NaN;
    await b.ok(['collect', '--state', 'copy', '-o', 'copy.jsonl']);
    const run = await auditedRun(b, 3);
    expect(run.findings).toEqual([
      {
        ...{ kind: 'orphan', chunk: 1, rows: 4, since: expect.stringMatching(/^20/) },
        batch: b.world.ledger.batches[1]?.id,
        cost_usd: expect.closeTo(spent),
        message: expect.stringContaining(`bears the tag of this run (chunk 1)`),
        hint: expect.stringContaining('copy of this state folder'),
      },
    ]);
    expect(run.cost_usd).toMatchObject({ spent, unused: expect.closeTo(spent) });
    const text = (await b.exits(3, ['audit'])).stdout;
    expect(text).toMatch(/^ {2}off +batches +1 finding$/m);
    expect(text).toMatch(/^ {2}off +costs +\$\S+ spent, and \$\S+ paid for nothing$/m);
    expect(text).toMatch(/^ {2}orphan: batch msgbatch_\w+ .*\.\n {4}\S.*\n\n1 finding in 1 run; paid for nothing: \$/m);
    // In the other copy it is the other one.
    const other = await auditedRun(b, 3, '--state', 'copy');
    expect(other.findings.map(({ batch }) => batch)).toEqual([b.world.ledger.batches[0]?.id]);
    expect((await b.exits(3, ['audit', '--state', 'copy'])).stdout).toContain('--state copy`');
  });

  test('whose answer was lost, and that the list showed too late: an orphan', async () => {
    const b = await bench({ listLagMs: 6_000 });
    b.write('in.jsonl', requests(4));
    b.world.failNext('create.500_after');
    b.world.failNext('list.lag');
    await b.ok(['run', 'in.jsonl']);
    expectAnswers(b.lines('in.results.jsonl'), asked(4));
    const [lost] = b.world.ledger.batches;
    let run: RunAudit | undefined;
    // Until the list shows it.
    while (!run || run.findings.length === 0) {
      [run] = (JSON.parse((await b.call(['audit', '--json'])).stdout) as AuditReport).runs;
    }
    expect(run.findings).toMatchObject([{ kind: 'orphan', batch: lost?.id, cost_usd: run.cost_usd.unused }]);
    expect(run.cost_usd.unused).toBeCloseTo(run.cost_usd.spent ?? Number.NaN);
  });

  test('is told by the id inside: not before its end, and never one of somebody else', async () => {
    const b = await bench();
    const id = await finished(b);
    const tag = id.slice('run_'.length);
    b.world.addForeignBatch({ count: 3, durationMs: 0 });
    const running = b.world.addForeignBatch({ count: 3, durationMs: 600_000, customIdOf: (at) => `${tag}-2-${at}` });
    const open = await auditedRun(b, 0);
    expect(open.notes).toMatchObject([{ kind: 'undecided', batch: running, rows: 3, cost_usd: null }]);
    expect((await b.ok(['audit'])).stdout).toMatch(/^ {2}note: batch \S+ .*cannot be told before it has ended\.$/m);
    const over = b.world.addForeignBatch({ count: 3, durationMs: 0, customIdOf: (at) => `${tag}-2-${at}` });
    const run = await auditedRun(b, 3);
    expect(run.findings).toMatchObject([{ kind: 'orphan', chunk: 2, batch: over, rows: 3 }]);
    expect(run.findings[0]?.cost_usd).toBeCloseTo(3 * FOREIGN_ANSWER_USD);
  });
});

test('two batches of one chunk: what the second one cost, by its own results', async () => {
  const b = await bench();
  b.write('in.jsonl', requests(4));
  await copied(b);
  // The answer to our create is lost, another copy of the state makes the same batch, and then we look for ours.
  b.world.failNext('create.500_after');
  await b.call(['submit', 'in.jsonl']);
  await b.ok(['collect', '--state', 'copy', '-o', 'copy.jsonl']);
  await b.ok(['collect']);
  expectAnswers(b.lines('in.results.jsonl'), asked(4));
  const made = b.world.ledger.batches.map(({ id }) => id);
  expect(made).toHaveLength(2);
  const run = await auditedRun(b, 3);
  expect(run.findings).toMatchObject([{ kind: 'duplicate', chunk: 1, rows: 4, cost_usd: run.cost_usd.unused }]);
  const [one] = run.findings;
  const used = made.find((id) => id !== one?.batch);
  expect(one?.message).toContain(`${used} is used, ${one?.batch} is not`);
  expect(run.cost_usd.unused).toBeCloseTo(run.cost_usd.spent ?? Number.NaN);
});

describe('a chunk in doubt', () => {
  test('that nobody drives is off: since when, what may be its batch, what to type', async () => {
    const b = await bench(ENDLESS);
    b.write('in.jsonl', requests(3));
    b.world.failNext('create.500_after');
    await b.call(['submit', 'in.jsonl']);
    const [made] = b.world.ledger.batches;
    const run = await auditedRun(b, 3);
    expect(run.findings).toMatchObject([{ kind: 'in_doubt', chunk: 1, rows: 3, since: expect.stringMatching(/^20/) }]);
    expect(run.findings[0]?.message).toContain(`${made?.id} may be of it`);
    expect(run.findings[0]?.hint).toMatch(
      /`batchrun collect run_\w+`.*`batchrun resolve run_\w+ --chunk 1 --batch ID`/,
    );
    const driver = b.start(['collect']);
    await driver.says(/Safe to stop/);
    expect(kindsOf((await auditedRun(b, 0)).notes)).toEqual(['in_doubt', 'undecided']);
    driver.kill('SIGKILL');
    await driver.ended;
    await auditedRun(b, 3);
  });

  test('whose batch has ended is told with it, and is in order once it is collected', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(3));
    b.world.failNext('create.500_after');
    await b.call(['submit', 'in.jsonl']);
    let kinds: string[] = [];
    while (!kinds.includes('unclaimed')) kinds = kindsOf((await auditedRun(b, 3)).findings);
    expect(kinds).toEqual(['unclaimed']);
    await b.ok(['collect']);
    await auditedRun(b, 0);
    expect(b.world.ledger.batches).toHaveLength(1);
  });
});

test('a batch that the API does not have: with the workspace, and the command that gives it up', async () => {
  const b = await bench(ENDLESS);
  b.write('in.jsonl', requests(3));
  await b.ok(['submit', 'in.jsonl']);
  alter(
    b,
    "UPDATE batches SET id = 'msgbatch_gone', created_at_ms = created_at_ms - 7200000",
    "UPDATE chunks SET batch_id = 'msgbatch_gone'",
  );
  const run = await auditedRun(b, 3);
  expect(run.findings).toMatchObject([{ kind: 'batch_missing', chunk: 1, batch: 'msgbatch_gone', rows: 3 }]);
  expect(run.findings[0]?.hint).toMatch(/key_\w+.*--chunk 1 --lost/);
  // And the one that is there instead is named.
  expect(run.notes).toMatchObject([{ kind: 'undecided', batch: b.world.ledger.batches[0]?.id }]);
});

describe('the key', () => {
  const OTHER_KEY = 'sk-ant-api03-OTHER-0123456789abcdefghijklmnop-wxyz';
  const keys = { [KEY]: { workspace: 'w1' }, [OTHER_KEY]: { workspace: 'w2' } };

  test('of another workspace sees nothing of the run, and that is what is said', async () => {
    const b = await bench({ ...ENDLESS, keys });
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    const ended = await b.exits(3, ['audit', '--json'], { env: { ANTHROPIC_API_KEY: OTHER_KEY } });
    const [run] = (JSON.parse(ended.stdout) as AuditReport).runs;
    expect(run?.findings).toMatchObject([{ kind: 'other_workspace' }]);
  });

  test('that was rotated sees everything', async () => {
    const b = await bench({ ...ENDLESS, keys: { ...keys, [OTHER_KEY]: { workspace: 'w1' } } });
    b.write('in.jsonl', requests(3));
    await b.ok(['submit', 'in.jsonl']);
    await b.ok(['audit'], { env: { ANTHROPIC_API_KEY: OTHER_KEY } });
  });

  test('that is refused: exit 5, and what can be checked offline is shown', async () => {
    const b = await bench({ strictKeys: true, keys });
    await finished(b);
    const refused = await b.exits(5, ['audit'], { env: { ANTHROPIC_API_KEY: `${KEY}-x` } });
    expect(refused.stdout).toMatch(/^ {2}ok +rows/m);
    expect(refused.stdout).toContain('ANTHROPIC_API_KEY');
  });
});

test('an API that cannot be reached: exit 4, and what can be checked offline is shown', async () => {
  const b = await bench();
  const id = await finished(b);
  await b.offline();
  const report = await audited(b, 4);
  expect(report).toMatchObject({ ok: false, complete: false, api: { reached: false, listed: null } });
  expect(report.runs[0]?.checks.map(({ name, ok }) => [name, ok])).toEqual([
    ['batches', null],
    ['chunks', true],
    ['rows', true],
    ['files', true],
    ['costs', null],
  ]);
  rmSync(join(b.state, 'runs', id, 'results/000001.jsonl'));
  const text = (await b.exits(4, ['audit'])).stdout;
  expect(text).toMatch(/^ {2}\? +batches/m);
  expect(text).toContain('file missing: the file');
  expect(text).toContain('Not compared with the API');
  await b.online();
  await auditedRun(b, 3);
});

describe('rows and files', () => {
  test('files that are gone, cut or changed, and counters that were not kept', async () => {
    const b = await bench();
    const id = await finished(b);
    const files = join(b.state, 'runs', id);
    alter(b, 'UPDATE runs SET row_succeeded = row_succeeded - 1, row_expired = 1');
    rmSync(join(files, 'rows/000001.jsonl'));
    truncateSync(join(files, 'results/000002.jsonl'), 100);
    const run = await auditedRun(b, 3);
    expect(kindsOf(run.findings)).toEqual(['counters_off', 'file_damaged', 'file_missing']);
    const text = (await b.exits(3, ['audit'])).stdout;
    expect(text).toContain('expired 1 instead of 0');
    expect(text).toContain(join(files, 'rows/000001.jsonl'));
  });

  test('many findings of one kind: the first few in text, all in JSON', async () => {
    const b = await bench();
    b.write('in.jsonl', requests(16));
    await b.ok(['run', 'in.jsonl', '--chunk-size', '2']);
    const id = (await auditedRun(b, 0)).id;
    rmSync(join(b.state, 'runs', id, 'results'), { recursive: true });
    expect((await auditedRun(b, 3)).findings).toHaveLength(8);
    expect((await b.exits(3, ['audit'])).stdout).toContain('… and 3 more of "file missing"');
  });

  test.each(['tombstones', 'batches_ended'])('state.db that is damaged where no run needs it: %s', async (name) => {
    const b = await bench();
    await finished(b);
    const file = join(b.state, 'state.db');
    const database = openDatabase(file, { readonly: true });
    const place = prepare(database, 'SELECT rootpage FROM sqlite_master WHERE name = ?').pluck().get(name);
    const pageBytes = prepare(database, 'PRAGMA page_size').pluck().get();
    database.close();
    const bytes = readFileSync(file);
    bytes.fill(0xff, (Number(place) - 1) * Number(pageBytes), Number(place) * Number(pageBytes));
    writeFileSync(file, bytes);
    const report = await audited(b, 3);
    expect(kindsOf(report.findings)).toContain('ledger_damaged');
    expect(report.runs[0]?.ok).toBe(true);
    expect((await b.exits(3, ['audit'])).stdout).toContain('state.db is damaged');
  });
});

describe('what is refused', () => {
  test('no state, no such run, no credentials, another API', async () => {
    const b = await bench();
    expect((await b.json(2, ['audit'])).error.code).toBe('E_RUN_UNKNOWN');
    expect(b.has('.batchrun')).toBe(false);
    const id = await finished(b);
    expect((await b.json(2, ['audit', 'nightly'])).error.code).toBe('E_RUN_UNKNOWN');
    const noKey = { env: { ANTHROPIC_API_KEY: undefined } };
    expect((await b.json(2, ['audit'], noKey)).error.code).toBe('E_CREDENTIALS');
    const other = await bench();
    const env = { ANTHROPIC_BASE_URL: other.origin };
    for (const args of [['audit'], ['audit', id]]) {
      expect((await b.json(2, args, { env })).error.code).toBe('E_ORIGIN');
    }
    await b.ok(['submit', 'in.jsonl', '-o', 'there.jsonl'], { env });
    const both = await b.ok(['audit', '--json'], { env });
    expect(both.stderr).toMatch(/^Left alone: run_/);
    expect(JSON.parse(both.stdout)).toMatchObject({ left_alone: [id], runs: [{ ok: true }] });
  });

  test('a state without runs is in order', async () => {
    const b = await bench();
    await finished(b);
    await b.ok(['prune', '--keep-last', '0']);
    expect(await audited(b, 0)).toMatchObject({ ok: true, runs: [] });
  });
});
