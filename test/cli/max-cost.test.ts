/**
 * `--max-cost` is a promise also where requests have more tokens than their bytes tell: images, and texts with more than a
 * token for every two bytes. What the simulator bills is held against the cap.
 */
import { describe, expect, test } from 'vitest';
import { bench, jsonl, MODEL, type Bench } from '../support/cli.ts';

/** A pixel; the simulator bills 1,600 tokens for any image. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
/** Of each row: so little is answered that the input is what costs. */
const SHORT = { model: MODEL, max_tokens: 5 };

function images(count: number): string {
  const source = { type: 'base64', media_type: 'image/png', data: PIXEL };
  return jsonl(
    Array.from({ length: count }, (_unused, at) => {
      const content = [
        { type: 'image', source },
        { type: 'text', text: `what is in picture ${at}?` },
      ];
      return { custom_id: `r${at}`, params: { ...SHORT, messages: [{ role: 'user', content }] } };
    }),
  );
}

function texts(count: number): string {
  return jsonl(
    Array.from({ length: count }, (_unused, at) => {
      const content = `${100 + at} `.repeat(400);
      return { custom_id: `r${at}`, params: { ...SHORT, messages: [{ role: 'user', content }] } };
    }),
  );
}

/** The simulator finds so many times the tokens in a text that it finds else: 3 for every byte. */
const DENSE = { textBytes: (text: string) => 12 * Buffer.byteLength(text) };

interface Shown {
  readonly rows: { readonly succeeded: number };
  readonly cost_usd: { readonly spent: number; readonly estimated_max: number };
  readonly budget: { readonly reserved_usd: number };
}

async function shown(b: Bench): Promise<Shown> {
  return (await b.json(0, ['status', 'latest'])).runs[0] as unknown as Shown;
}

describe.each([
  ['in batches', ['--chunk-size', '2']],
  ['by calls', ['--realtime']],
] as const)('%s', (_name, flags) => {
  test.each([
    ['images', images, {}, 0.003],
    ['texts with three tokens a byte', texts, DENSE, 0.005],
  ] as const)('%s stay below the cap, and are sent as far as it reaches', async (_kind, rows, world, cap) => {
    const b = await bench(world);
    b.write('in.jsonl', rows(40));
    const said = await b.exits(5, ['run', 'in.jsonl', ...flags, '--max-cost', String(cap)]);
    const { rows: counts, cost_usd: cost } = await shown(b);
    expect(cost.spent).toBeLessThanOrEqual(cap);
    expect(counts.succeeded).toBeGreaterThan(0);
    expect(said.stderr).toContain('Budget: $');
    expect(said.stderr).not.toContain('all rows fit');
  });
});

test('what a preflight has counted is in the figure that is shown, and in what is reserved', async () => {
  const b = await bench({ ...DENSE, batchDurationMs: [72_000_000, 72_000_000] });
  b.write('in.jsonl', texts(10));
  const plain = await bench({ batchDurationMs: [72_000_000, 72_000_000] });
  plain.write('in.jsonl', texts(10));
  const submit = ['submit', 'in.jsonl', '--max-cost', '50'];
  const { stderr } = await b.ok(submit);
  await plain.ok(submit);
  expect(stderr).toContain('10 of 10 counted rows have more tokens than is reckoned with by their size');
  const [most, usual] = [await shown(b), await shown(plain)];
  expect(most.cost_usd.estimated_max).toBeGreaterThan(5 * usual.cost_usd.estimated_max);
  expect(most.budget.reserved_usd).toBeCloseTo(most.cost_usd.estimated_max, 8);
  const figure = /at most about \$[\d.]+/;
  expect(figure.exec((await b.ok(['status'])).stdout)?.[0]).toBe(figure.exec(stderr)?.[0]);
  // The same rows once more are the same run, and the same figure.
  await b.ok(submit);
  expect((await shown(b)).cost_usd.estimated_max).toBe(most.cost_usd.estimated_max);
});

test.each([
  ['of batches', ['--chunk-size', '2', '--max-batches', '1']],
  ['of calls', ['--realtime', '--concurrency', '1']],
] as const)('without a preflight the first answers %s show it', async (_name, flags) => {
  const b = await bench(DENSE);
  b.write('in.jsonl', texts(40));
  // It reaches for eleven batches, or calls, and nearly half of one: by its size one more would fit.
  const cap = 0.0055;
  await b.exits(5, ['run', 'in.jsonl', ...flags, '--no-preflight', '--max-cost', String(cap)]);
  const { rows, cost_usd: cost } = await shown(b);
  expect(rows.succeeded).toBeGreaterThan(1);
  expect(cost.spent).toBeGreaterThan(cap / 2);
  expect(cost.spent).toBeLessThanOrEqual(cap);
});
