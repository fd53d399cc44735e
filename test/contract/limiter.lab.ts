/** What the suites of the limiter work with: a limiter on a clock that they move, and shorthands. */
import type { Amounts, BucketLimit, CreateLease, Limiter, Marks, Taken } from '../../src/domain/pacing/limiter.ts';

export interface LimiterLab {
  readonly limiter: Limiter;
  /** The limiter's time goes on. */
  advance(ms: number): void;
}

/** Call it inside a test: what it opens is closed when the test has finished. */
export type OpenLimiter = () => Promise<LimiterLab>;

export const POOL = 'org_1|opus_5';
export const ORGANIZATION = 'org_1';

/** Full in a minute, as the API's are. */
export function perMinute(perWindow: number, capacity = perWindow): BucketLimit {
  return { perWindow, capacity };
}

export class Calls {
  readonly lab: LimiterLab;

  constructor(lab: LimiterLab) {
    this.lab = lab;
  }

  ask(amounts: Amounts, waiter: string | null = null): Promise<Taken> {
    return this.lab.limiter.take({ pool: POOL, amounts, waiter });
  }

  /** True where it was paid. */
  async pays(amounts: Amounts, waiter: string | null = null): Promise<boolean> {
    return (await this.ask(amounts, waiter)).kind === 'taken';
  }

  async marks(amounts: Amounts): Promise<Marks> {
    const taken = await this.ask(amounts);
    if (taken.kind !== 'taken') throw new Error(`it waits ${taken.waitMs} ms for ${taken.bucket}`);
    return taken.marks;
  }

  async waitOf(amounts: Amounts, waiter: string | null = null): Promise<{ waitMs: number; bucket: string }> {
    const taken = await this.ask(amounts, waiter);
    if (taken.kind === 'taken') throw new Error('it was paid');
    return { waitMs: taken.waitMs, bucket: taken.bucket };
  }

  async levels(): Promise<Record<string, number>> {
    const view = await this.lab.limiter.view(POOL);
    return Object.fromEntries(
      Object.entries(view?.buckets ?? {}).map(([name, { level }]) => [name, Math.round(level * 1e6) / 1e6]),
    );
  }

  /** Asks until it is paid, coming back when it was told to; gives how long that took. */
  async until(amounts: Amounts, waiter: string, meanwhile: () => Promise<void> = async () => {}): Promise<number> {
    let waitedMs = 0;
    for (let round = 0; round < 10_000; round++) {
      const taken = await this.ask(amounts, waiter);
      if (taken.kind === 'taken') return waitedMs;
      this.lab.advance(taken.waitMs);
      waitedMs += taken.waitMs;
      await meanwhile();
    }
    throw new Error('it was never paid');
  }
}

export function create(id: string, more: Partial<CreateLease> = {}): CreateLease {
  return {
    organization: ORGANIZATION,
    id,
    rows: 1_000,
    openBatches: 0,
    openRows: 0,
    batchesMax: 100,
    rowsMax: 100_000,
    ttlMs: 60_000,
    ...more,
  };
}
