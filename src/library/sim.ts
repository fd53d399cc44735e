/**
 * `import { startSim } from 'batchrun/sim'`: the simulated API for other people's tests. It answers Messages, Message
 * Batches, token counts and models as the API does, with its limits and its errors, costs nothing, and remembers what
 * really happened.
 */
import { systemClock, type Clock } from '../base/clock.ts';
import type { Lane, TokenUsage } from '../domain/model.ts';
import { costUsd } from '../domain/pricing.ts';
import { answerFor } from '../tools/sim/answer.ts';
import type { FaultName, FaultRates, FaultScript } from '../tools/sim/faults.ts';
import { FAULTS } from '../tools/sim/faults.ts';
import { simFetch } from '../tools/sim/fetch.ts';
import type { ForeignBatch } from '../tools/sim/foreign.ts';
import type { SimLedger } from '../tools/sim/ledger.ts';
import type { AccountProblem, SimLimitsPart, SimOptions as WorldOptions, SimRates } from '../tools/sim/options.ts';
import type { InputUse } from '../tools/sim/prompt-cache.ts';
import { startSimServer } from '../tools/sim/server.ts';
import { createSimWorld, type SimWorld } from '../tools/sim/world.ts';
import { checkSim, checkSimOptions } from './check-sim.ts';
import type { SimOptions, SimServerOptions } from './sim-options.ts';

export { answerFor };
export type {
  AccountProblem,
  Clock,
  FaultName,
  FaultRates,
  FaultScript,
  ForeignBatch,
  SimLedger,
  SimLimitsPart,
  SimOptions,
  SimRates,
  SimServerOptions,
};

/** Every fault by its name, with what it does. */
export const faults: Readonly<Record<FaultName, string>> = FAULTS;

/** What would have been billed, by the price table of batchrun. */
export interface SimSpend {
  /** Null where a model has no known price. */
  readonly usd: number | null;
  readonly batchUsd: number | null;
  readonly realtimeUsd: number | null;
  /** Rows and messages that are billed. */
  readonly answers: number;
}

/** A simulated API without sockets. */
export interface Sim {
  /** For `new Anthropic({ fetch: sim.fetch, apiKey: 'test', maxRetries: 0 })`, or `createBatchrun({ fetch: sim.fetch })`. */
  readonly fetch: typeof fetch;
  /** What really happened: batches (also those whose answer was lost), messages, calls, refusals, the highest load. */
  readonly ledger: SimLedger;
  /** How often each fault has fired. */
  readonly faultsFired: ReadonlyMap<FaultName, number>;
  spend(): SimSpend;
  /** The next `times` occasions of this fault fire, whatever its rate. */
  failNext(fault: FaultName, times?: number): void;
  /** Asked at every occasion of every fault; undefined takes it away. */
  script(script: FaultScript | undefined): void;
  /** Replaces all rates of faults: `setFaults({})` heals it. */
  setFaults(rates: FaultRates): void;
  /** How rows and messages fare from now on. */
  setRates(rates: Partial<SimRates>): void;
  /** What is wrong with the account (`credit_too_low`, `on_hold`, …); undefined: nothing. */
  setAccountProblem(problem: AccountProblem | undefined): void;
  setLimits(limits: SimLimitsPart, organization?: string): void;
  /** A batch of somebody else in the same workspace; gives its id. */
  addForeignBatch(batch: ForeignBatch): string;
}

/** The same on a socket. */
export interface SimServer extends Sim {
  /** For ANTHROPIC_BASE_URL, or `baseURL`. */
  readonly origin: string;
  readonly port: number;
  /** Ends at once: open connections are cut. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const QUICK: WorldOptions = {
  tier: 'scale',
  batchDurationMs: [50, 150],
  cancelDurationMs: 50,
  messageLatencyMs: [0, 5],
  listLagMs: 100,
  pollRetryAfterSeconds: null,
};

/** A simulated API in this process: what its `fetch` is asked, it answers. Throws E_USAGE for an option that is none. */
export function createSim(options: SimOptions = {}): Sim {
  checkSimOptions(options);
  return faceOf(worldOf(options));
}

/**
 * Listens on 127.0.0.1 until it is closed. Rejects with E_USAGE for an option that is none, and with what Node says where
 * the port is taken.
 */
export async function startSim(options: SimServerOptions = {}): Promise<SimServer> {
  checkSimOptions(options);
  const { port = 0, host, ...rest } = options;
  const world = worldOf(rest);
  const server = await startSimServer(world, { port, ...(host === undefined ? {} : { host }) });
  const close = (): Promise<void> => server.close();
  return { ...faceOf(world), origin: server.origin, port: server.port, close, [Symbol.asyncDispose]: close };
}

function worldOf({ clock = systemClock, ...options }: SimOptions): SimWorld {
  return createSimWorld({ ...QUICK, ...options }, clock);
}

function faceOf(world: SimWorld): Sim {
  return {
    fetch: simFetch(world),
    ledger: world.ledger,
    faultsFired: world.faultsFired,
    spend: () => spendOf(world.ledger),
    failNext: (fault, times) => {
      checkSim.fault(fault);
      world.failNext(fault, times);
    },
    script: (script) => world.script(script),
    setFaults: (rates) => {
      checkSim.faults(rates);
      world.setFaults(rates);
    },
    setRates: (rates) => {
      checkSim.rates(rates);
      world.setRates(rates);
    },
    setAccountProblem: (problem) => {
      checkSim.problem(problem);
      world.setAccountProblem(problem);
    },
    setLimits: (limits, organization) => {
      checkSim.limits(limits);
      world.setLimits(limits, organization);
    },
    addForeignBatch: (batch) => world.addForeignBatch(batch),
  };
}

/** Succeeded rows of batches that have ended, and messages; batches of others are left out. */
function spendOf({ batches, messages }: SimLedger): SimSpend {
  const lanes = { batch: new Sum('batch'), realtime: new Sum('realtime') };
  for (const batch of batches) {
    if (batch.isForeign) continue;
    for (const row of batch.rows()) if (row.outcome === 'succeeded') lanes.batch.add(row);
  }
  for (const message of messages) lanes.realtime.add(message);
  const [batchUsd, realtimeUsd] = [lanes.batch.usd, lanes.realtime.usd];
  const usd = batchUsd === null || realtimeUsd === null ? null : batchUsd + realtimeUsd;
  return { usd, batchUsd, realtimeUsd, answers: lanes.batch.answers + lanes.realtime.answers };
}

class Sum {
  readonly #lane: Lane;
  usd: number | null = 0;
  answers = 0;

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  add({ model, input, outputTokens }: { model: string; input: InputUse; outputTokens: number }): void {
    const usage: TokenUsage = {
      inputTokens: input.plain,
      outputTokens,
      cacheWrite5mTokens: input.write5m,
      cacheWrite1hTokens: input.write1h,
      cacheReadTokens: input.read,
    };
    const usd = costUsd({ model, lane: this.#lane, usage });
    this.answers++;
    this.usd = usd === null || this.usd === null ? null : this.usd + usd;
  }
}
