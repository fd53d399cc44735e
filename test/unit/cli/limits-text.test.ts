import { describe, expect, test } from 'vitest';
import { limitsParagraph, limitsText } from '../../../src/cli/render/limits-text.ts';
import { viewLimits, type LimitsView } from '../../../src/engine/views/limits-view.ts';
import { ORIGIN, poolSnapshot, START_MS } from '../../contract/store.lab.ts';

const SEEN_MS = START_MS + 90_000;
const OPTIONS = { color: false, nowMs: SEEN_MS + 12_000 };
const MINUTE = START_MS / 60_000;

const opus = poolSnapshot('org_1', 'opus_5', {
  limits: [
    { name: 'requests', value: 1_000, source: 'headers', atMs: SEEN_MS - 180_000 },
    { name: 'input', value: 2_000_000, source: 'assumed', atMs: START_MS },
  ],
  use: [
    {
      key: 'sk-ant-…aaaa',
      minutes: [
        { minute: MINUTE + 1, requests: 412, inputTokens: 1_850_000, outputTokens: 40_000, refused: 3, retried: 5 },
      ],
    },
  ],
});
const batches = poolSnapshot('org_1', 'batches', {
  limits: [
    { name: 'batches', value: 100, source: 'flag', atMs: START_MS },
    { name: 'queue', value: 200_000, source: 'admin', atMs: SEEN_MS - 7_200_000 },
  ],
  open: { batches: 3, requests: 41_000 },
  use: [],
  latency: null,
});

function views(...pools: readonly ReturnType<typeof poolSnapshot>[]): LimitsView[] {
  return viewLimits(
    pools.map((pool) => ({ ...pool, origin: ORIGIN })),
    OPTIONS.nowMs,
  );
}

describe('limits as text', () => {
  test('say the limit, how much is used, from where it is known and how fresh', () => {
    expect(limitsText(views(batches, opus), OPTIONS)).toBe(
      [
        'batches  org_1  seen 12s ago',
        '  open batches                  100  [            ]   3 %       3  from a flag',
        '  requests in open batches  200,000  [==          ]  20 %  41,000  from the Admin API, 2h ago',
        '',
        'opus_5  org_1  seen 12s ago',
        '  requests a minute          1,000  [====        ]  41 %        412  from headers, 3m 12s ago',
        '  input tokens a minute  2,000,000  [=========== ]  92 %  1,850,000  assumed, nothing is known yet',
        '  last minute  412 calls  1,850,000 in  40,000 out  3 refused (429)  5 tried again',
        '  last hour    412 calls  1,850,000 in  40,000 out  3 refused (429)  5 tried again',
        '  latency of 14 calls: p50 420ms, p95 1.8s, p99 2.4s',
        '  ! input tokens at 92 % of the minute',
      ].join('\n'),
    );
  });

  test('of several keys say each, and of several base URLs whose they are', () => {
    const [key] = opus.use;
    const many = { ...opus, use: [...opus.use, { key: 'sk-ant-…bbbb', minutes: key?.minutes ?? [] }] };
    const text = limitsText(
      viewLimits(
        [
          { ...many, origin: ORIGIN },
          { ...opus, origin: 'https://gateway.example' },
        ],
        OPTIONS.nowMs,
      ),
      OPTIONS,
    );
    expect(text).toMatch(/^ {2}last minute +824 calls/m);
    expect(text).toMatch(/^ {2}sk-ant-…bbbb, minute +412 calls/m);
    expect(text).toContain(`opus_5  org_1  ${ORIGIN}`);
    expect(text).toContain('opus_5  org_1  https://gateway.example');
  });

  test('say that the API asks for a pause, until when, and that a shared limiter is away', () => {
    const paused = { ...opus, pausedUntilMs: OPTIONS.nowMs + 60_000, mode: 'alone' } as const;
    const text = limitsText(views(paused), OPTIONS);
    expect(text).toContain('! calls wait until 2026-11-20T00:02:42.000Z: the API asks for it');
    expect(text).toContain('the shared limiter is away: a safe share is used');
  });

  test('are yellow where they are nearly used up, with colours', () => {
    expect(limitsText(views(opus), { ...OPTIONS, color: true })).toContain(
      '\u001b[33m  ! input tokens at 92 % of the minute\u001b[0m',
    );
  });

  test('in `status` are a line for each pool that was used, and what is nearly used up', () => {
    expect(limitsParagraph(views(batches, opus), OPTIONS)).toBe(
      [
        'limits',
        '  opus_5  412 of 1,000 requests a minute, 1,850,000 of 2,000,000 input tokens a minute',
        '  ! input tokens of opus_5 at 92 % of the minute',
      ].join('\n'),
    );
    expect(limitsParagraph(views(batches), OPTIONS)).toBe('');
    expect(limitsParagraph([], OPTIONS)).toBe('');
  });

  test('that are passed say more than a hundred, and the bar is full', () => {
    const over = {
      ...opus,
      limits: [{ name: 'requests', value: 400, source: 'refusal', atMs: SEEN_MS }],
    } as const;
    const text = limitsText(views(over), OPTIONS);
    expect(text).toContain('[============]  103 %');
    expect(text).toContain('from a 429, 12s ago');
  });
});
