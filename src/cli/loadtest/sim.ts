/**
 * The simulator as the target of a load test: with the limits of a tier, and answers that take as long as it is told.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ClassLimits, TierName } from '../../domain/pacing/tiers.ts';
import { TIERS } from '../../domain/pacing/tiers.ts';
import type { SimOptions } from '../../tools/sim/options.ts';
import type { Flags } from '../flags/options.ts';

export interface RunningSim {
  readonly origin: string;
  close(): Promise<void>;
}

/** Of a streamed answer the first token is there after this share of its time. */
const FIRST_TOKEN_SHARE = 0.3;
const TIER_DEFAULT = 'start';

export async function startSim(flags: Pick<Flags, 'tier' | 'messageLatency' | 'seed'>): Promise<RunningSim> {
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: simOptions(flags) });
  const [origin] = (await once(worker, 'message')) as [string];
  return {
    origin,
    close: async () => {
      await worker.terminate();
    },
  };
}

function simOptions({ tier, messageLatency, seed }: Pick<Flags, 'tier' | 'messageLatency' | 'seed'>): SimOptions {
  return {
    seed: seed ?? 1,
    limits: limitsOf(tier ?? TIER_DEFAULT),
    firstTokenShare: FIRST_TOKEN_SHARE,
    ...(messageLatency === undefined ? {} : { messageLatencyMs: messageLatency }),
  };
}

/** The simulator has tables of its own for today's tiers; here any that a user may have is set. */
function limitsOf(tier: TierName): NonNullable<SimOptions['limits']> {
  const { models, lines } = TIERS[tier];
  const minute = ({ requests, input, output }: ClassLimits): { rpm: number; itpm: number; otpm: number } => {
    return { rpm: requests, itpm: input, otpm: output };
  };
  return {
    messages: minute(models),
    messagesFable: minute(lines['fable'] ?? models),
    ...(lines['haiku']
      ? { byClass: { 'haiku_5.5': minute(lines['haiku']), 'haiku_4.5': minute(lines['haiku']) } }
      : {}),
  };
}
