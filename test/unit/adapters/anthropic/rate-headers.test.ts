/** Headers about limits: the API's, a proxy's, and whatever else may stand there. */
import { describe, expect, test } from 'vitest';
import { hasRates, ratesOf } from '../../../../src/adapters/anthropic/rate-headers.ts';
import { integerBetween, pick, seededRng } from '../../../../src/base/random.ts';
import type { SeenBucketName } from '../../../../src/domain/pacing/rate-seen.ts';

/** Our clock is an hour late. */
const NOW_MS = Date.UTC(2026, 10, 20, 11);
const DATE = 'Fri, 20 Nov 2026 12:00:00 GMT';

function seen(headers: Record<string, string>): ReturnType<typeof ratesOf> {
  return ratesOf(new Headers(headers), NOW_MS);
}

function api(name: string, limit: string, remaining: string, reset: string): Record<string, string> {
  const at = `anthropic-ratelimit-${name}`;
  return { [`${at}-limit`]: limit, [`${at}-remaining`]: remaining, [`${at}-reset`]: reset };
}

function proxyReset(reset: string, more: Record<string, string> = {}): number | null | undefined {
  return seen({ 'x-ratelimit-reset-requests': reset, 'x-ratelimit-limit-requests': '5', ...more }).buckets.requests
    ?.resetMs;
}

describe('the API’s own', () => {
  test('all four buckets, with resets by the clock of the answer', () => {
    const headers = {
      ...{ date: DATE, 'anthropic-organization-id': 'org-1', 'anthropic-workspace-id': 'wrkspc_1' },
      ...api('requests', '1000', '998', '2026-11-20T12:00:00.120Z'),
      ...api('input-tokens', '2000000', '1990000', '2026-11-20T12:00:03Z'),
      ...api('output-tokens', '400000', '0', '2026-11-20T13:01:00+01:00'),
      ...api('tokens', '400000', '0', '2026-11-20T11:59:59Z'),
    };
    expect(seen(headers)).toEqual({
      organization: 'org-1',
      workspace: 'wrkspc_1',
      by: 'api',
      buckets: {
        requests: { limit: 1_000, remaining: 998, resetMs: 120 },
        input: { limit: 2_000_000, remaining: 1_990_000, resetMs: 3_000 },
        output: { limit: 400_000, remaining: 0, resetMs: 60_000 },
        tokens: { limit: 400_000, remaining: 0, resetMs: 0 },
      },
    });
  });

  test('without a date the resets go by our clock', () => {
    expect(seen(api('requests', '5', '4', '2026-11-20T11:00:07Z')).buckets.requests?.resetMs).toBe(7_000);
  });

  test('are believed before those of a proxy', () => {
    const both = { 'anthropic-ratelimit-requests-limit': '7', 'x-ratelimit-limit-tokens': '9' };
    expect(seen(both)).toMatchObject({ by: 'api', buckets: { requests: { limit: 7, remaining: null } } });
    expect(seen(both).buckets.tokens).toBeUndefined();
  });

  test('what cannot be read is not said, and the rest is', () => {
    const { buckets } = seen({ ...api('requests', 'many', '-3', 'soon'), ...api('tokens', 'NaN', '12', '') });
    expect(buckets).toEqual({ tokens: { limit: null, remaining: 12, resetMs: null } });
  });
});

