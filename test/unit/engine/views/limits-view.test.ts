import { describe, expect, test } from 'vitest';
import type { KnownLimit, MinuteUse } from '../../../../src/domain/pacing/snapshot.ts';
import { usedLately, viewLimits, type LimitsView } from '../../../../src/engine/views/limits-view.ts';
import { ORIGIN, poolSnapshot, START_MS } from '../../../contract/store.lab.ts';

const MINUTE = START_MS / 60_000;
/** The driver wrote this down in the middle of the second minute. */
const SEEN_MS = START_MS + 90_000;

function use(minute: number, requests: number, more: Partial<MinuteUse> = {}): MinuteUse {
  return {
    minute,
    requests,
    inputTokens: requests * 1_000,
    outputTokens: requests * 100,
    refused: 0,
    retried: 0,
    ...more,
  };
}

function view(more: Parameters<typeof poolSnapshot>[2], nowMs = SEEN_MS, rateClass = 'opus_5'): LimitsView {
  const [only] = viewLimits([{ ...poolSnapshot('org_1', rateClass, more), origin: ORIGIN }], nowMs);
  if (!only) throw new Error('no view');
  return only;
}

function limit(name: KnownLimit['name'], value: number): KnownLimit {
  return { name, value, source: 'headers', atMs: START_MS };
}

describe('a view of limits', () => {
  test('has every field, by its name on the wire', () => {
    expect(view({})).toEqual({
      pool: 'org_1|opus_5',
      organization: 'org_1',
      rate_class: 'opus_5',
      base_url: ORIGIN,
      as_of: '2026-11-20T00:01:30.000Z',
      mode: 'local',
      limits: [
        {
          name: 'requests',
          value: 1_000,
          per: 'minute',
          source: 'headers',
          known_at: '2026-11-20T00:00:00.000Z',
          level: 813,
          used: 9,
          share: 0.009,
          warning: false,
        },
      ],
      open: null,
      paused_until: null,
      use: {
        // Half of the first minute's ten, and the four of the second.
        last_minute: { requests: 9, input_tokens: 3_400, output_tokens: 430, refused: 1, retried: 1 },
        last_hour: { requests: 14, input_tokens: 5_900, output_tokens: 780, refused: 1, retried: 2 },
      },
      keys: [
        {
          key: 'sk-ant-…wxyz',
          last_minute: { requests: 9, input_tokens: 3_400, output_tokens: 430, refused: 1, retried: 1 },
          last_hour: { requests: 14, input_tokens: 5_900, output_tokens: 780, refused: 1, retried: 2 },
        },
      ],
      latency_ms: { calls: 14, p50: 420, p95: 1_800, p99: 2_400 },
    });
  });

  test("adds keys up: a limit is the organization's, not a key's", () => {
    const minutes = [use(MINUTE + 1, 400)];
    const {
      use: all,
      keys,
      limits,
    } = view({
      limits: [limit('requests', 1_000)],
      use: [
        { key: 'sk-ant-…aaaa', minutes },
        { key: 'sk-ant-…bbbb', minutes: [use(MINUTE + 1, 500)] },
      ],
    });
    expect(all.last_minute.requests).toBe(900);
    expect(keys.map((key) => key.last_minute.requests)).toEqual([400, 500]);
    expect(limits).toMatchObject([{ used: 900, share: 0.9, warning: true }]);
  });

  test.each([
    [799, 0.799, false],
    [800, 0.8, true],
    [1_000, 1, true],
  ])('warns of %i in 1,000 (share %d): %s', (requests, share, warning) => {
    const seen = view({
      limits: [limit('requests', 1_000)],
      use: [{ key: 'k', minutes: [use(MINUTE + 1, requests)] }],
    });
    expect(seen.limits).toMatchObject([{ share, warning }]);
  });

  test('holds each limit against its own use', () => {
    const seen = view({
      limits: [
        limit('requests', 100),
        limit('input', 100_000),
        limit('output', 100_000),
        limit('tokens', 100_000),
        limit('day', 1_000_000),
        limit('queue', 200_000),
        limit('batches', 100),
      ],
      levels: { day: 250_000 },
      open: { batches: 7, requests: 190_000 },
      use: [{ key: 'k', minutes: [use(MINUTE + 1, 50)] }],
    });
    expect(seen.limits.map(({ name, per, used, share }) => [name, per, used, share])).toEqual([
      ['requests', 'minute', 50, 0.5],
      ['input', 'minute', 50_000, 0.5],
      ['output', 'minute', 5_000, 0.05],
      ['tokens', 'minute', 55_000, 0.55],
      ['day', 'day', 750_000, 0.75],
      ['queue', 'at_once', 190_000, 0.95],
      ['batches', 'at_once', 7, 0.07],
    ]);
  });

  test('says null where nothing is known to hold against a limit', () => {
    const seen = view({ limits: [limit('queue', 1), limit('day', 1), limit('requests', 0)], levels: {}, open: null });
    expect(seen.limits.map(({ used, share, warning }) => [used, share, warning])).toEqual([
      [null, null, false],
      [null, null, false],
      [9, null, false],
    ]);
  });

  test('shows the minute before the driver last wrote, until that is a minute ago', () => {
    expect(view({}, SEEN_MS + 59_000).use.last_minute.requests).toBe(9);
    expect(view({}, SEEN_MS + 60_000).use.last_minute.requests).toBe(2);
    expect(view({}, SEEN_MS + 90_000).use.last_minute.requests).toBe(0);
    expect(view({}, SEEN_MS + 60_000).use.last_hour.requests).toBe(14);
    expect(view({}, SEEN_MS + 3_700_000).use.last_hour.requests).toBe(0);
  });

  test('of a clock that was set back since shows what was used, once', () => {
    expect(view({}, SEEN_MS - 86_400_000).use.last_hour.requests).toBe(14);
  });

  test('names a pause only while it lasts', () => {
    expect(view({ pausedUntilMs: SEEN_MS + 1 }).paused_until).toBe('2026-11-20T00:01:30.001Z');
    expect(view({ pausedUntilMs: SEEN_MS }).paused_until).toBeNull();
  });

  test('of pools that nobody used in the last hour is no news', () => {
    const quiet = view({ use: [] });
    const busy = view({});
    expect(usedLately([quiet, busy, view({}, SEEN_MS + 3_700_000)])).toEqual([busy]);
  });
});
