/**
 * Options of a limiter and of its calls that it cannot keep to are refused before anything is opened or called.
 */
import { expect, it } from 'vitest';
import { createLimiter, type LimiterOptions, type RunOptions } from '../../src/library/limiter.ts';
import { MODEL } from '../support/cli.ts';

const WRONG: readonly (readonly [string, unknown])[] = [
  ['tier', 'gold'],
  ['limits', { requests: NaN }],
  ['limits', { rpm: 50 }],
  ['headroom', 1],
  ['headroom', '10%'],
  ['concurrency', 0],
  ['concurrency', NaN],
  ['keys', 'sk-ant-secret'],
  ['keys', ['']],
  ['keys', [{ apiKey: 'sk-ant-secret', organization: '' }]],
  ['keys', [{ key: 'sk-ant-secret' }]],
  ['redis', 'http://secret@host'],
  ['maxAttempts', 0],
  ['maxAttempts', 1.5],
  ['giveUpMs', '10m'],
  ['backoff', { baseMs: -1 }],
  ['known', {}],
  ['known', [{ organization: 'a' }]],
  ['log', 'console'],
  ['maxRetries', 3],
];

it.each(WRONG)('a limiter with %s: %o', (name, value) => {
  const make = (): unknown => createLimiter({ [name]: value });
  expect(make).toThrow(expect.objectContaining({ code: 'E_USAGE', details: { option: name } }) as Error);
  expect(make).not.toThrow(/secret/);
});

it('a name that is mistyped is answered with the nearest', () => {
  expect(() => createLimiter({ concurency: 5 } as LimiterOptions)).toThrow('did you mean `concurrency`?');
  expect(() => createLimiter(null as unknown as LimiterOptions)).toThrow('must be an object');
});

const GOOD: RunOptions = { model: MODEL, estimate: { inputTokens: 20, maxTokens: 60 } };
const WRONG_CALLS: readonly (readonly [string, unknown])[] = [
  ['model', ''],
  ['model', undefined],
  ['estimate', undefined],
  ['estimate', { maxTokens: 10 }],
  ['estimate', { inputTokens: NaN, maxTokens: 10 }],
  ['estimate', { requestBytes: '100', maxTokens: 10 }],
  ['estimate', { inputTokens: 1, maxTokens: Infinity }],
  ['priority', 'urgent'],
  ['group', 7],
  ['signal', {}],
  ['prio', 'high'],
];

it.each(WRONG_CALLS)('a call with %s: %o', async (name, value) => {
  const limiter = createLimiter();
  let called = 0;
  const run = limiter.run(() => called++, { ...GOOD, [name]: value });
  await expect(run).rejects.toMatchObject({ code: 'E_USAGE', details: { option: name } });
  expect(called).toBe(0);
  expect(await limiter.run(() => 'the others go on', GOOD)).toBe('the others go on');
  await limiter.close();
});

it('what is no function is not taken for a call', async () => {
  const limiter = createLimiter();
  await expect(limiter.run('call' as unknown as () => string, GOOD)).rejects.toMatchObject({ code: 'E_USAGE' });
  await limiter.close();
});

it('the pools of a snapshot are known again, also through JSON, and with every option at its bounds', async () => {
  const first = createLimiter({
    tier: 'start',
    limits: { requests: 100 },
    headroom: 0,
    concurrency: 1_000,
    maxAttempts: 100,
  });
  await first.run(({ note }) => note({ headers: { 'anthropic-ratelimit-requests-limit': '77' } }), GOOD);
  const { pools } = await first.snapshot();
  await first.close();
  const known = JSON.parse(JSON.stringify(pools)) as typeof pools;
  const second = createLimiter({ known, keys: ['a', { apiKey: 'b', organization: 'org' }] });
  await second.run(() => 'a call', GOOD);
  const limits = (await second.snapshot()).pools.flatMap((pool) => pool.limits);
  expect(limits).toContainEqual(expect.objectContaining({ name: 'requests', value: 77 }));
  await second.close();
});

it('after it is closed nothing is opened any more', async () => {
  const limiter = createLimiter({ redis: 'redis://127.0.0.1:1' });
  await limiter.close();
  await expect(limiter.snapshot()).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  await limiter.close();
});
