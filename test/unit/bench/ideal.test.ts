/**
 * The yardstick of `npm run bench:pacing`: the least time that the buckets allow.
 */
import { describe, expect, test } from 'vitest';
import { idealMs } from '../../bench/ideal.mjs';
import { bench, paramsOf } from '../tools/sim/helpers.ts';

const PLENTY = { rpm: 600, itpm: 1e9, otpm: 1e9 };

function idealOf(demand: { requests?: number; input?: number; output?: number }, latencyMs = 0, limits = PLENTY) {
  return idealMs({
    demand: { requests: 0, input: 0, output: 0, ...demand },
    phases: [{ fromMs: 0, ...limits }],
    latencyMs,
  });
}

describe('the least time', () => {
  test('a full bucket pays at once, and what is more waits for the inflow', () => {
    expect(idealOf({ requests: 600 })).toBe(0);
    expect(idealOf({ requests: 900 })).toBe(30_000);
    expect(idealOf({ requests: 6_000 })).toBe(540_000);
  });

  test('the slowest bucket decides, and the last answer takes its time', () => {
    const limits = { rpm: 600, itpm: 10_000, otpm: 1_000 };
    expect(idealOf({ requests: 900, input: 40_000, output: 1_500 }, 250, limits)).toBe(180_250);
    expect(idealOf({ requests: 900, input: 12_000, output: 3_000 }, 250, limits)).toBe(120_250);
  });

  test('a limit that is cut lets less flow in from then on', () => {
    const phases = [
      { fromMs: 0, ...PLENTY },
      { fromMs: 120_000, ...PLENTY, rpm: 300 },
    ];
    const idealFor = (requests: number) => idealMs({ demand: { requests, input: 0, output: 0 }, phases, latencyMs: 0 });
    // 600 at once and 1,200 in two minutes; the rest at 300 a minute.
    expect(idealFor(1_500)).toBe(90_000);
    expect(idealFor(1_800)).toBe(120_000);
    expect(idealFor(3_000)).toBe(120_000 + 240_000);
  });

  test('who calls whenever the simulator lets him is as fast, and not faster', async () => {
    const messages = { rpm: 60, itpm: 7_000, otpm: 1e6 };
    const { call, clock } = bench({ messageLatencyMs: [0, 0], limits: { messages } });
    const startMs = clock.now();
    for (let sent = 0; sent < 200;) {
      const { status } = await call('POST', '/v1/messages', paramsOf('x'.repeat(400)));
      if (status === 200) sent++;
      else clock.advance(100);
    }
    const idealTime = idealOf({ requests: 200, input: 20_000 }, 0, messages);
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(Math.floor(idealTime));
    expect(clock.now() - startMs).toBeLessThan(idealTime + 200);
  });
});
