/**
 * A state folder and a simulator for tests of the library: the real engine in this process, over real HTTP.
 */
import { onTestFinished } from 'vitest';
import { createBatchrun, type Batchrun } from '../../src/library/index.ts';
import type { BatchrunOptions, Row } from '../../src/library/options.ts';
import type { SimOptions } from '../../src/tools/sim/options.ts';
import { bench, KEY, params, type Bench } from '../support/cli.ts';

export interface Lab {
  readonly bench: Bench;
  /** Another one on the same state; each is closed at the end of the test. */
  open(more?: BatchrunOptions): Batchrun;
}

export async function lab(options: SimOptions = {}): Promise<Lab> {
  const b = await bench(options);
  return {
    bench: b,
    open: (more = {}) => {
      const batchrun = createBatchrun({
        state: b.state,
        apiKey: KEY,
        baseUrl: b.origin,
        pollIntervalMs: 50,
        reconcileGraceMs: 300,
        backoff: { baseMs: 5, maxMs: 50 },
        ...more,
      });
      onTestFinished(() => batchrun.close());
      return batchrun;
    },
  };
}

/** `count` rows with the ids row-1, row-2, … */
export function* rowsOf(count: number, prefix = 'question'): Generator<Row> {
  for (let at = 1; at <= count; at++) yield { custom_id: `row-${at}`, params: params(`${prefix} ${at}`) };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
