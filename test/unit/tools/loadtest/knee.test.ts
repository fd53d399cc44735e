/**
 * Where refusals begin, and the limits that follow: against a simulator whose limits are known.
 */
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import type { LoadAnswer } from '../../../../src/domain/load.ts';
import { NO_USAGE } from '../../../../src/domain/model.ts';
import type { RateSeen } from '../../../../src/domain/pacing/rate-seen.ts';
import { isRefused, kneeOf } from '../../../../src/tools/loadtest/knee.ts';
import { RateWatch } from '../../../../src/tools/loadtest/rate-watch.ts';
import { noCounts } from '../../../../src/tools/loadtest/tally.ts';
import type { LoadView } from '../../../../src/tools/loadtest/view.ts';
import type { SimLimitsPart, SimOptions } from '../../../../src/tools/sim/options.ts';
import { ENTRY, open, simClient, tested } from './load.lab.ts';

const MINUTES = 120_000;

async function stepped(limits: SimLimitsPart['messages'], more: SimOptions = {}, tokens = 50): Promise<LoadView> {
  const { view } = await tested(
    {
      load: open('steps', [1, 32], MINUTES),
      durationMs: MINUTES,
      entries: [{ ...ENTRY, ask: { kind: 'tokens', tokens } }],
    },
    simClient({
      ...{ tier: 'scale', messageLatencyMs: [100, 300], limits: { messages: limits ?? {} } },
      ...{ switches: { burstMs: 1_000, ...more.switches } },
    }),
  );
  return view;
}

describe('steps', () => {
  it('find the limit of requests between two rates, and the rate that goes on beside refusals', async () => {
    const view = await stepped({ rpm: 300 });
    expect(view.knee?.last_clean_per_second).toBeLessThanOrEqual(5);
    expect(view.knee?.first_refused_per_second).toBeGreaterThan(5);
    expect(view.knee?.first_refused_per_second).toBeLessThan(8);
    expect(view.knee?.sustained_per_second).toBeGreaterThan(4.7);
    expect(view.knee?.sustained_per_second).toBeLessThan(5.3);
    expect(view.knee?.bound_by).toBe('requests');
    expect(view.limits).toMatchObject([
      { model: 'claude-haiku-5-5', bound_by: 'requests', requests: { per_minute: 300, source: 'headers' } },
    ]);
    // One step after the first with refusals is enough.
    expect(view.ended_by).toBe('knee');
    expect(view.findings[0]).toMatch(/^Refusals begin between .*\/s and .*\/s\. .* It is the number of requests/);
    expect(view.by_stage.map(({ rate_limited: limited }) => limited > 0)).toEqual([
      ...view.by_stage.slice(0, -2).map(() => false),
      true,
      true,
    ]);
  });

  it('tell input tokens from requests', async () => {
    const view = await stepped({ itpm: 60_000 }, {}, 500);
    expect(view.limits[0]).toMatchObject({ bound_by: 'input_tokens', input_tokens: { per_minute: 60_000 } });
    expect(view.findings[0]).toContain('shorter prompts');
  });

  it('tell output tokens too', async () => {
    const view = await stepped({ otpm: 6_000 });
    expect(view.limits[0]).toMatchObject({ bound_by: 'output_tokens', output_tokens: { per_minute: 6_000 } });
    expect(view.findings[0]).toContain('shorter answers');
  });

  it('need no headers: the refusals name the limit', async () => {
    const view = await stepped({ rpm: 300 }, { switches: { rateHeaders: 'none' } });
    expect(view.limits[0]?.requests).toEqual({ per_minute: 300, source: 'refusal' });
    expect(view.limits[0]?.input_tokens).toMatchObject({ source: 'at_least' });
  });

  it('say so where nothing is refused', async () => {
    const view = await stepped({});
    expect(view.knee).toMatchObject({ first_refused_per_second: null, sustained_per_second: null, bound_by: null });
    expect(view.ended_by).toBe('duration');
    expect(view.findings).toContain('Nothing was refused up to 32/s: the knee is above that.');
  });

  it('do not take a burst that a full bucket let through for a limit', async () => {
    const view = await stepped({ rpm: 1_500 }, { switches: { burstMs: 60_000 } });
    expect(view.knee?.first_refused_per_second).toBeNull();
    expect(view.findings[0]).toMatch(
      /^Nothing was refused up to 32\/s, but by the headers the limit of requests is met at 25\/s/,
    );
  });

  it('are not misled by a full bucket: the rate beside refusals is below that of the last clean step', async () => {
    const view = await stepped({ rpm: 300 }, { switches: { burstMs: null } });
    expect(view.knee?.last_clean_per_second).toBeGreaterThan(6);
    expect(view.knee?.sustained_per_second).toBeLessThan(5.4);
    expect(view.findings[0]).toContain('a full bucket lets a burst through');
  });
});

it('refusals are there at once and answers later: a single one of a step is no knee meanwhile', () => {
  expect(isRefused({ ...noCounts(), sent: 60, rateLimited: 1, succeeded: 2 })).toBe(false);
  expect(isRefused({ ...noCounts(), sent: 60, rateLimited: 3, succeeded: 2 })).toBe(true);
});

it('the headers of tokens count too: what a full bucket of them let through is not below the knee', async () => {
  const view = await stepped({ itpm: 90_000 }, { switches: { burstMs: 60_000 } }, 100);
  expect(view.knee).toMatchObject({ first_refused_per_second: null, told_by: 'input_tokens' });
  expect(view.knee?.told_per_second).toBeGreaterThan(13);
  expect(view.knee?.told_per_second).toBeLessThan(20);
  expect(view.findings[0]).toMatch(/^Nothing was refused .* the limit of input tokens is met at 1\d\.?\d*\/s/);
});

