/**
 * What a command finds out about the account before it drives: limits by the Admin API, limits that are shared through
 * Redis, and whose the key is. None of it stops the work.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { asked, bench, expectAnswers, KEY, requests, type Bench, type Printed } from '../support/cli.ts';
import { isRedisMissing, REDIS_URL } from '../support/redis.ts';

const ADMIN_KEY = 'sk-ant-admin-0123456789';
const RUN = ['run', 'in.jsonl', '--realtime'];
const isMissing = await isRedisMissing();

interface Limits extends Printed {
  readonly limits: readonly {
    readonly organization: string;
    readonly rate_class: string;
    readonly mode: string;
    readonly limits: readonly { readonly name: string; readonly value: number; readonly source: string }[];
  }[];
}

/** An organization that no other test has: what is in Redis is by its name. */
async function account(more: Parameters<typeof bench>[0] = {}): Promise<{ b: Bench; organization: string }> {
  const organization = randomUUID();
  const b = await bench({
    keys: { [KEY]: { workspace: 'wrkspc_1', organization } },
    adminKeys: { [ADMIN_KEY]: organization },
    ...more,
  });
  b.write('in.jsonl', requests(12));
  return { b, organization };
}

async function pools(b: Bench): Promise<Limits['limits']> {
  return ((await b.json(0, ['limits'])) as Limits).limits;
}

describe('an admin key', () => {
  test('tells the limits before the first answer does', async () => {
    const { b, organization } = await account({ switches: { rateHeaders: 'none' } });
    await b.ok(RUN, { env: { ANTHROPIC_ADMIN_KEY: ADMIN_KEY } });
    expectAnswers(b.lines('in.results.jsonl'), asked(12));
    const pool = (await pools(b)).find((one) => one.rate_class === 'haiku_5.5');
    expect(pool).toMatchObject({ organization, mode: 'local' });
    expect(pool?.limits).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'requests', value: 10_000, source: 'admin' })]),
    );
  });

  test('that is refused is said, and the work goes on', async () => {
    const { b } = await account();
    const { stderr } = await b.ok(RUN, { env: { ANTHROPIC_ADMIN_KEY: 'sk-ant-admin-of-nobody' } });
    expect(stderr).toContain('The admin key in ANTHROPIC_ADMIN_KEY was refused. The limits are learnt from answers');
    expect(stderr).not.toContain('of-nobody');
    expectAnswers(b.lines('in.results.jsonl'), asked(12));
  });
});

describe('--limiter', () => {
  test.skipIf(isMissing)('shares the buckets of the organization through Redis', async () => {
    const { b, organization } = await account();
    await b.ok([...RUN, '--limiter', REDIS_URL]);
    expectAnswers(b.lines('in.results.jsonl'), asked(12));
    expect(await pools(b)).toContainEqual(expect.objectContaining({ organization, mode: 'shared' }));
  });

  test('without its Redis goes on with a safe share, and says so', async () => {
    const { b } = await account();
    const { stderr } = await b.ok([...RUN, '--limiter', 'redis://127.0.0.1:1']);
    expect(stderr).toMatch(/Redis at redis:\/\/127\.0\.0\.1:1 cannot be used: .*safe share of the limits/);
    expectAnswers(b.lines('in.results.jsonl'), asked(12));
    expect(await pools(b)).toContainEqual(expect.objectContaining({ mode: 'alone' }));
  });

  test('of a key whose organization nobody knows is said to share less', async () => {
    const { b } = await account({ switches: { identityHeaders: false } });
    const { stderr } = await b.ok([...RUN, '--limiter', 'redis://127.0.0.1:1']);
    expect(stderr).toContain('shared only with processes that use the same key');
  });
});
