/** Counting a sample: what is a row's fault, what is the API's, and that it ends in time whatever the API does. */
import { describe, expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { REALTIME_BYTES_MAX } from '../../../../src/domain/limits.ts';
import type { CountCall } from '../../../../src/domain/ports.ts';
import type { SampledRow } from '../../../../src/engine/preflight/row-sample.ts';
import {
  COUNT_MS_MAX,
  countSample,
  type CountOptions,
  type SampleCount,
} from '../../../../src/engine/preflight/token-count.ts';
import { refused } from '../lab.ts';

function rowsOf(count: number, more: Partial<SampledRow> = {}): SampledRow[] {
  return Array.from({ length: count }, (_unused, seq) => ({
    ...{ chunkNo: 1, index: seq, seq, bytes: 100 + seq, isLongest: false, model: 'claude-haiku-5-5', maxTokens: 10 },
    ...{ paramsJson: `{"row":${seq}}`, betas: [], caches: false, addedTokens: 0, ...more },
  }));
}

interface Asked {
  readonly seq: number;
  readonly atMs: number;
}

/** Counts against an API that answers like this. */
async function count(
  rows: Iterable<SampledRow> | AsyncIterable<SampledRow>,
  answer: (seq: number, call: CountCall, tries: number) => number | Promise<number>,
  options: CountOptions = {},
): Promise<SampleCount & { readonly asked: readonly Asked[]; readonly mostAtOnce: number; readonly tookMs: number }> {
  const clock = new VirtualClock();
  const asked: Asked[] = [];
  let atOnce = 0;
  let mostAtOnce = 0;
  const api = {
    countTokens: async (call: CountCall): Promise<number> => {
      const { row: seq } = JSON.parse(call.paramsJson) as { row: number };
      asked.push({ seq, atMs: clock.monotonicMs() });
      mostAtOnce = Math.max(mostAtOnce, ++atOnce);
      try {
        // The answer takes a while.
        await clock.sleep(100, call.signal);
        return await answer(seq, call, asked.filter((one) => one.seq === seq).length);
      } finally {
        atOnce--;
      }
    },
  };
  const { signal } = new AbortController();
  const result = await clock.run(countSample({ api, clock, rng: seededRng('count'), signal }, rows, options));
  expect(atOnce).toBe(0);
  return { ...result, asked, mostAtOnce, tookMs: clock.monotonicMs() };
}

const invalid = refused({ status: 400, type: 'invalid_request_error', message: 'messages: no' });

describe('countSample', () => {
  it('gives pairs of bytes and tokens in the order of the input, a few calls at a time', async () => {
    const { counted, refused: no, stopped, mostAtOnce } = await count(rowsOf(9), (seq) => 10 * (9 - seq));
    expect(counted.map(({ seq, bytes, tokens }) => [seq, bytes, tokens])).toEqual(
      Array.from({ length: 9 }, (_unused, seq) => [seq, 100 + seq, 10 * (9 - seq)]),
    );
    expect([no, stopped, mostAtOnce]).toEqual([[], null, 8]);
    expect(counted[0]).not.toHaveProperty('paramsJson');
  });

  it('has nothing to do without rows', async () => {
    expect(await count([], () => 1)).toMatchObject({ counted: [], refused: [], stopped: null, asked: [], tookMs: 0 });
  });

  it('tells rows that are refused from those that are counted, and asks about each once', async () => {
    const {
      counted,
      refused: no,
      asked,
    } = await count(rowsOf(6), (seq) => {
      if (seq % 2 === 1) throw invalid;
      return 7;
    });
    expect(counted.map(({ seq }) => seq)).toEqual([0, 2, 4]);
    expect(no.map(({ seq, failure }) => [seq, failure.message])).toEqual([
      [1, 'messages: no'],
      [3, 'messages: no'],
      [5, 'messages: no'],
    ]);
    expect(asked).toHaveLength(6);
  });

  it('asks for none before a retry-after is over', async () => {
    const late = refused({ status: 429, type: 'rate_limit_error', retryAfterMs: 5_000 });
    const { counted, asked } = await count(rowsOf(12), (seq, _call, tries) => {
      if (seq === 0 && tries === 1) throw late;
      return 7;
    });
    expect(counted).toHaveLength(12);
    // Calls that were under way when the answer came do not count.
    expect(asked.filter(({ atMs }) => atMs > 100 && atMs < 5_100)).toEqual([]);
    expect(asked.filter(({ seq }) => seq === 0)).toHaveLength(2);
  });

  it.each([
    ['a wait that is longer than the time', { status: 429, type: 'rate_limit_error', retryAfterMs: 60_000 }, 1],
    ['errors of the API that do not pass', { status: 529, type: 'overloaded_error' }, 3],
    ['an API that is not there', { connection: 'never_made' }, 2],
    ['a key that is refused', { status: 401, type: 'authentication_error' }, 1],
    ['a proxy without the endpoint', { status: 404, type: null }, 1],
    ['a conflict that stays', { status: 409, type: 'conflict_error' }, 3],
    ['an answer that is none', { unreadable: true }, 2],
  ] as const)('ends at %s, and says so', async (_name, failure, tries) => {
    const {
      counted,
      refused: no,
      stopped,
      asked,
    } = await count(
      rowsOf(10),
      () => {
        throw refused(failure);
      },
      { atOnce: 1 },
    );
    expect([counted, no]).toEqual([[], []]);
    expect(stopped).toMatchObject({ kind: 'failed', failure });
    expect(asked).toHaveLength(tries);
  });

  it('ends in time with what it has when calls hang', async () => {
    const { counted, stopped, tookMs } = await count(rowsOf(10), async (seq, { signal }) => {
      if (seq < 5) return 7;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      throw refused({ connection: 'aborted' });
    });
    expect(counted.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4]);
    expect(stopped).toEqual({ kind: 'time' });
    expect(tookMs).toBe(COUNT_MS_MAX);
  });

  it('ends when somebody wants to stop', async () => {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const api = {
      countTokens: async (): Promise<number> => {
        stop.abort();
        throw refused({ connection: 'aborted' });
      },
    };
    const ports = { api, clock, rng: seededRng('stop'), signal: stop.signal };
    expect(await clock.run(countSample(ports, rowsOf(9)))).toMatchObject({ counted: [], stopped: { kind: 'aborted' } });
    expect(clock.sleeping).toBe(0);
  });

  it('does not send what no Messages request can hold', async () => {
    const rows = [...rowsOf(1, { bytes: REALTIME_BYTES_MAX + 1 }), ...rowsOf(1, { bytes: REALTIME_BYTES_MAX })];
    expect(await count(rows, () => 7)).toMatchObject({ tooLarge: 1, counted: [{ tokens: 7 }], stopped: null });
  });

  it('counts large rows one after the other', async () => {
    const large = { bytes: 2_000_000 };
    expect(await count(rowsOf(6, large), () => 7)).toMatchObject({ mostAtOnce: 1, tookMs: 600, stopped: null });
    const mixed = [...rowsOf(3), ...rowsOf(2, large), ...rowsOf(3)];
    expect((await count(mixed, () => 7)).counted).toHaveLength(8);
  });

  it('takes one row after the other from what is read meanwhile, and lets it go at the end', async () => {
    let open = 0;
    async function* reading(): AsyncGenerator<SampledRow> {
      open++;
      try {
        yield* rowsOf(20);
      } finally {
        open--;
      }
    }
    expect((await count(reading(), () => 1)).counted).toHaveLength(20);
    expect(open).toBe(0);
    const failed = count(reading(), () => {
      throw new Error('a bug');
    });
    await expect(failed).rejects.toThrow('a bug');
    expect(open).toBe(0);
  });
});