it('a ramp shows the knee as well, in slices of its time', async () => {
  const { view } = await tested(
    { load: open('ramp', [1, 21], MINUTES), durationMs: MINUTES },
    simClient({
      ...{ tier: 'scale', messageLatencyMs: [100, 300], limits: { messages: { rpm: 600 } } },
      ...{ switches: { burstMs: 1_000 } },
    }),
  );
  expect(view.by_stage).toHaveLength(10);
  expect(view.knee?.last_clean_per_second).toBeLessThanOrEqual(10);
  expect(view.knee?.first_refused_per_second).toBeGreaterThanOrEqual(8);
  expect(view.ended_by).toBe('duration');
});

const answer = (sentAtMs: number, limited: boolean): LoadAnswer => ({
  ...{ sentAtMs, endedAtMs: sentAtMs + 100, connectMs: null, firstByteMs: null, firstTokenMs: null, bytes: 0 },
  ...{ status: limited ? 429 : 200, requestId: null, rates: null, model: null, text: null },
  usage: limited ? NO_USAGE : { ...NO_USAGE, inputTokens: 200, outputTokens: 20 },
  failure: limited
    ? { kind: 'rate_limit_error', refusal: { kind: 'rate', bucket: 'requests', limit: null }, retryAfterMs: 2_000 }
    : null,
});

describe('a mix of models of which one is refused', () => {
  const ratesOf = (perMinute: number): RateSeen => {
    const bucket = (limit: number) => ({ limit, remaining: null, resetMs: null });
    const buckets = { requests: bucket(perMinute), input: bucket(1e7), output: bucket(1e7) };
    return { organization: null, workspace: null, by: 'api', buckets };
  };

  /** Half and half at 20/s for a minute: all of the one passes, of the other a full bucket and then one a second. */
  function mixed() {
    const [wide, narrow] = [new RateWatch('wide'), new RateWatch('narrow')];
    const counts = noCounts();
    let left = 60;
    for (let atMs = 0; atMs < 60_000; atMs += 100) {
      left += 0.1;
      const limited = left < 1;
      if (!limited) left--;
      wide.note({ ...answer(atMs, false), rates: ratesOf(6_000) });
      narrow.note({ ...answer(atMs + 50, limited), rates: ratesOf(60) });
      counts.sent += 2;
      counts.succeeded += limited ? 1 : 2;
      counts.rateLimited += limited ? 1 : 0;
    }
    return { counts, watches: [wide, narrow] };
  }

  it('meets the limit of that one by its share of what was sent, not of what passed', () => {
    const { counts, watches } = mixed();
    expect(counts.rateLimited).toBeGreaterThan(400);
    const knee = kneeOf({
      ...{ stages: [{ fromMs: 0, toMs: 60_000, ratePerSecond: 20 }], parts: [{ counts }], watches },
      load: { isByPlan: true, sendingMs: 60_000 },
    });
    expect(knee).toMatchObject({ told_per_second: 2, told_by: 'requests' });
    expect(knee?.sure_per_second).toBeGreaterThan(0);
    expect(knee?.sure_per_second).toBeLessThanOrEqual(2);
  });
});

describe('what went through beside refusals', () => {
  it('is the limit where neither headers nor refusals name it', () => {
    const watch = new RateWatch('m');
    const rng = seededRng(2);
    // A burst of 100 goes through at once; then five a second of twenty.
    for (let at = 0; at < 100; at++) watch.note(answer(at, false));
    for (let at = 0; at < 2_000; at++) watch.note(answer(1_000 + at * 50, rng.next() > 0.25));
    const view = watch.view();
    expect(view.requests?.source).toBe('observed');
    expect(view.requests?.per_minute).toBeGreaterThan(270);
    expect(view.requests?.per_minute).toBeLessThan(330);
    expect(view.input_tokens?.source).toBe('at_least');
    expect(view.retry_after_seconds).toBe(2);
  });

  it('is no limit where all pass until a minute of the clock is full, and then none does', () => {
    const watch = new RateWatch('m');
    for (let at = 0; at < 400; at++) watch.note(answer(at * 50, at >= 60));
    expect(watch.sustainedPerSecond).toBeNull();
    expect(watch.view()).toMatchObject({ bound_by: 'requests', requests: null });
    // The next minutes are open again for their first three seconds: now it has been seen.
    for (let at = 400; at < 3_600; at++) watch.note(answer(at * 50, at % 1_200 >= 60));
    expect(watch.view().requests?.source).toBe('observed');
    expect(watch.view().requests?.per_minute).toBeLessThanOrEqual(60);
  });

  it('is no more of the other limits than a full bucket and the time may have given', () => {
    const watch = new RateWatch('m');
    // 40,000 tokens in ten seconds are no 240,000 a minute: a limit of 40,000 lets them through.
    for (let at = 0; at < 200; at++) watch.note(answer(at * 50, false));
    watch.note(answer(10_000, true));
    expect(watch.view().input_tokens).toEqual({ per_minute: 20_000, source: 'at_least' });
  });

  it('is nothing where it was too short to tell', () => {
    const watch = new RateWatch('m');
    watch.note(answer(0, false));
    watch.note(answer(100, true));
    watch.note(answer(900, false));
    expect(watch.sustainedPerSecond).toBeNull();
    expect(watch.view()).toMatchObject({ bound_by: 'requests', requests: null });
  });
});
