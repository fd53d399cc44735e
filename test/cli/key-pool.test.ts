/**
 * Several keys: batches go where room is, each is followed with a key of its own workspace, and a key that the API
 * refuses is set aside and named while the others go on.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SimKey } from '../../src/tools/sim/options.ts';
import { asked, bench, ENDLESS, expectAnswers, expectNothingTwice, requests, type Bench } from '../support/cli.ts';

const A = 'sk-ant-api03-POOLKEY-A-0123456789abcdefghijklmn-aaaa';
const B = 'sk-ant-api03-POOLKEY-B-0123456789abcdefghijklmn-bbbb';
const MASKED_A = 'sk-ant-…aaaa';
const MASKED_B = 'sk-ant-…bbbb';
const ORG_1 = '00000000-0000-4000-8000-000000000001';
const ORG_2 = '00000000-0000-4000-8000-000000000002';

const TWO_ORGANIZATIONS = {
  [A]: { workspace: 'wrkspc_a', organization: ORG_1 },
  [B]: { workspace: 'wrkspc_b', organization: ORG_2 },
};
const TWO_WORKSPACES = {
  [A]: { workspace: 'wrkspc_a', organization: ORG_1 },
  [B]: { workspace: 'wrkspc_b', organization: ORG_1 },
};

/** The program gets this pool; `ANTHROPIC_API_KEY` is not set. */
const pool = (...keys: string[]): { readonly env: Record<string, string | undefined> } => ({
  env: { ANTHROPIC_API_KEYS: keys.join(', '), ANTHROPIC_API_KEY: undefined },
});

interface Pool {
  readonly b: Bench;
  /** The keys that the API takes now: may be changed. */
  readonly keys: Record<string, SimKey>;
}

async function keyBench(keys: Record<string, SimKey>, more: Parameters<typeof bench>[0] = {}): Promise<Pool> {
  const taken = { ...keys };
  const b = await bench({ strictKeys: true, keys: taken, ...more });
  b.write('in.jsonl', requests(6));
  return { b, keys: taken };
}

const SUBMIT = ['submit', 'in.jsonl', '--chunk-size', '1'] as const;

/** How many batches were made in each workspace. */
function made(b: Bench): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { workspace } of b.world.ledger.batches) counts[workspace] = (counts[workspace] ?? 0) + 1;
  return counts;
}

describe('keys of two organizations', () => {
  test('share the batches, and each follows its own, in whatever order they come', async () => {
    const { b } = await keyBench(TWO_ORGANIZATIONS);
    const { stderr } = await b.ok(SUBMIT, pool(A, B));
    expect(stderr).toContain('2 keys of 2 organizations; keys of one organization share its limits');
    expect(stderr).toContain('with 2 keys (2 organizations)');
    expect(made(b)).toEqual({ wrkspc_a: 3, wrkspc_b: 3 });
    await b.ok(['collect'], pool(B, A));
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
    expectNothingTwice(b.world);
  });

  test('the same input with the pool in another order is the same run', async () => {
    const { b } = await keyBench(TWO_ORGANIZATIONS);
    await b.ok(SUBMIT, pool(A, B));
    const again = await b.json(0, SUBMIT, pool(B, A));
    expect(again.already_submitted).toBe(true);
    expect(b.world.ledger.batches).toHaveLength(6);
  });

  test('a key that is missing at collect is said, the others are collected, and with it the run ends', async () => {
    const { b } = await keyBench(TWO_ORGANIZATIONS);
    await b.ok(SUBMIT, pool(A, B));
    const { runs } = await b.json(5, ['collect'], pool(A));
    expect(runs[0].rows).toMatchObject({ succeeded: 3, in_batch: 3 });
    expect(runs[0].blocked).toHaveLength(3);
    expect(runs[0].blocked[0]).toMatchObject({ reason: 'other_workspace' });
    await b.ok(['collect'], pool(A, B));
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
    expectNothingTwice(b.world);
  });

  test('a full queue of one is left to the other', async () => {
    const { b } = await keyBench(TWO_ORGANIZATIONS, {
      limits: { batchQueueMax: 6 },
      ...ENDLESS,
    });
    b.world.addForeignBatch({ count: 6, workspace: 'wrkspc_a', organization: ORG_1, durationMs: 600_000 });
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '3'], pool(A, B));
    const ours = b.world.ledger.batches.filter((batch) => !batch.isForeign);
    expect(ours.map((batch) => batch.workspace)).toEqual(['wrkspc_b', 'wrkspc_b']);
  });
});