describe('a proxy’s', () => {
  test('calls and tokens', () => {
    const { by, buckets } = seen({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-tokens': '6m0s',
    });
    expect({ by, buckets }).toEqual({
      by: 'proxy',
      buckets: {
        requests: { limit: 60, remaining: 59, resetMs: 1_000 },
        tokens: { limit: 150_000, remaining: 149_984, resetMs: 360_000 },
      },
    });
  });

  test.each([
    ['20ms', 20],
    ['6m0s', 360_000],
    ['1h2m3.5s', 3_723_500],
    ['45', 45_000],
    ['0.25', 250],
    ['0s', 0],
    [String(Date.UTC(2026, 10, 20, 12, 0, 9) / 1_000), 9_000],
    [String(Date.UTC(2026, 10, 20, 12, 0, 9)), 9_000],
    ['2026-11-20T12:00:05Z', 5_000],
    ['Fri, 20 Nov 2026 12:00:05 GMT', 5_000],
    ['Fri, 20 Nov 2026 11:00:05 GMT', 0],
    ['-5', null],
    ['-5s', null],
    ['Infinity', null],
    ['in a while', null],
    ['9'.repeat(400), null],
  ])('a reset of %j is %s ms away', (reset, ms) => {
    expect(proxyReset(reset, { date: DATE })).toBe(ms);
  });
});

test('an answer that says nothing about limits says who is behind the key', () => {
  const answer = seen({ 'anthropic-organization-id': 'org-1', 'retry-after': '5' });
  expect(answer).toEqual({ organization: 'org-1', workspace: null, buckets: {}, by: 'api' });
  expect(hasRates(answer)).toBe(false);
  expect(hasRates(seen({ 'x-ratelimit-limit-tokens': '1' }))).toBe(true);
});

describe('whatever stands there', () => {
  const NAMES = ['requests', 'tokens', 'input-tokens', 'output-tokens'].flatMap((name) =>
    ['limit', 'remaining', 'reset'].flatMap((part) => [
      `anthropic-ratelimit-${name}-${part}`,
      `x-ratelimit-${part}-${name}`,
    ]),
  );
  const PIECES = ['', ' ', '-', '+', '.', ',', 'e', 'E9', '0x1F', 'NaN', 'Infinity', 'null', 's', 'ms', 'm', 'h', 'd'];
  const WHOLE = ['2026-11-20T12:00:00Z', '2026-99-99T00:00:00Z', '+275760-09-13T00:00:01Z', DATE, '1e308', '1e309s'];

  function garbage(rng: ReturnType<typeof seededRng>): string {
    if (rng.next() < 0.2) return pick(rng, WHOLE);
    return Array.from({ length: integerBetween(rng, 0, 6) }, () =>
      rng.next() < 0.5 ? pick(rng, PIECES) : String(integerBetween(rng, 0, 10 ** integerBetween(rng, 0, 15))),
    ).join('');
  }

  test('never throws, and every number is null or finite and not negative', () => {
    const rng = seededRng('rate headers');
    let numbers = 0;
    for (let nth = 0; nth < 5_000; nth++) {
      const headers = new Headers(NAMES.filter(() => rng.next() < 0.4).map((name) => [name, garbage(rng)]));
      headers.set('date', rng.next() < 0.5 ? DATE : garbage(rng));
      const { buckets } = ratesOf(headers, NOW_MS);
      for (const name of Object.keys(buckets) as SeenBucketName[]) {
        const values = Object.values(buckets[name] ?? {}).filter((value) => value !== null);
        expect(values.length).toBeGreaterThan(0);
        for (const value of values) {
          numbers++;
          if (!(Number.isFinite(value) && value >= 0))
            expect.unreachable(`${name}: ${value} of ${[...headers].join()}`);
        }
      }
    }
    expect(numbers).toBeGreaterThan(1_000);
  });

  test('a limit that is told is read back as it was', () => {
    const rng = seededRng('whole');
    for (let nth = 0; nth < 500; nth++) {
      const limit = integerBetween(rng, 0, 50_000_000);
      const remaining = integerBetween(rng, 0, limit);
      const resetMs = integerBetween(rng, 0, 60_000);
      const reset = new Date(Date.parse(DATE) + resetMs).toISOString();
      const headers = { date: DATE, ...api('input-tokens', String(limit), String(remaining), reset) };
      expect(seen(headers).buckets.input).toEqual({ limit, remaining, resetMs });
    }
  });
});
