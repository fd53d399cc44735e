/**
 * One seed from its first submit to its end: first with everything going wrong, then in a healed world, where it must
 * come to its end within a bound.
 */
import { armFailpoints, FAILPOINTS, type FailpointName } from '../../src/base/failpoint.ts';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../src/base/random.ts';
import { isBatchrunError, messageOf } from '../../src/base/errors.ts';
import { checkEnd, checkOutputAtCrash, outputText, pending } from './checkers.ts';
import { Crash } from './fence.ts';
import { command, Machine, type Command, type CommandEnd, type Incarnation, type Sabotage } from './harness.ts';
import { planOf } from './plan.ts';
import { EventLog } from './watch.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Commands in the healed world until the run must be done: one for each thing that a person has to mend. */
const HEALED_LIVES_MAX = 8;
const HEALED_MS_MAX = 30 * HOUR_MS;
/** What a user does with a run that is under way. The first command always submits. */
const COMMANDS: readonly Command[] = ['run', 'run', 'run', 'submit', 'collect', 'once'];

/** Where a batch may have been made and nobody knows it, oftener than elsewhere. */
const COSTLY: readonly FailpointName[] = [
  'submit.answered',
  'submit.answered',
  'submit.body_complete',
  'submit.attempt',
];
const FAILPOINT_NAMES: readonly FailpointName[] = [...(Object.keys(FAILPOINTS) as FailpointName[]), ...COSTLY];

export interface SeedResult {
  readonly seed: string;
  readonly violations: readonly string[];
  readonly virtualMs: number;
  readonly crashes: number;
  readonly requests: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly digest: string;
  readonly log: EventLog;
}