describe('keys of two workspaces of one organization', () => {
  test('share the batches too, and nobody pretends that the limits are more', async () => {
    const { b } = await keyBench(TWO_WORKSPACES);
    const { stderr } = await b.ok(['run', 'in.jsonl', '--chunk-size', '1'], pool(A, B));
    expect(stderr.match(/2 keys of 1 organization; keys of one organization share its limits/g)).toHaveLength(1);
    expect(made(b)).toEqual({ wrkspc_a: 3, wrkspc_b: 3 });
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
  });

  test('a create of the second key that nobody knows the end of is decided in the list of the second', async () => {
    const { b } = await keyBench(TWO_WORKSPACES);
    const crash = { BATCHRUN_FAILPOINT: 'submit.answered:2' };
    // Two and no more: others would be sent beside the one that dies.
    const died = await b.call([...SUBMIT, '--max-batches', '2'], { env: { ...pool(A, B).env, ...crash } });
    expect(died.signal).toBe('SIGKILL');
    expect(made(b)).toEqual({ wrkspc_a: 1, wrkspc_b: 1 });
    // A foreign batch of its size in the other workspace is no candidate.
    b.world.addForeignBatch({ count: 1, workspace: 'wrkspc_a', durationMs: 600_000 });
    const { stderr } = await b.ok(['collect'], pool(B, A));
    expect(stderr).toContain('was made after all and is used');
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
    expectNothingTwice(b.world);
  });

  test('a create of the second key that made nothing goes out again', async () => {
    const { b } = await keyBench(TWO_WORKSPACES);
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '5'], pool(A, B));
    expect(made(b)).toEqual({ wrkspc_a: 1, wrkspc_b: 1 });
    b.write('more.jsonl', requests(1, 'another'));
    b.world.failNext('create.500_before');
    await b.ok(['submit', 'more.jsonl'], pool(A, B));
    await b.ok(['collect'], pool(A, B));
    expectAnswers(b.lines('more.results.jsonl'), asked(1, 'another'));
    expectNothingTwice(b.world);
  });
});

test('two keys of one workspace follow the batches of each other', async () => {
  const { b, keys } = await keyBench({ [A]: { workspace: 'wrkspc_a' }, [B]: { workspace: 'wrkspc_a' } });
  await b.ok(SUBMIT, pool(A, B));
  Reflect.deleteProperty(keys, A);
  const { stderr } = await b.ok(['collect'], pool(A, B));
  expect(stderr).toContain(`key ${MASKED_A} is set aside`);
  expectAnswers(b.lines('in.results.jsonl'), asked(6));
});

describe('a key that is set aside', () => {
  test('revoked before the submit: it is named, and the other takes everything', async () => {
    const { b, keys } = await keyBench(TWO_ORGANIZATIONS);
    Reflect.deleteProperty(keys, A);
    const { stderr } = await b.ok(['run', 'in.jsonl', '--chunk-size', '1'], pool(A, B));
    expect(stderr).toContain(`key ${MASKED_A} is set aside: the API does not accept the key`);
    expect(made(b)).toEqual({ wrkspc_b: 6 });
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
  });

  test('revoked midway: its batches wait for a person, everything else goes on', async () => {
    const { b, keys } = await keyBench(TWO_ORGANIZATIONS);
    await b.ok(SUBMIT, pool(A, B));
    const revoked = keys[B];
    Reflect.deleteProperty(keys, B);
    const { runs } = await b.json(5, ['collect'], pool(A, B));
    expect(runs[0].rows).toMatchObject({ succeeded: 3, in_batch: 3 });
    expect(runs[0].blocked).toHaveLength(3);
    expect(runs[0].blocked[0]).toMatchObject({ reason: 'credentials' });
    expect(runs[0].blocked[0]?.['message']).toContain(MASKED_B);
    if (revoked) keys[B] = revoked;
    await b.ok(['collect'], pool(A, B));
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
    expectNothingTwice(b.world);
  });

  test('revoked while the process runs: it is noticed, named, and set aside', async () => {
    const { b, keys } = await keyBench(TWO_ORGANIZATIONS, { batchDurationMs: [400, 400] });
    const running = b.start(['run', 'in.jsonl', '--chunk-size', '1', '--max-batches', '2'], pool(A, B));
    await running.says(/chunk 2: batch/);
    Reflect.deleteProperty(keys, B);
    const { code, stderr } = await running.ended;
    expect(stderr).toMatch(/set aside: key sk-ant-…bbbb: the API does not accept the key/);
    // What the revoked key made is all that is left.
    expect(code).toBe(5);
    expect(made(b)['wrkspc_a']).toBeGreaterThan(3);
    expectNothingTwice(b.world);
  });

  test('out of credit: the other key sends, and its own batches are still collected', async () => {
    const { b, keys } = await keyBench(TWO_ORGANIZATIONS);
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '3'], pool(A, B));
    expect(made(b)).toEqual({ wrkspc_a: 1, wrkspc_b: 1 });
    keys[A] = { ...TWO_ORGANIZATIONS[A], accountProblem: 'credit_too_low' };
    b.write('more.jsonl', requests(2, 'another'));
    const { stderr } = await b.ok(['run', 'more.jsonl', '--chunk-size', '1'], pool(A, B));
    expect(stderr).toContain(`set aside: key ${MASKED_A}: the API stops for money or account reasons`);
    await b.ok(['collect'], pool(A, B));
    expect(made(b)).toEqual({ wrkspc_a: 1, wrkspc_b: 3 });
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
    expectAnswers(b.lines('more.results.jsonl'), asked(2, 'another'));
  });

  test('all of them: the run is blocked and names each', async () => {
    const { b, keys } = await keyBench(TWO_ORGANIZATIONS);
    keys[A] = { ...TWO_ORGANIZATIONS[A], accountProblem: 'credit_too_low' };
    keys[B] = { ...TWO_ORGANIZATIONS[B], accountProblem: 'permission' };
    const { stderr } = await b.exits(5, SUBMIT, pool(A, B));
    expect(stderr).toContain(`blocked: key ${MASKED_A}`);
    expect(stderr).toContain(`blocked: key ${MASKED_B}`);
    for (const key of Object.keys(keys)) Reflect.deleteProperty(keys, key);
    await b.exits(5, ['collect'], pool(A, B));
    Object.assign(keys, TWO_ORGANIZATIONS);
    await b.ok(['collect'], pool(A, B));
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
  });

  test('its realtime calls are made with the other', async () => {
    const { b, keys } = await keyBench(TWO_ORGANIZATIONS, { rates: { errorRate: 1 } });
    await b.ok(['submit', 'in.jsonl', '--chunk-size', '3'], pool(A, B));
    b.world.setRates({ errorRate: 0 });
    keys[A] = { ...TWO_ORGANIZATIONS[A], accountProblem: 'credit_too_low' };
    await b.ok(['collect', '--backoff-base', '10ms'], pool(A, B));
    expectAnswers(b.lines('in.results.jsonl'), asked(6));
  });
});

