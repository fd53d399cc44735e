import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../../src/base/random.ts';
import { createLatencies } from '../../../../src/engine/pacing/latency.ts';

describe('latencies', () => {
  test('are nothing before the first call', async () => {
    expect((await createLatencies()).view()).toBeNull();
  });

  test('have percentiles to three digits', async () => {
    const latencies = await createLatencies();
    for (let ms = 1; ms <= 1_000; ms++) latencies.record(ms);
    expect(latencies.view()).toEqual({ calls: 1_000, p50Ms: 500, p95Ms: 950, p99Ms: 990 });
  });

  test('of any distribution are those of the sorted calls, to a thousandth', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const rng = seededRng(`latency ${seed}`);
      const latencies = await createLatencies();
      const calls = Array.from({ length: 500 }, () => integerBetween(rng, 1, 10 ** integerBetween(rng, 1, 6)));
      for (const ms of calls) latencies.record(ms);
      const sorted = calls.toSorted((a, b) => a - b);
      const view = latencies.view();
      for (const [share, shown = 0] of [
        [0.5, view?.p50Ms],
        [0.95, view?.p95Ms],
        [0.99, view?.p99Ms],
      ] as const) {
        const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
        expect(Math.abs(shown - exact), `seed ${seed}`).toBeLessThanOrEqual(1 + exact / 1_000);
      }
    }
  });

  test('beyond what the histogram holds are its ends, and no failure', async () => {
    const latencies = await createLatencies();
    latencies.record(0);
    latencies.record(0.2);
    latencies.record(7_200_000);
    const view = latencies.view();
    expect(view).toMatchObject({ calls: 3, p50Ms: 1 });
    expect(view?.p99Ms).toBeGreaterThan(3_598_000);
    expect(view?.p99Ms).toBeLessThan(3_602_000);
  });
});
