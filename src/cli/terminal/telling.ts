/**
 * Who tells what the engine does: people through Progress, machines through JSON lines. Both only listen.
 */
import { systemClock } from '../../base/clock.ts';
import type { Store } from '../../domain/store.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { Context } from '../context.ts';
import { JsonTelling } from './json-telling.ts';
import { Progress } from './progress.ts';

export interface Telling {
  readonly emit: (event: EngineEvent) => void;
  /** From now on the state of these runs is told. */
  follow(store: Store, runIds: readonly string[]): Promise<void>;
  stop(): void;
}

export function createTelling({ flags, terminal, log }: Pick<Context, 'flags' | 'terminal' | 'log'>): Telling {
  if (flags.logFormat === 'json') return new JsonTelling(log);
  return new Progress({ terminal, clock: systemClock, quiet: flags.quiet === true, giveUpMs: flags.giveUp });
}
