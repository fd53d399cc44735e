/**
 * `batchrun demo`: 10,003 real queries of bank customers through the whole pipeline, against the simulator in this very
 * process, with faults switched on. No API key, nothing leaves the machine.
 */
import { BATCH_BYTES_MAX } from '../domain/limits.ts';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../base/clock.ts';
import { formatDuration } from '../base/units.ts';
import { startSimServer } from '../tools/sim/server.ts';
import { createSimWorld } from '../tools/sim/world.ts';
import type { Context } from './context.ts';
import type { Flags } from './flags/options.ts';
import { SOME_FAULTS } from './flags/sim-flags.ts';
import { runSubmit } from './submit.ts';

const FOLDER = '.demo';
const SEED = 'demo';
/** Batches that take seconds instead of minutes, so that the demo ends within a minute. */
const BATCH_DURATION_MS = [3_000, 9_000] as const;

export async function runDemo(context: Context): Promise<number> {
  const { terminal } = context;
  const startMs = systemClock.monotonicMs();
  const folder = resolve(FOLDER);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const input = banking77();
  const output = join(folder, 'train.results.jsonl');
  const world = createSimWorld(
    {
      seed: SEED,
      batchDurationMs: BATCH_DURATION_MS,
      messageLatencyMs: [100, 600],
      rates: { errorRate: 0.004, expireRate: 0.002 },
      faults: SOME_FAULTS,
      pollRetryAfterSeconds: null,
    },
    systemClock,
  );
  // One fault of each kind that costs other tools money is sure to happen: a lost answer, and half a result file.
  world.failNext('create.reset_after');
  world.failNext('results.cut_line');
  const server = await startSimServer(world, { port: 0 });
  terminal.talk(
    `Simulator on ${server.origin}, with faults on. Input: ${relative(process.cwd(), input)} (BANKING77, CC BY 4.0)`,
  );
  try {
    process.env['ANTHROPIC_API_KEY'] = 'sk-ant-simulator-demo-key-0000';
    process.env['ANTHROPIC_BASE_URL'] = server.origin;
    const code = await runSubmit(demoContext(context, folder, output), [input], {
      command: 'run',
      argv: [],
      wait: true,
    });
    if (context.signal.aborted || !existsSync(output)) return code;
    await tellEnd(context, {
      output,
      tookMs: systemClock.monotonicMs() - startMs,
      batches: world.ledger.batches.length,
    });
    // Rows that the simulator refused for good are part of the show.
    return code === 3 ? 0 : code;
  } finally {
    await server.close();
  }
}

function demoContext(context: Context, folder: string, output: string): Context {
  const flags: Flags = {
    ...context.flags,
    model: 'claude-haiku-5-5',
    maxTokens: 256,
    prompt: 'Which of the 77 intents of a bank has this customer? {{text}}',
    output,
    logLevel: 'warn',
    logFormat: 'text',
    state: join(folder, 'state'),
    defuseFormulas: true,
    onInvalid: 'fail',
    chunkSize: 1_000,
    chunkBytes: BATCH_BYTES_MAX,
    maxBatches: 6,
    concurrency: 8,
    maxAttempts: 4,
    retryLane: 'auto',
    pollInterval: 500,
    reconcileGrace: 5_000,
    giveUp: 60_000,
    backoffBase: 1_000,
    backoffMax: 60_000,
    retryLock: 0,
    confirmOver: 10,
    yes: true,
  };
  return { ...context, flags, stateFolder: flags.state };
}

/** The fixture lies beside the program, in a checkout as in an installed package. */
function banking77(): string {
  return fileURLToPath(new URL('../../fixtures/banking77/train.csv', import.meta.url));
}

async function tellEnd(
  { terminal }: Context,
  end: { readonly output: string; readonly tookMs: number; readonly batches: number },
): Promise<void> {
  const lines = readFileSync(end.output, 'utf8').trimEnd().split('\n');
  terminal.talk(
    `\n${lines.length.toLocaleString('en')} lines in input order after ${formatDuration(end.tookMs)}: ${relative(process.cwd(), end.output)}`,
  );
  terminal.talk('Three of them:');
  for (const at of [0, Math.floor(lines.length / 2), lines.length - 1]) await terminal.data(`${lines[at] ?? ''}\n`);
}
