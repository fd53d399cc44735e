/**
 * `batchrun sim`: a local stand-in for the API, for trying batchrun without a key and without cost, and for tests.
 */
import { once } from 'node:events';
import { systemClock } from '../base/clock.ts';
import { BatchrunError, systemCodeOf } from '../base/errors.ts';
import { DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE } from '../tools/sim/caller.ts';
import type { SimLimitsPart, SimOptions } from '../tools/sim/options.ts';
import { EXIT } from './drive/outcome.ts';
import type { KeyOwner, SimFlags } from './flags/sim-flags.ts';
import type { Terminal } from './terminal/terminal.ts';

export async function runSim(flags: SimFlags, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { createSimWorld } = await import('../tools/sim/world.ts');
  const { startSimServer } = await import('../tools/sim/server.ts');
  const world = createSimWorld(simOptions(flags), systemClock);
  const server = await startSimServer(world, { port: flags.port, host: flags.host }).catch((error: unknown) => {
    if (systemCodeOf(error) === 'EADDRINUSE') {
      throw new BatchrunError('E_USAGE', `port ${flags.port} is taken`, {
        hint: 'Give another with --port, or 0 for a free one.',
      });
    }
    throw error;
  });
  // The address on stdout, so that a script can read it; how to use it on stderr.
  await terminal.data(`${server.origin}\n`);
  terminal.talk(
    `The simulator listens. In another terminal:\n  export ANTHROPIC_BASE_URL=${server.origin} ANTHROPIC_API_KEY=sim\nStop it with Ctrl-C.`,
  );
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
  return EXIT.ok;
}

export function simOptions(flags: SimFlags): SimOptions {
  return {
    seed: flags.seed,
    tier: flags.tier,
    batchDurationMs: flags.batchDuration,
    messageLatencyMs: flags.messageLatency,
    rates: { errorRate: flags.errorRate, expireRate: flags.expireRate, schemaErrorRate: flags.schemaErrorRate },
    listLagMs: flags.listLag,
    pollRetryAfterSeconds: flags.retryAfter === 0 ? null : flags.retryAfter / 1_000,
    faults: flags.faults,
    keys: ownersOf(flags.key, ({ organization, workspace = DEFAULT_WORKSPACE }) => ({
      workspace,
      ...(organization === undefined ? {} : { organization }),
    })),
    strictKeys: flags.strictKeys,
    ...(flags.accountProblem === undefined ? {} : { accountProblem: flags.accountProblem }),
    adminKeys: ownersOf(flags.adminKey, ({ organization = DEFAULT_ORGANIZATION }) => organization),
    switches: {
      rateHeaders: flags.rateHeaders,
      rateHeadersOnBatches: flags.batchRateHeaders,
      burstMs: flags.burst ?? null,
      rampPerMinute: flags.ramp ?? null,
    },
    limits: simLimits(flags),
  };
}

function ownersOf<T>(
  owners: Readonly<Record<string, KeyOwner>>,
  toOwner: (owner: KeyOwner) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(owners).map(([key, owner]) => [key, toOwner(owner)]));
}

function simLimits(flags: SimFlags): SimLimitsPart {
  const { rpm, itpm, otpm, tpm, tpd } = flags;
  const messages = given({ rpm, itpm, otpm, tpm, tpd });
  const { maxBatches: batchesMax, queue: batchQueueMax, batchRpm } = flags;
  return { ...given({ batchesMax, batchQueueMax, batchRpm }), messages, messagesFable: messages };
}

function given(values: Readonly<Record<string, number | undefined>>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
