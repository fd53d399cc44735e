/** The gauge against the truth: exact for small inputs, near it for large ones, whatever the rows look like. */
import { describe, expect, test } from 'vitest';
import { seededRng } from '../../../src/base/random.ts';
import { DuplicateGauge, type GaugedKind } from '../../../src/domain/duplicate-gauge.ts';

const KIND: GaugedKind = { model: 'claude-haiku-5-5', maxTokens: 64, betas: [] };

const text = (at: number): string =>
  `{"messages":[{"role":"user","content":"question ${at}, ${'x'.repeat(at % 50)}"}]}`;

interface Truth {
  readonly rows: number;
  readonly bytes: number;
}

/** Feeds these rows; gives what a set of texts says. */
function fed(gauge: DuplicateGauge, rows: Iterable<string>, kind = KIND): Truth {
  const seen = new Set<string>();
  let [count, bytes] = [0, 0];
  for (const row of rows) {
    const params = Buffer.from(row);
    gauge.add(params, kind);
    if (seen.has(row)) {
      count++;
      bytes += params.length;
    }
    seen.add(row);
  }
  return { rows: count, bytes };
}

function* times(count: number, rowAt: (at: number) => string): Generator<string> {
  for (let at = 0; at < count; at++) yield rowAt(at);
}

describe('a small input', () => {
  test.each([
    ['none', 500, (at: number) => text(at), 0],
    ['every one twice', 500, (at: number) => text(at >> 1), 250],
    ['one a hundred times', 500, (at: number) => text(at < 100 ? 0 : at), 99],
    ['all the same', 500, () => text(7), 499],
    ['a single row', 1, (at: number) => text(at), 0],
  ] as const)('%s: exact', (_name, count, rowAt, expected) => {
    const gauge = new DuplicateGauge();
    const truth = fed(gauge, times(count, rowAt));
    expect(truth.rows).toBe(expected);
    const { rows, exact, mix } = gauge.estimate();
    expect({ rows, exact }).toEqual({ rows: expected, exact: true });
    if (expected > 0) expect(mix[KIND.model]).toEqual({ rows: expected, bytes: truth.bytes, maxTokens: 64 * expected });
    else expect(mix).toEqual({});
  });

  test('nothing read, nothing found', () => {
    expect(new DuplicateGauge().estimate()).toEqual({ rows: 0, exact: true, mix: {} });
  });

  test('other betas are another question', () => {
    const gauge = new DuplicateGauge();
    fed(gauge, [text(1)]);
    fed(gauge, [text(1)], { ...KIND, betas: ['a'] });
    fed(gauge, [text(1)], { ...KIND, betas: ['b'] });
    expect(gauge.estimate().rows).toBe(0);
    fed(gauge, [text(1)], { ...KIND, betas: ['b'] });
    expect(gauge.estimate().rows).toBe(1);
  });
});

describe('a large input', () => {
  const COUNT = 60_000;
  const LOOKS = 2_000;

  test.each([
    ['every one twice', (at: number) => text(at >> 1)],
    ['three times, far apart', (at: number) => text(at % (COUNT / 3))],
    ['a thousand questions', (at: number) => text((at * 7_919) % 1_000)],
    ['one row is half of all', (at: number) => text(at % 2 === 0 ? 0 : at)],
    ['a tenth', (at: number) => text(at % 10 === 9 ? at - 1 : at)],
  ])('%s: near the truth', (_name, rowAt) => {
    const gauge = new DuplicateGauge(LOOKS);
    const truth = fed(gauge, times(COUNT, rowAt));
    const { rows, exact, mix } = gauge.estimate();
    expect(exact).toBe(false);
    expect(Math.abs(rows - truth.rows)).toBeLessThan(COUNT * 0.06);
    expect(Math.abs((mix[KIND.model]?.bytes ?? 0) / truth.bytes - 1)).toBeLessThan(0.5);
  });

  test('without any twice: none', () => {
    const gauge = new DuplicateGauge(LOOKS);
    fed(gauge, times(COUNT, text));
    expect(gauge.estimate()).toEqual({ rows: 0, exact: false, mix: {} });
  });

  test('beyond what is exact few rows are looked at, and they are enough', () => {
    const gauge = new DuplicateGauge();
    const truth = fed(
      gauge,
      times(COUNT, (at) => text(at % 10 === 9 ? at - 1 : at)),
    );
    expect(gauge.sketch(COUNT).keys.length).toBeLessThanOrEqual(8_192);
    expect(Math.abs(gauge.estimate().rows - truth.rows)).toBeLessThan(COUNT * 0.02);
  });

  test('is not misled by rows that look alike to the first hash', () => {
    const gauge = new DuplicateGauge(500);
    // All of one length, and they differ in bytes that it does not sample.
    const alike = (at: number): string => `${'a'.repeat(100)}${String(at).padStart(6, '0')}${'b'.repeat(2_000)}`;
    const truth = fed(
      gauge,
      times(20_000, (at) => alike(at >> 1)),
    );
    expect(Math.abs(gauge.estimate().rows - truth.rows)).toBeLessThan(20_000 * 0.15);
  });

  test('over many inputs the estimate is right on the average', () => {
    let [told, true_] = [0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const rng = seededRng(`gauge ${seed}`);
      const gauge = new DuplicateGauge(200);
      const base = seed * 1_000_000;
      true_ += fed(
        gauge,
        times(5_000, () => text(base + Math.floor(rng.next() * 4_000))),
      ).rows;
      told += gauge.estimate().rows;
    }
    expect(Math.abs(told / true_ - 1)).toBeLessThan(0.05);
  });
});

describe('against what another one has kept', () => {
  test.each([200, 16_384])('rows that both have seen (%i looks)', (looks) => {
    const earlier = new DuplicateGauge(looks);
    fed(earlier, times(4_000, text));
    const now = new DuplicateGauge(looks);
    // 3,000 of these were there before, 500 of them twice now.
    fed(
      now,
      times(5_500, (at) => text(at < 500 ? 1_000 + at : at + 500)),
    );
    const { keys, part } = earlier.sketch(looks);
    const { rows } = now.estimateOf(new Set(keys), part);
    expect(Math.abs(rows - 3_500)).toBeLessThan(looks === 200 ? 1_200 : 1);
  });

  test('a sketch is as small as asked for', () => {
    const gauge = new DuplicateGauge();
    fed(gauge, times(10_000, text));
    const { keys, part } = gauge.sketch(100);
    expect(keys.length).toBeLessThanOrEqual(100);
    expect(keys.length / (part.first * part.second)).toBeGreaterThan(5_000);
    expect([...keys]).toEqual([...keys].sort((one, other) => one - other));
  });
});
