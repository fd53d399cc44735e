/**
 * How fast and how patient the engine is, from the flags: the same for a run and for its rehearsal.
 */
import type { Caps } from '../../domain/pacing/known-limits.ts';
import type { Pacing } from '../../engine/engine.ts';
import type { Flags } from './options.ts';

export function pacingOf(flags: Flags): Pacing {
  return {
    maxBatches: flags.maxBatches,
    concurrency: flags.concurrency,
    pollIntervalMs: flags.pollInterval,
    reconcileGraceMs: flags.reconcileGrace,
    giveUpMs: flags.giveUp,
    backoff: { baseMs: flags.backoffBase, maxMs: flags.backoffMax },
    caps: capsOf(flags),
    ...(flags.headroom === undefined ? {} : { headroom: flags.headroom }),
    ...(flags.maxQueued === undefined ? {} : { maxQueued: flags.maxQueued }),
    ...(flags.batchRpm === undefined ? {} : { batchRpm: flags.batchRpm }),
  };
}

function capsOf({ rpm, itpm, otpm, tpm, tpd }: Flags): Caps {
  const named = { requests: rpm, input: itpm, output: otpm, tokens: tpm, day: tpd };
  return Object.fromEntries(Object.entries(named).filter(([, limit]) => limit !== undefined));
}
