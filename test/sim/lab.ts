/**
 * The world of one seed: the simulated API under a virtual clock, and the machines that work against it. What happens
 * here is true; what the machines know of it is theirs.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { armFailpoints } from '../../src/base/failpoint.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Limiter } from '../../src/domain/pacing/limiter.ts';
import { createLocalLimiter } from '../../src/domain/pacing/local-limiter.ts';
import type { MessageLimits } from '../../src/tools/sim/catalogue.ts';
import type { LedgerBatch } from '../../src/tools/sim/ledger.ts';
import type { SimKey } from '../../src/tools/sim/options.ts';
import { createSimWorld, type SimWorld } from '../../src/tools/sim/world.ts';
import { Machine, type Incarnation, type Sabotage } from './machine.ts';
import { secondPlan, type Plan } from './plan.ts';
import { giveBack, takenKeys } from './sim-keys.ts';
import { EventLog } from './watch.ts';

/** One for all labs: Node asks each that was ever used at every promise. */
const here = new AsyncLocalStorage<Incarnation>();
const VIOLATIONS_MAX = 5;

/** Whole milliseconds, as a machine's own clock gives them. */
class WholeClock extends VirtualClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(Math.ceil(ms), signal);
  }
}

function messageLimits({ troubles: { limits } }: Plan): { readonly messages?: MessageLimits } {
  return limits === null ? {} : { messages: limits };
}

export class Lab {
  readonly plan: Plan;
  readonly clock: VirtualClock = new WholeClock();
  readonly world: SimWorld;
  readonly log: EventLog;
  readonly violations: string[] = [];
  readonly machines: readonly Machine[];
  /** The buckets that all machines take from, where they share them. */
  readonly limiter: Limiter | null;
  /** The keys that the API takes now. */
  readonly keys: Record<string, SimKey>;
  foreignBatches = 0;
  #healedAtMs: number | null = null;
  readonly #owners = new Map<string, Machine>();

  constructor(plan: Plan, sabotage: Sabotage = {}, log = new EventLog()) {
    this.plan = plan;
    this.log = log;
    this.keys = takenKeys(plan.troubles.keys);
    this.world = createSimWorld(
      {
        seed: plan.seed,
        keys: this.keys,
        strictKeys: true,
        faults: plan.faults,
        rates: plan.rates,
        batchDurationMs: plan.batchDurationMs,
        latencyMs: plan.latencyMs,
        messageLatencyMs: plan.messageLatencyMs,
        listLagMs: plan.listLagMs,
        expiresAfterMs: plan.expiresAfterMs,
        retryAfterSeconds: plan.troubles.retryAfterSeconds,
        limits: { batchQueueMax: plan.queueMax, ...messageLimits(plan) },
      },
      this.clock,
    );
    this.limiter = plan.troubles.limits?.shared === true ? createLocalLimiter(this.clock) : null;
    const plans = plan.troubles.secondMachine ? [plan, secondPlan(plan)] : [plan];
    this.machines = plans.map((one, at) => new Machine(this, one, at === 0 ? '' : 'second', sabotage));
    // Which process reached a failpoint is known by the context in which its work was begun.
    armFailpoints((name) => {
      const process = here.getStore();
      if (process === undefined) this.violation(`nobody knows which process reached ${name}`);
      else if (!process.life.dead) process.machine.onMoment?.(name);
    });
  }

  violation(text: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(text);
  }

  hasFailed(): boolean {
    return this.violations.length > 0;
  }

  /** Does work as this process: the failpoints that it reaches are this process's. */
  as<T>(process: Incarnation, work: () => Promise<T>): Promise<T> {
    return here.run(process, work);
  }

  /** From now on nothing goes wrong any more, but what is wrong already stays: clocks, lost answers. */
  heal(): void {
    this.world.setFaults({});
    this.world.setRates({
      errorRate: 0,
      expireRate: 0,
      billingErrorRate: 0,
      refusalRate: 0,
      schemaErrorRate: 0,
      messageErrorRates: {},
    });
    for (const machine of this.machines) machine.full.free();
    giveBack(this.keys, this.plan.troubles.keys);
    this.#healedAtMs = this.clock.now();
  }

  get isHealed(): boolean {
    return this.#healedAtMs !== null;
  }

  /** The faults of the plan come back. */
  sicken(): void {
    this.world.setFaults(this.plan.faults);
    this.world.setRates(this.plan.rates);
    this.#healedAtMs = null;
  }

  /** Whose batch it is, by the run tag in its first custom_id; null where it is nobody's here. */
  ownerOf(batch: LedgerBatch): Machine | null {
    const known = this.#owners.get(batch.id);
    if (known || batch.isForeign) return known ?? null;
    const tag = tagOf(batch);
    const owner = this.machines.find((machine) => machine.hasRun(`run_${tag}`)) ?? null;
    if (owner) this.#owners.set(batch.id, owner);
    return owner;
  }

  batchesOf(machine: Machine): LedgerBatch[] {
    return this.world.ledger.batches.filter((batch) => this.ownerOf(batch) === machine);
  }

  close(): void {
    armFailpoints(undefined);
    for (const machine of this.machines) machine.db.close();
  }
}

/** The run tag and the chunk number in the wire ids of a batch. */
export function wirePlaceOf(batch: LedgerBatch): { readonly tag: string; readonly chunkNo: number } {
  const [first = ''] = batch.customIds();
  const [tag = '', chunk = ''] = first.split('-');
  return { tag, chunkNo: Number(chunk) };
}

function tagOf(batch: LedgerBatch): string {
  return wirePlaceOf(batch).tag;
}
