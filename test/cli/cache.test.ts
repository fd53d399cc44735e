/**
 * `--cache` against the simulator, by what it would bill: cold and warmed, where it does not pay, at a crash between the
 * warm-up and the batch, with a budget.
 */
import { describe, expect, test } from 'vitest';
import { costUsd } from '../../src/domain/pricing.ts';
import type { InputUse } from '../../src/tools/sim/prompt-cache.ts';
import type { SimWorld } from '../../src/tools/sim/world.ts';
import { bench, expectNothingTwice, jsonl, MODEL, type Bench, type Printed } from '../support/cli.ts';

const ROWS = 80;
/** 24,000 bytes: 6,000 tokens to the simulator, and the model caches from 4,096. */
const SYSTEM = 'You are careful, and you answer in one word. '.repeat(534).slice(0, 24_000);
const SYSTEM_TOKENS = 6_000;
const ONE_HOUR = { type: 'ephemeral', ttl: '1h' };

interface Marked {
  readonly cache: Cache | null;
  readonly first_request: { readonly system: readonly Record<string, unknown>[] };
}

interface Cache {
  readonly mode: string;
  readonly declined: string | null;
  readonly prefixes: readonly { readonly ttl: string; readonly tokens: number; readonly useless: boolean }[];
  readonly read_tokens: number;
  readonly written_tokens: number;
  readonly hit_share: number | null;
  readonly warm_ups: number;
  readonly warm_up_usd: number;
  readonly saved_usd: number;
}

function cacheIn(printed: Printed): Cache | null {
  return (printed as unknown as { runs: readonly Marked[] }).runs[0]?.cache ?? null;
}

function rows(count: number, system: string | null = SYSTEM): string {
  return jsonl(
    Array.from({ length: count }, (_unused, at) => ({
      custom_id: `row-${at + 1}`,
      params: {
        ...{ model: MODEL, max_tokens: 20, messages: [{ role: 'user', content: `question ${at + 1}` }] },
        ...(system === null ? {} : { system }),
      },
    })),
  );
}

function inputs(world: SimWorld): { readonly batches: InputUse[]; readonly calls: InputUse[] } {
  const batches = world.ledger.batches.flatMap((batch) => [...batch.rows()].map(({ input }) => input));
  return { batches, calls: world.ledger.messages.map(({ input }) => input) };
}

/** What the simulator would bill for input. */
function billUsd(world: SimWorld): number {
  const { batches, calls } = inputs(world);
  const usd = (lane: 'batch' | 'realtime') => (sum: number, input: InputUse) => {
    const {
      plain: inputTokens,
      write5m: cacheWrite5mTokens,
      write1h: cacheWrite1hTokens,
      read: cacheReadTokens,
    } = input;
    const usage = { inputTokens, outputTokens: 0, cacheWrite5mTokens, cacheWrite1hTokens, cacheReadTokens };
    return sum + (costUsd({ model: MODEL, lane, usage }) ?? NaN);
  };
  return batches.reduce(usd('batch'), 0) + calls.reduce(usd('realtime'), 0);
}

async function warmed(args: readonly string[] = []): Promise<Bench> {
  const b = await bench();
  b.write('in.jsonl', rows(ROWS));
  await b.ok(['run', 'in.jsonl', '--chunk-size', '20', '--cache', 'auto', ...args]);
  return b;
}