describe('where the keys come from', () => {
  test('the configuration file names variables', async () => {
    const { b } = await keyBench(TWO_ORGANIZATIONS);
    b.write('batchrun.config.json', JSON.stringify({ 'api-keys-env': ['TEAM_A', 'TEAM_B'] }));
    const { stdout } = await b.ok(['doctor'], { env: { TEAM_A: A, TEAM_B: B } });
    expect(stdout).toMatch(new RegExp(`key ${MASKED_A}: organization ${ORG_1}, workspace wrkspc_a`));
    expect(stdout).toMatch(new RegExp(`key ${MASKED_B}: organization ${ORG_2}, workspace wrkspc_b`));
    const missing = await b.exits(2, SUBMIT, { env: { TEAM_A: A } });
    expect(missing.stderr).toContain('TEAM_B');
  });

  test('a key in the place of a name is refused without being shown', async () => {
    const { b } = await keyBench(TWO_ORGANIZATIONS);
    const { stderr, stdout } = await b.exits(2, [...SUBMIT, '--api-keys-env', A]);
    expect(stderr).toContain('names of environment variables');
    expect(stderr + stdout).not.toContain('POOLKEY');
  });

  test('doctor names a key that is refused', async () => {
    const { b, keys } = await keyBench(TWO_ORGANIZATIONS);
    Reflect.deleteProperty(keys, B);
    const { stdout } = await b.exits(2, ['doctor'], pool(A, B));
    expect(stdout).toMatch(/FAIL {2}key sk-ant-…bbbb: /);
  });

  test('one key in the pool is one key', async () => {
    const { b } = await keyBench(TWO_ORGANIZATIONS);
    const { stderr } = await b.ok(['run', 'in.jsonl'], pool(B));
    expect(stderr).toContain(`with key ${MASKED_B}`);
    expect(stderr).not.toContain('organization');
  });
});

test('audit, adopt and prune reach the batches of each key', async () => {
  const { b } = await keyBench(TWO_ORGANIZATIONS);
  await b.ok(['run', 'in.jsonl', '--chunk-size', '3'], pool(A, B));
  const audit = await b.ok(['audit'], pool(B, A));
  expect(audit.stdout).toContain('2 batches of ours');
  await b.ok(['prune', 'latest', '--remote'], pool(A, B));
  for (const key of [A, B]) expect((await b.ok(['doctor'], pool(key))).code).toBe(0);
  expect(b.calls('batches.delete')).toBe(2);
});

test('no key is on the disk, nor on the terminal', async () => {
  const { b, keys } = await keyBench(TWO_ORGANIZATIONS);
  const said: string[] = [];
  const say = async (...args: string[]): Promise<void> => {
    const { stdout, stderr } = await b.call([...args, '--log-level', 'debug'], pool(A, B));
    said.push(stdout, stderr);
  };
  await say(...SUBMIT);
  Reflect.deleteProperty(keys, B);
  for (const args of [['collect'], ['status'], ['log', 'latest'], ['doctor'], ['audit'], ['export', '--state-only']])
    await say(...args);
  expect(said.join('')).toContain(MASKED_B);
  expect(said.join('')).not.toContain('POOLKEY');
  const files = readdirSync(b.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) expect(readFileSync(join(file.parentPath, file.name)).includes('POOLKEY')).toBe(false);
});
