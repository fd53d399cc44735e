/**
 * The grammar of --fail-if for load tests, and what it makes of what was measured.
 */
import { describe, expect, it } from 'vitest';
import { BatchrunError } from '../../../../src/base/errors.ts';
import type { LatencyView } from '../../../../src/tools/loadtest/live.ts';
import {
  judge,
  needsStream,
  parseThresholds,
  verdictValue,
  type Measures,
} from '../../../../src/tools/loadtest/thresholds.ts';

function times(ms: number): LatencyView {
  return {
    ...{ count: 100, mean_ms: ms, p50_ms: ms, p75_ms: ms + 1, p90_ms: ms + 2, p95_ms: ms + 3, p99_ms: ms + 4 },
    ...{ p99_9_ms: ms + 5, max_ms: ms + 6 },
  };
}

const MEASURES: Measures = {
  latency: {
    ...{ total: times(1_000), service: times(500), connect: times(1), first_byte: times(100) },
    ...{ first_token: null, stream: times(400) },
  },
  ...{ sent: 100, succeeded: 90, failed: 2, rateLimited: 8, perSecond: 4.5, inputPerMinute: 1_000 },
  ...{ outputPerMinute: 2_000, tokensPerSecond: null, costUsd: 0.5 },
};

function failed(text: string, measures: Measures = MEASURES): boolean[] {
  return judge(parseThresholds(text), measures).map((one) => one.failed);
}

describe('conditions', () => {
  it.each([
    ['p95>1s', true],
    ['p95>1003ms', false],
    ['p95>=1003ms', true],
    ['p99.9>1.005s', false],
    ['p99.9>=1.005s', true],
    ['mean<1s', false],
    ['max<=1006ms', true],
    ['service_p50>400ms', true],
    ['ttfb_p99>1s', false],
    ['stream_p50>300ms', true],
    ['connect_p50>1m', false],
    ['error_rate>1%', true],
    ['error_rate>0.02', false],
    ['error_rate>=2%', true],
    ['error_rate>=100%', false],
    ['rate_limited>8%', false],
    ['rate_limited>7.9%', true],
    ['rps<5', true],
    ['rpm<5', false],
    ['requests<100', false],
    ['failed>1', true],
    ['succeeded<91', true],
    ['input_tpm<1001', true],
    ['output_tpm<1001', false],
    ['cost>$0.40', true],
    [' P95 > 1s ', true],
  ])('%s is %s', (text, wanted) => {
    expect(failed(text)).toEqual([wanted]);
  });

  it('are several, each judged for itself', () => {
    expect(failed('p95>2s, error_rate>1%,rps<5')).toEqual([false, true, true]);
  });

  it('on what was not measured have failed: nobody has seen that it is fine', () => {
    expect(failed('ttft_p95>1s, tokens_per_second<1')).toEqual([true, true]);
    const nothing = { ...MEASURES, succeeded: 0, failed: 0, rateLimited: 0, costUsd: null };
    expect(failed('error_rate>1%, cost>1', nothing)).toEqual([true, true]);
    expect(parseThresholds('ttft_p95>1s,p95>1s').map(needsStream)).toEqual([true, false]);
  });

  it.each([
    ['p95', 'is no condition'],
    ['', 'is no condition'],
    ['p95>2s,', 'is no condition'],
    ['p95=2s', 'is no condition'],
    ['p95>2', 'a time such as'],
    ['p95>2%', 'a time such as'],
    ['error_rate>1s', 'a share such as'],
    // One percent was meant, and as one hundred it would never hold.
    ['error_rate>1', 'a share such as'],
    ['rate_limited>=5', 'a share such as'],
    ['error_rate>101%', 'a share such as'],
    ['rps<fast', 'a number is wanted'],
    ['p96>2s', 'there is no p96'],
    ['error_rat>1%', 'did you mean error_rate?'],
    ['ttft_p90.5>2s', 'there is no ttft_p90.5'],
  ])('"%s" is refused, with what there is', (text, what) => {
    let seen: unknown;
    try {
      parseThresholds(text);
    } catch (error) {
      seen = error;
    }
    if (!(seen instanceof BatchrunError)) throw new Error(`${text} was taken`);
    expect(seen).toMatchObject({ code: 'E_USAGE', exit: 2 });
    expect(seen.message).toContain(what);
    expect(seen.hint).toContain('p99.9');
    expect(seen.hint).toContain('rate_limited');
  });

  it('say their values for people', () => {
    const said = judge(parseThresholds('p95>1s,error_rate>1%,rps<5,output_tpm<1,ttft_p50>1s'), MEASURES).map(
      verdictValue,
    );
    expect(said).toEqual(['1,003ms', '2%', '4.5', '2,000', 'not measured']);
  });
});