describe('--cache auto', () => {
  test('warms the cache once, every row reads, and the bill is a fifth of what it was', async () => {
    const plain = await bench();
    plain.write('in.jsonl', rows(ROWS));
    await plain.ok(['run', 'in.jsonl', '--chunk-size', '20']);
    const b = await warmed();
    const { batches, calls } = inputs(b.world);
    expect(calls).toEqual([{ plain: 1, write5m: 0, write1h: SYSTEM_TOKENS, read: 0 }]);
    expect(batches).toHaveLength(ROWS);
    for (const input of batches) expect(input).toMatchObject({ write5m: 0, write1h: 0, read: SYSTEM_TOKENS });
    expect(billUsd(b.world)).toBeLessThan(billUsd(plain.world) / 5);
  });

  test('cold marks of the rows themselves cost more than none', async () => {
    const system = [{ type: 'text', text: SYSTEM, cache_control: ONE_HOUR }];
    const cold = await bench();
    cold.write('in.jsonl', rows(ROWS).replaceAll(JSON.stringify(SYSTEM), JSON.stringify(system)));
    const { stderr } = await cold.ok(['run', 'in.jsonl', '--cache', 'auto']);
    expect(stderr).toContain('cache: not used: the rows have cache_control of their own');
    expect(inputs(cold.world).calls).toEqual([]);
    const warm = await warmed();
    expect(billUsd(cold.world)).toBeGreaterThan(8 * billUsd(warm.world));
    const view = cacheIn(await cold.json(0, ['status']));
    expect(view).toMatchObject({ warm_ups: 0, hit_share: 0, written_tokens: ROWS * SYSTEM_TOKENS });
    expect(view?.saved_usd).toBeLessThan(0);
  });

  test('shows hits, warm-ups and what was saved, and the sums are those of the bill', async () => {
    const b = await warmed();
    const printed = await b.json(0, ['status']);
    const view = cacheIn(printed);
    expect(view).toMatchObject({ mode: 'auto', declined: null, hit_share: 1, written_tokens: 0, warm_ups: 1 });
    expect(view?.read_tokens).toBe(ROWS * SYSTEM_TOKENS);
    expect(view?.prefixes).toMatchObject([{ ttl: '1h', useless: false }]);
    // A half of 0.10 as plain input, of which a tenth is left; and the warm-up at twice the price.
    const saved = (ROWS * SYSTEM_TOKENS * 0.045) / 1e6 - (SYSTEM_TOKENS * 0.2 + 0.1) / 1e6;
    expect(view?.saved_usd).toBeCloseTo(saved, 5);
    const { stdout } = await b.ok(['status']);
    expect(stdout).toMatch(
      /cache {2}100% of the cached tokens were hits \(480,000 read, 0 written\); 1 warm-up for \$/,
    );
    const audit = await b.json(0, ['audit']);
    expect(audit.ok).toBe(true);
  });

  test('sends what it would send without it, but for the mark', async () => {
    const b = await bench();
    b.write('in.jsonl', rows(ROWS));
    const first = (await b.json(0, ['submit', 'in.jsonl', '--cache', 'auto', '--dry-run'])) as unknown as Marked;
    expect(first.first_request.system).toEqual([{ type: 'text', text: SYSTEM, cache_control: ONE_HOUR }]);
    const off = (await b.json(0, ['submit', 'in.jsonl', '--dry-run'])) as unknown as Marked;
    expect({ ...first.first_request, system: SYSTEM }).toEqual(off.first_request);
  });

  test('cuts the prompt where its columns begin', async () => {
    const b = await bench();
    const head = 'Read what follows, and say what it is about in a word or two.\n'.repeat(400);
    b.write('prompt.txt', `${head}Text: {{text}}`);
    b.write('in.csv', `id,text\n${Array.from({ length: ROWS }, (_unused, at) => `${at},question ${at}\n`).join('')}`);
    const args = ['--model', MODEL, '--max-tokens', '20', '--prompt-file', 'prompt.txt', '--cache', '1h'];
    const dry = (await b.json(0, ['submit', 'in.csv', ...args, '--dry-run'])) as unknown as {
      first_request: { messages: readonly { content: readonly { text: string }[] }[] };
    };
    expect(dry.first_request.messages[0]?.content).toEqual([
      { type: 'text', text: head, cache_control: ONE_HOUR },
      { type: 'text', text: 'Text: question 0' },
    ]);
    await b.ok(['run', 'in.csv', ...args]);
    for (const input of inputs(b.world).batches) expect(input.write1h).toBe(0);
    expect(cacheIn(await b.json(0, ['status']))?.hit_share).toBe(1);
  });

  test('reads stdin once, and misses none of it', async () => {
    const b = await bench();
    await b.ok(['run', '-', '--cache', '1h', '-o', 'out.jsonl', '--quiet'], { stdin: rows(700) });
    expect(b.lines('out.jsonl').map((line) => line.custom_id)).toEqual(
      Array.from({ length: 700 }, (_unused, at) => `row-${at + 1}`),
    );
    expect(inputs(b.world).calls).toHaveLength(1);
  });

  test('marks in the thread that reads as well', async () => {
    const b = await bench();
    b.write('in.jsonl', rows(700));
    expect(b.read('in.jsonl').length).toBeGreaterThan(16 * 1024 * 1024);
    await b.ok(['run', 'in.jsonl', '--cache', 'auto']);
    for (const input of inputs(b.world).batches) expect(input.read).toBe(SYSTEM_TOKENS);
  });
});

