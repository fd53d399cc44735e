/**
 * What programs may set about a simulated API.
 */
import type { Clock } from '../base/clock.ts';
import type { SimOptions as WorldOptions } from '../tools/sim/options.ts';

/**
 * Everything that can be set about the simulated API. Without more it is as fast as a test wants it: batches end within
 * 150 ms, messages within 5 ms, and the limits are those of the tier `scale`.
 */
export interface SimOptions extends WorldOptions {
  /** In place of the machine's own time, which is what it goes by unless given. */
  readonly clock?: Clock;
}

/** Where it listens, and all that can be set about the simulated API. */
export interface SimServerOptions extends SimOptions {
  /** 0: any free port; that is what it is unless given. */
  readonly port?: number;
  /** 127.0.0.1 unless given: nobody else can reach it. */
  readonly host?: string;
}
