/**
 * The built program on a bad network: a proxy between it and the simulator breaks connections, stalls them or leaves
 * them half open at a spot that the test names. Whatever happened there, the next plain command brings the run to its
 * end: every row has its own answer, and nothing was accepted twice (promises P1, P2, P3).
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SimOptions } from '../../src/tools/sim/options.ts';
import {
  asked,
  bench,
  expectAnswers,
  expectNothingTwice,
  jsonl,
  params,
  requests,
  type Bench,
  type Ended,
  type Printed,
  type Running,
} from '../support/cli.ts';
import { startTcpProxy, type Fate, type FateOptions, type TcpProxy } from '../support/tcp-proxy.ts';

const ROWS = 6;
const CREATE = /^POST \/v1\/messages\/batches HTTP/;
const LIST = /^GET \/v1\/messages\/batches\?/;
const RESULTS = /^GET \/v1\/messages\/batches\/[^/]+\/results /;
const MESSAGE = /^POST \/v1\/messages HTTP/;
const JOB = ['run', 'in.jsonl', '--chunk-size', '3'];

/** A bench whose program reaches the simulator only through a proxy. */
class Line {
  readonly b: Bench;
  readonly proxy: TcpProxy;
  readonly #env: Readonly<Record<string, string>>;

  constructor(b: Bench, proxy: TcpProxy) {
    this.b = b;
    this.proxy = proxy;
    this.#env = { ANTHROPIC_BASE_URL: proxy.origin };
  }