describe('it does nothing, and says why, where', () => {
  test.each([
    [
      'the prefix is too short',
      SYSTEM.slice(0, 4_000),
      /the shared prefix has about [\d,]+ tokens, claude-haiku-5-5 caches from 4,096/,
    ],
    ['nothing is shared', null, /the rows share no beginning/],
  ])('%s', async (_name, system, said) => {
    const b = await bench();
    b.write('in.jsonl', rows(ROWS, system));
    const { stderr } = await b.ok(['run', 'in.jsonl', '--cache', '1h']);
    expect(stderr).toMatch(said);
    expect(inputs(b.world).calls).toEqual([]);
    expect(cacheIn(await b.json(0, ['status']))?.declined).toMatch(said);
    expect((await b.ok(['status'])).stdout).toMatch(/cache {2}not used: /);
  });

  test('too few rows share it', async () => {
    const b = await bench();
    b.write('in.jsonl', rows(3));
    const { stderr } = await b.ok(['run', 'in.jsonl', '--cache', 'auto']);
    expect(stderr).toMatch(/cache: not used: 5,993 shared tokens in about 3 rows would/);
    // Who forces it gets it; but a call beforehand costs more than three rows lose, so none is made for two.
    b.write('two.jsonl', rows(2));
    await b.ok(['run', 'two.jsonl', '--cache', '1h', '--quiet']);
    expect(inputs(b.world).calls).toEqual([]);
    expect(inputs(b.world).batches.slice(3)).toMatchObject([{ write1h: SYSTEM_TOKENS }, { write1h: SYSTEM_TOKENS }]);
  });

  test('a submit without --cache says what it would save, if it is worth a word', async () => {
    const b = await bench();
    b.write('in.jsonl', rows(ROWS));
    const prices = { [MODEL]: { input: 10, output: 50, cache_write_5m: 12.5, cache_write_1h: 20, cache_read: 1 } };
    b.write('dear.json', JSON.stringify(prices));
    const dear = await b.ok(['submit', 'in.jsonl', '--prices', 'dear.json']);
    expect(dear.stderr).toMatch(
      /cache: off; rows share up to about 7,\d+ tokens, and --cache auto would save about \$1\./,
    );
    const cheap = await b.ok(['submit', 'in.jsonl', '--again', '-o', 'other.jsonl']);
    expect(cheap.stderr).not.toContain('cache');
  });
});

describe('submitted again', () => {
  test('the same input comes to the same run, although prices have changed', async () => {
    const b = await warmed();
    const prices = { [MODEL]: { input: 0.1, output: 0.5, cache_write_5m: 9, cache_write_1h: 9, cache_read: 9 } };
    b.write('dear.json', JSON.stringify(prices));
    const args = ['run', 'in.jsonl', '--cache', 'auto', '--prices', 'dear.json'];
    const again = await b.ok(args);
    expect(again.stderr).toContain('These rows were submitted before');
    expect(b.runFolders()).toHaveLength(1);
    // As a new run of new settings it is decided anew.
    const fresh = await b.ok([...args, '--name', 'other', '--overwrite']);
    expect(fresh.stderr).toContain('cache: not used');
  });

  test('a prefix that another run has warmed within the hour is not warmed again', async () => {
    const b = await warmed();
    await b.ok(['run', 'in.jsonl', '--cache', 'auto', '--again', '--overwrite']);
    expect(inputs(b.world).calls).toHaveLength(1);
    for (const input of inputs(b.world).batches) expect(input.read).toBe(SYSTEM_TOKENS);
  });
});

describe('killed', () => {
  test.each(['cache.claimed', 'cache.answered'])(
    'at %s it repeats one call at most, and the rows read',
    async (place) => {
      const b = await bench();
      b.write('in.jsonl', rows(ROWS));
      const args = ['run', 'in.jsonl', '--cache', 'auto', '--chunk-size', '20'];
      const ended = await b.call(args, { env: { BATCHRUN_FAILPOINT: place } });
      expect(ended.signal).toBe('SIGKILL');
      await b.ok(args);
      const { batches, calls } = inputs(b.world);
      expect(calls).toHaveLength(place === 'cache.claimed' ? 1 : 2);
      for (const input of batches) expect(input.read).toBe(SYSTEM_TOKENS);
      expectNothingTwice(b.world);
    },
  );
});

describe('a warm-up that fails', () => {
  test('stops nothing: the batch goes cold, and that is said', async () => {
    const b = await bench({ rates: { messageErrorRates: { 500: 1 } } });
    b.write('in.jsonl', rows(ROWS));
    const args = ['run', 'in.jsonl', '--cache', 'auto', '--backoff-base', '1ms', '--backoff-max', '2ms'];
    const { stderr } = await b.ok([...args, '--chunk-size', '20']);
    expect(stderr).toMatch(/could not be written beforehand \(500 api_error\); chunk 1 goes without/);
    expect(stderr.match(/beforehand/g)).toHaveLength(1);
    expect(b.calls('messages.create')).toBe(3);
    expect(inputs(b.world).batches).toHaveLength(ROWS);
  });

  test('does not spend what the budget has not', async () => {
    const b = await bench();
    b.write('in.jsonl', rows(ROWS));
    // All rows at their worst are 0.149 USD: nothing is left for a call beside them.
    const mix = await b.json(0, ['submit', 'in.jsonl', '--dry-run', '--cache', '1h']);
    expect(mix).toBeDefined();
    const ended = await b.call(['run', 'in.jsonl', '--cache', '1h', '--max-cost', '0.02', '--chunk-size', '5']);
    expect([0, 5]).toContain(ended.code);
    expect(billUsd(b.world)).toBeLessThanOrEqual(0.02);
  });
});