export async function simulate(
  seed: string | number,
  options: { sabotage?: Sabotage; keepLog?: boolean } = {},
): Promise<SeedResult> {
  const machine = new Machine(planOf(seed), options.sabotage, new EventLog(options.keepLog));
  const rng = seededRng(`lives|${seed}`);
  try {
    for (let nth = 0; nth < machine.plan.lives && machine.violations.length === 0; nth++) {
      await faultyLife(machine, rng, nth === 0 ? ['run', 'run', 'submit'] : COMMANDS);
    }
    heal(machine);
    await untilDone(machine);
    if (machine.violations.length === 0) await checkEnd(machine);
    if (machine.violations.length === 0) await checkNoOp(machine);
  } catch (error) {
    machine.violation(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    armFailpoints(undefined);
    machine.db.close();
  }
  const { violations, counts, world, clock, log } = machine;
  const { crashes, requests } = counts;
  return {
    ...{ seed: String(seed), violations, crashes, requests, log },
    virtualMs: clock.monotonicMs(),
    faults: world.faultsFired,
    digest: log.digest(),
  };
}

function heal({ world }: Machine): void {
  world.setFaults({});
  world.setRates({ errorRate: 0, expireRate: 0, billingErrorRate: 0, refusalRate: 0, messageErrorRates: {} });
}

async function untilDone(machine: Machine): Promise<void> {
  const ends: string[] = [];
  for (let nth = 0; nth < HEALED_LIVES_MAX; nth++) {
    const what = await canceledOr(machine, 'run');
    const end = await inLife(machine, (process) => commanded(machine, process, what), { timeLimitMs: HEALED_MS_MAX });
    ends.push(String(end));
    if (machine.violations.length > 0) return;
    const runs = await machine.store.runs();
    if (runs.length > 0 && runs.every((run) => run.state === 'done')) return;
  }
  machine.violation(`it does not come to its end in a healed world (${ends.join(', ')}): ${await pending(machine)}`);
}

/** The same command on a finished run does nothing at all. */
async function checkNoOp(machine: Machine): Promise<void> {
  const before = outputText(machine);
  const requests = machine.counts.requests;
  const what = await canceledOr(machine, 'run');
  const end = await inLife(machine, (process) => commanded(machine, process, what), { timeLimitMs: HOUR_MS });
  if (end !== 'done' && end !== 'nothing') machine.violation(`on a finished run the command ends with ${String(end)}`);
  const made = machine.counts.requests - requests;
  if (made > 0) machine.violation(`on a finished run the command made ${made} requests`);
  if (outputText(machine) !== before) machine.violation('on a finished run the command changed the output');
}

async function faultyLife(machine: Machine, rng: Rng, commands: readonly Command[]): Promise<void> {
  const { plan } = machine;
  const what = await canceledOr(machine, pick(rng, commands));
  const crash = chance(rng, plan.crashRate) ? drawCrash(rng) : null;
  const cancelAtMs = chance(rng, plan.cancelRate) ? integerBetween(rng, 0, 20 * MINUTE_MS) : null;
  const besideAtMs = chance(rng, plan.besideRate) ? integerBetween(rng, 0, 10 * MINUTE_MS) : null;
  const timeLimitMs = integerBetween(rng, 1, pick(rng, [10, 120, 600])) * MINUTE_MS;
  addForeigners(machine, rng, timeLimitMs);
  const work = async (process: Incarnation): Promise<unknown> => {
    const works: Promise<unknown>[] = [commanded(machine, process, what)];
    if (besideAtMs !== null)
      works.push(
        later(machine, process, besideAtMs, async (it) =>
          commanded(machine, it, await canceledOr(machine, pick(rng, ['submit', 'collect']))),
        ),
      );
    if (cancelAtMs !== null) works.push(later(machine, process, cancelAtMs, () => cancelRun(machine)));
    return Promise.all(works);
  };
  await inLife(machine, work, { timeLimitMs, crash });
}

type CrashPlan = { readonly atMs: number } | { readonly name: FailpointName | null; readonly nth: number };

function drawCrash(rng: Rng): CrashPlan {
  const kind = rng.next();
  if (kind < 0.3) return { atMs: Math.floor(1_000 * 1.2 ** integerBetween(rng, 0, 50)) };
  if (kind < 0.6) return { name: null, nth: integerBetween(rng, 1, 40) };
  return { name: pick(rng, FAILPOINT_NAMES), nth: integerBetween(rng, 1, 3) };
}

/** Batches of other programs in the same workspace, as large as ours are at most, some at the same time as ours. */
function addForeigners(machine: Machine, rng: Rng, spanMs: number): void {
  const { plan, world, clock } = machine;
  const count = Math.min(30, Math.ceil((plan.foreignPerHour * Math.min(spanMs, 2 * HOUR_MS)) / HOUR_MS));
  for (let nth = 0; nth < count; nth++) {
    const atMs = Math.floor(rng.next() * Math.min(spanMs, 20 * MINUTE_MS));
    const rows = Math.max(1, plan.chunkRows - integerBetween(rng, 0, 1));
    void clock.sleep(atMs).then(() => world.addForeignBatch({ count: rows }));
  }
}

/** Something beside the main command, in a process of its own that dies with the machine. */
async function later<T>(
  machine: Machine,
  main: Incarnation,
  atMs: number,
  work: (process: Incarnation) => Promise<T>,
): Promise<T | null> {
  await machine.clock.sleep(atMs, main.stop.signal);
  if (main.life.dead || main.stop.signal.aborted) return null;
  const beside = await machine.start();
  main.stop.signal.addEventListener('abort', () => beside.stop.abort());
  void main.life.died.then(() => beside.life.die('with the machine'));
  return work(beside);
}

/** The same input after a cancel is a new run, by design: here it is only followed to its end. */
async function canceledOr(machine: Machine, what: Command): Promise<Command> {
  return (await machine.store.runs()).some((run) => run.canceled) ? 'collect' : what;
}

async function cancelRun(machine: Machine): Promise<void> {
  for (const run of await machine.store.runs()) {
    if (run.state === 'ready' || run.state === 'active') await machine.store.requestCancel(run.id, machine.clock.now());
  }
}

/** A command with what may come of it: a state that somebody else drives is an answer, everything else is a bug. */
async function commanded(
  machine: Machine,
  { engine, life }: Incarnation,
  what: Command,
): Promise<CommandEnd | 'locked' | 'interrupted'> {
  try {
    return await command(engine, machine.plan, what);
  } catch (error) {
    if (isBatchrunError(error, 'E_LOCKED')) return 'locked';
    if (isBatchrunError(error, 'E_NOT_FINISHED')) return 'interrupted';
    if (!life.dead && !(error instanceof Crash)) {
      machine.violation(
        `the command ${what} died of: ${error instanceof Error ? (error.stack ?? '') : messageOf(error)}`,
      );
    }
    throw error;
  }
}

interface LifePlan {
  readonly timeLimitMs: number;
  readonly crash?: CrashPlan | null;
}

/** Runs one incarnation until it ends, is stopped by its time limit, or dies. Gives what its work gave; null when it died. */
async function inLife<T>(
  machine: Machine,
  work: (process: Incarnation) => Promise<T>,
  { timeLimitMs, crash = null }: LifePlan,
): Promise<T | null> {
  const { clock } = machine;
  const process = await machine.start();
  const { life, stop } = process;
  const over = new AbortController();
  const die = (where: string): void => {
    if (life.dead || over.signal.aborted) return;
    machine.crash([life], where);
    checkOutputAtCrash(machine);
  };
  armCrash(crash, die);
  if (crash && 'atMs' in crash) void clock.sleep(crash.atMs, over.signal).then(() => die(`after ${crash.atMs} ms`));
  void clock.sleep(timeLimitMs, over.signal).then(() => {
    if (!over.signal.aborted) stop.abort();
  });
  const done = work(process).catch((error: unknown) => {
    if (life.dead) return null;
    machine.log.add(clock.now(), `failed: ${messageOf(error)}`);
    return null;
  });
  const end = await clock.run(Promise.race([done, life.died.then(() => null)]));
  over.abort();
  armFailpoints(undefined);
  machine.log.add(clock.now(), `end ${JSON.stringify(end)}`);
  return end;
}

function armCrash(crash: CrashPlan | null, die: (where: string) => void): void {
  if (!crash || !('nth' in crash)) return;
  let left = crash.nth;
  armFailpoints((name) => {
    if (crash.name !== null && crash.name !== name) return;
    if (--left !== 0) return;
    die(`at ${name}`);
    // There it is called from a callback whose errors nobody takes; its next step meets the fence.
    if (name !== 'retry.realtime_answer') throw new Crash(`at ${name}`);
  });
}