  start(args: readonly string[]): Running {
    return this.b.start(args, { env: this.#env });
  }

  call(args: readonly string[]): Promise<Ended> {
    return this.start(args).ended;
  }

  ok(args: readonly string[]): Promise<Ended> {
    return this.b.ok(args, { env: this.#env });
  }

  exits(code: number, args: readonly string[]): Promise<Ended> {
    return this.b.exits(code, args, { env: this.#env });
  }

  status(): Promise<Printed> {
    return this.b.json(0, ['status', 'latest']);
  }

  /** How often each request was taken into a batch. */
  acceptances(): number[] {
    const times = new Map<string, number>();
    for (const batch of this.b.world.ledger.batches) {
      for (const row of batch.rows()) times.set(row.paramsHash, (times.get(row.paramsHash) ?? 0) + 1);
    }
    return [...times.values()];
  }

  /** Brings the run to its end as the next cron job would, and expects what was promised. */
  async finish(rows: [string, string][] = asked(ROWS)): Promise<Ended> {
    const ended = await this.ok(JOB);
    expectAnswers(this.b.lines('in.results.jsonl'), rows);
    expectNothingTwice(this.b.world);
    expect(this.acceptances()).toEqual(rows.map(() => 1));
    expect(this.b.runFolders()).toHaveLength(1);
    return ended;
  }
}

async function line(options: SimOptions = {}): Promise<Line> {
  const b = await bench(options);
  const proxy = await startTcpProxy(Number(new URL(b.origin).port));
  onTestFinished(() => proxy.close());
  b.write('in.jsonl', requests(ROWS));
  return new Line(b, proxy);
}

/** Ends it by this signal and expects that it went at once and said how to go on. */
async function stopped(running: Running, signal: 'SIGINT' | 'SIGTERM'): Promise<Ended> {
  running.kill(signal);
  const ended = await running.ended;
  expect(ended.stderr).not.toMatch(/bug/);
  expect(ended).toMatchObject({ code: signal === 'SIGINT' ? 130 : 143, signal: null });
  return ended;
}

/** Rows whose bodies do not fit into the buffers between the program and the simulator. */
const LARGE_TEXTS = Array.from({ length: ROWS }, (_, at) => `large ${at + 1} ${'x'.repeat(3_000_000)}`);

function large(): string {
  return jsonl(LARGE_TEXTS.map((text, at) => ({ custom_id: `row-${at + 1}`, params: params(text) })));
}

describe('a create', () => {
  /** Cut there, was the batch made? Null: either may happen, and nobody can know but by looking. */
  const cuts: [string, FateOptions, boolean | null][] = [
    ['reset in the head', { direction: 'up', at: { bytes: 40 }, deed: 'reset' }, false],
    ['ended in the head', { direction: 'up', at: { bytes: 40 }, deed: 'end' }, false],
    ['reset in the body', { direction: 'up', at: { bodyBytes: 100 }, deed: 'reset' }, false],
    ['ended in the body', { direction: 'up', at: { bodyBytes: 100 }, deed: 'end' }, false],
    ['reset before the last byte', { direction: 'up', at: { fromEnd: 1 }, deed: 'reset' }, false],
    ['ended before the last byte', { direction: 'up', at: { fromEnd: 1 }, deed: 'end' }, false],
    ['reset behind the last byte', { direction: 'up', at: { fromEnd: 0 }, deed: 'reset' }, null],
    ['ended behind the last byte', { direction: 'up', at: { fromEnd: 0 }, deed: 'end' }, null],
    ['left by its client behind the last byte', { direction: 'up', at: { fromEnd: 0 }, deed: 'client_gone' }, true],
    ['reset before its answer', { direction: 'down', at: { bytes: 0 }, deed: 'reset' }, true],
    ['ended before its answer', { direction: 'down', at: { bytes: 0 }, deed: 'end' }, true],
    ['reset in the head of its answer', { direction: 'down', at: { bytes: 20 }, deed: 'reset' }, true],
    ['ended in the head of its answer', { direction: 'down', at: { bytes: 20 }, deed: 'end' }, true],
    ['reset in the body of its answer', { direction: 'down', at: { bodyBytes: 40 }, deed: 'reset' }, true],
    ['ended in the body of its answer', { direction: 'down', at: { bodyBytes: 40 }, deed: 'end' }, true],
    [
      'ended in its answer by a gateway that says no length',
      { direction: 'down', at: { bodyBytes: 40 }, deed: 'end', asHttp10: true },
      true,
    ],
  ];

  test.each(cuts)('%s', async (_name, options, made) => {
    const l = await line();
    const fate = l.proxy.fate(CREATE, options);
    // Submit ends without waiting for what is in doubt; the next command decides.
    await l.ok(['submit', 'in.jsonl', '--chunk-size', '6', '--reconcile-grace', '300ms']);
    expect(fate.isMet).toBe(true);
    const { exchanges } = l.proxy;
    const creates = exchanges.filter(({ line: first }) => first.startsWith('POST /v1/messages/batches ')).length;
    if (made === true) {
      // It is in doubt, and what is in doubt is not sent again.
      expect(creates).toBe(1);
      expect(l.b.world.ledger.batches).toHaveLength(1);
      expect((await l.status()).runs[0]).toMatchObject({ chunks: { uncertain: 1 } });
    }
    const ended = await l.finish();
    if (made === true) expect(ended.stderr).toMatch(/made after all/);
    if (made === false) expect(l.b.calls('batches.create')).toBe(1);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('whose upload stands still: %s ends it at once', async (signal) => {
    const l = await line();
    l.b.write('in.jsonl', large());
    const fate = l.proxy.fate(CREATE, { direction: 'up', at: { bodyBytes: 1_000_000 }, deed: 'stall' });
    const running = l.start(['run', 'in.jsonl', '--chunk-size', '6']);
    await fate.met;
    await stopped(running, signal);
    // Nothing can have been made of half a body, and the state says so.
    expect((await l.status()).runs[0]).toMatchObject({ chunks: { sealed: 1, uncertain: 0, submitting: 0 } });
    await l.finish(LARGE_TEXTS.map((text, at) => [`row-${at + 1}`, text]));
    expect(l.b.world.ledger.batches).toHaveLength(1);
  });

  test('whose upload stands still: SIGKILL', async () => {
    const l = await line();
    l.b.write('in.jsonl', large());
    const fate = l.proxy.fate(CREATE, { direction: 'up', at: { bodyBytes: 1_000_000 }, deed: 'stall_up' });
    const running = l.start(['run', 'in.jsonl', '--chunk-size', '6']);
    await fate.met;
    running.kill('SIGKILL');
    expect((await running.ended).signal).toBe('SIGKILL');
    await l.finish(LARGE_TEXTS.map((text, at) => [`row-${at + 1}`, text]));
  });

  describe.each([
    ['made, and its answer never comes', { direction: 'down', at: { bytes: 0 }, deed: 'stall_down' }, 1],
    ['not made: the server is gone, and nobody says so', { direction: 'up', at: { bytes: 0 }, deed: 'server_gone' }, 0],
  ] as const)('%s', (_name, options, made) => {
    test.each(['SIGTERM', 'SIGKILL'] as const)('ended by %s, and decided by the next command', async (signal) => {
      const l = await line();
      const fate = l.proxy.fate(CREATE, options);
      const running = l.start(JOB);
      await fate.met;
      expect(l.b.world.ledger.batches).toHaveLength(made);
      running.kill(signal);
      if (signal === 'SIGTERM') {
        // The first one waits for the answer, which may have been paid.
        await running.says(/once more to stop at once/);
        await stopped(running, signal);
      }
      await running.ended;
      await l.finish();
    });
  });
});

describe('results', () => {
  const LINE_END = '}\n';
  const LOST = 'connection lost';
  const downloads: [string, FateOptions, string][] = [
    ['reset at the end of a line', { direction: 'down', at: { mark: LINE_END, nth: 2 }, deed: 'reset' }, LOST],
    ['ended at the end of a line', { direction: 'down', at: { mark: LINE_END, nth: 2 }, deed: 'end' }, LOST],
    ['ended at the end of a line, as if that were all', cleanEnd(LINE_END, 2), '2 of 6 lines came'],
    ['ended inside a line, as if that were all', cleanEnd('"custom_id"', 3), 'line 3 is not a result'],
    ['ended behind the head, as if that were all', cleanEnd('\r\n\r\n', 1), '0 of 6 lines came'],
    ['reset inside a line', { direction: 'down', at: { mark: '"custom_id"', nth: 3 }, deed: 'reset' }, LOST],
    ['ended inside a line', { direction: 'down', at: { mark: '"custom_id"', nth: 3 }, deed: 'end' }, LOST],
    ['reset in the head', { direction: 'down', at: { bytes: 10 }, deed: 'reset' }, LOST],
    ['answered by a reset', { direction: 'down', at: { bytes: 0 }, deed: 'reset' }, LOST],
    ['reset before they are asked for', { direction: 'up', at: { bytes: 30 }, deed: 'reset' }, LOST],
  ];

  test.each(downloads)('%s', async (_name, options, cause) => {
    const l = await line({ batchDurationMs: [1, 1] });
    await l.ok(['submit', 'in.jsonl', '--chunk-size', '6']);
    const fate = l.proxy.fate(RESULTS, options);
    const once = await l.exits(4, ['collect', '--once']);
    expect(once.stderr).toContain(`were not usable (${cause})`);
    expect(fate.isMet).toBe(true);
    expect(l.b.has('in.results.jsonl')).toBe(false);
    await l.finish();
    expect(l.b.calls('batches.create')).toBe(1);
    expect(l.b.calls('batches.results')).toBeLessThanOrEqual(2);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('that stand still: %s, and then collect', async (signal) => {
    const l = await line();
    await l.ok(['submit', 'in.jsonl', '--chunk-size', '6']);
    const fate = l.proxy.fate(RESULTS, { direction: 'down', at: { mark: LINE_END, nth: 2 }, deed: 'stall_down' });
    const running = l.start(['collect']);
    await fate.met;
    if (signal === 'SIGKILL') {
      running.kill(signal);
      expect((await running.ended).signal).toBe(signal);
    } else await stopped(running, signal);
    expect((await l.status()).runs[0]).toMatchObject({ chunks: { collected: 0 }, rows: { succeeded: 0 } });
    expect(l.b.has('in.results.jsonl')).toBe(false);
    await l.finish();
    expect(l.b.calls('batches.create')).toBe(1);
  });
});

describe('a look at the list', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'on a connection that is half open: %s ends it at once, and the next command goes on',
    async (signal) => {
      const l = await line();
      await l.ok(['submit', 'in.jsonl', '--chunk-size', '3']);
      const fate = l.proxy.fate(LIST, { direction: 'down', at: { bytes: 0 }, deed: 'server_gone' });
      const running = l.start(['collect']);
      await fate.met;
      running.kill(signal);
      const ended = await running.ended;
      expect(ended.signal ?? ended.code).toBe({ SIGINT: 130, SIGTERM: 143, SIGKILL: 'SIGKILL' }[signal]);
      expect((await l.status()).runs[0]).toMatchObject({ chunks: { submitted: 2 } });
      await l.finish();
    },
  );

  test.each<[string, FateOptions]>([
    ['reset', { direction: 'up', at: { mark: '\r\n\r\n' }, deed: 'reset' }],
    ['cut in its answer', { direction: 'down', at: { bodyBytes: 60 }, deed: 'end' }],
    ['cut in its answer by a gateway that says no length', cleanEnd('"data"', 1)],
    ['left by its client', { direction: 'down', at: { bytes: 0 }, deed: 'client_gone' }],
  ])('%s: it is asked again', async (_name, options) => {
    const l = await line();
    await l.ok(['submit', 'in.jsonl', '--chunk-size', '3']);
    const fate = l.proxy.fate(LIST, options);
    await l.finish();
    expect(fate.isMet).toBe(true);
  });

  test('that shows half of what is in doubt decides nothing', async () => {
    const l = await line();
    l.proxy.fate(CREATE, { direction: 'down', at: { bytes: 0 }, deed: 'reset' });
    await l.ok(['submit', 'in.jsonl', '--chunk-size', '6']);
    const fate = l.proxy.fate(LIST, cleanEnd('"data"', 1));
    await l.finish();
    expect(fate.isMet).toBe(true);
  });
});

describe('a call of the realtime lane', () => {
  const EXPIRED = { rates: { expireRate: 1 } };

  /** Rows go realtime because their batch gave nothing. */
  async function expired(): Promise<Line> {
    const l = await line(EXPIRED);
    await l.ok(['submit', 'in.jsonl', '--chunk-size', '6']);
    return l;
  }

  test.each<[string, FateOptions, number]>([
    ['reset in its head', { direction: 'up', at: { bytes: 30 }, deed: 'reset' }, 0],
    ['ended in its body', { direction: 'up', at: { bodyBytes: 20 }, deed: 'end' }, 0],
    ['reset after it was sent, before its answer', { direction: 'down', at: { bytes: 0 }, deed: 'reset' }, 1],
    ['ended in the head of its answer', { direction: 'down', at: { bytes: 30 }, deed: 'end' }, 1],
    ['reset inside its answer', { direction: 'down', at: { bodyBytes: 40 }, deed: 'reset' }, 1],
    ['ended inside its answer, as if that were all', cleanEnd('"content"', 1), 1],
  ])('%s: only that one is called again', async (_name, options, paidAgain) => {
    const l = await expired();
    const fate = l.proxy.fate(MESSAGE, options);
    await l.finish();
    expect(fate.isMet).toBe(true);
    expect(l.b.world.ledger.messages).toHaveLength(ROWS + paidAgain);
  });

  test('half open, and killed: at most the calls under way are paid again', async () => {
    const l = await expired();
    const fates: Fate[] = [1, 2].map(() =>
      l.proxy.fate(MESSAGE, { direction: 'down', at: { bytes: 0 }, deed: 'server_gone' }),
    );
    const running = l.start(['collect', '--concurrency', '2']);
    await Promise.all(fates.map((fate) => fate.met));
    running.kill('SIGKILL');
    await running.ended;
    await l.finish();
    expect(l.b.world.ledger.messages).toHaveLength(ROWS + 2);
  });

  test('that stands still: a stop waits for the answer, which is paid, and keeps it', async () => {
    const l = await expired();
    const fate = l.proxy.fate(MESSAGE, { direction: 'down', at: { bytes: 0 }, deed: 'stall_down' });
    const running = l.start(['collect', '--concurrency', '1']);
    const { connection } = await fate.met;
    running.kill('SIGTERM');
    await running.says(/once more to stop at once/);
    connection.release();
    expect(await running.ended).toMatchObject({ code: 143 });
    expect((await l.status()).runs[0].rows).toMatchObject({ succeeded: 1, retry: ROWS - 1 });
    await l.finish();
    expect(l.b.world.ledger.messages).toHaveLength(ROWS);
  });
});

test('nobody listens: exit 4 with everything kept, and the next command goes on', async () => {
  const l = await line();
  await l.ok(['submit', 'in.jsonl', '--chunk-size', '3']);
  await l.proxy.refuse();
  const ended = await l.exits(4, ['collect', '--give-up', '1ms']);
  expect(ended.stderr).toMatch(/could not be reached/);
  await l.proxy.accept();
  await l.finish();
});

/** The answer ends there with its connection, and nothing in it says that more was to come. */
function cleanEnd(mark: string, nth: number): FateOptions {
  return { direction: 'down', at: { mark, nth }, deed: 'end', asHttp10: true };
}
