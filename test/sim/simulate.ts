/**
 * One seed from its first submit to its end: first with everything going wrong, then in a healed world, where it must
 * come to its end within a bound; and in some seeds once more with `batchrun retry`.
 */
import { seededRng } from '../../src/base/random.ts';
import { DEFAULT_WORKSPACE } from '../../src/tools/sim/caller.ts';
import type { FaultName } from '../../src/tools/sim/faults.ts';
import { paramsHashOf } from '../../src/tools/sim/prompt.ts';
import { checkEnd, outputLines, outputText, pending } from './checkers.ts';
import { canceledOr, commanded, inLife } from './in-life.ts';
import { Lab, wirePlaceOf } from './lab.ts';
import { countCopies, reuseAll } from './reuse.ts';
import { faultyLife } from './lives.ts';
import type { Machine, Sabotage } from './machine.ts';
import { timesSent } from './payments.ts';
import { checkStrangers, warmUpsOf } from './caching.ts';
import { planOf, variantsOf, type Plan } from './plan.ts';
import { HOUR_MS } from './troubles.ts';
import { EventLog } from './watch.ts';

/** Commands in the healed world until the run must be done: one for each thing that a person has to mend. */
const HEALED_LIVES_MAX = 8;
const HEALED_MS_MAX = 30 * HOUR_MS;
/** Turns of the clock in one seed. */
const TURNS_MAX = 10_000_000;

export interface SeedResult {
  readonly seed: string;
  readonly plan: Plan;
  readonly violations: readonly string[];
  readonly virtualMs: number;
  /** What happened how often, beside the faults of the API. */
  readonly counts: Readonly<Record<string, number>>;
  readonly faults: ReadonlyMap<FaultName, number>;
  readonly digest: string;
  readonly log: EventLog;
}

export async function simulate(
  seed: string | number,
  options: { sabotage?: Sabotage; keepLog?: boolean; sharpened?: (plan: Plan) => Plan } = {},
): Promise<SeedResult> {
  const { sharpened = (drawn: Plan) => drawn } = options;
  const plan = sharpened(planOf(seed));
  const lab = new Lab(plan, options.sabotage, new EventLog(options.keepLog));
  try {
    await lab.clock.run(story(lab), TURNS_MAX);
  } catch (error) {
    lab.violation(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    lab.close();
  }
  const { violations, world, clock, log } = lab;
  return {
    ...{ seed: String(seed), plan, violations, log, counts: countsOf(lab) },
    virtualMs: clock.monotonicMs(),
    faults: world.faultsFired,
    digest: log.digest(),
  };
}

async function story(lab: Lab): Promise<void> {
  const each = async (work: (machine: Machine) => Promise<void>): Promise<void> => {
    if (!lab.hasFailed()) await Promise.all(lab.machines.map(work));
  };
  await each((machine) => faultyLives(machine, { from: 0, lives: machine.plan.lives }));
  lab.heal();
  await each(untilDone);
  checkStrangers(lab.machines);
  await retryAll(lab, each);
  if (lab.plan.coalesce?.reuse === true) await each(reuseAll);
  for (const machine of lab.machines) countCopies(machine);
}

async function retryAll(lab: Lab, each: (work: (machine: Machine) => Promise<void>) => Promise<void>): Promise<void> {
  const { retry } = lab.plan.troubles;
  if (retry === null) return;
  const before = new Map(lab.machines.map((machine) => [machine, succeededRows(machine)]));
  if (retry.lives > 0) lab.sicken();
  await each(async (machine) => {
    await reopened(machine);
    await faultyLives(machine, { from: machine.plan.lives, lives: retry.lives });
  });
  lab.heal();
  await each(async (machine) => {
    await untilDone(machine);
    checkKept(machine, before.get(machine) ?? new Map<number, Kept>());
  });
}

/** The lives of a machine in which everything may go wrong. */
async function faultyLives(machine: Machine, { from, lives }: { from: number; lives: number }): Promise<void> {
  const rng = seededRng(machine.stream(from === 0 ? 'lives' : 'lives after retry'));
  for (let nth = from; nth < from + lives && !machine.lab.hasFailed(); nth++) await faultyLife(machine, rng, nth);
}

/** Somebody raises the budget: else a run that it stopped would never end. */
async function raiseBudget(machine: Machine): Promise<void> {
  if (machine.plan.troubles.budget === null || machine.budgetRaisedAtMs !== null) return;
  machine.budgetRaisedAtMs = machine.lab.clock.now();
  for (const run of await machine.store.runs()) await machine.store.changeWishes(run.id, { maxCostUsd: null });
}

/** Somebody has looked at what was refused, and sends the rest all the same. */
async function letPilotGo(machine: Machine): Promise<void> {
  const blocked = (await machine.store.runs()).filter((run) =>
    run.blocked.some(({ reason }) => reason === 'pilot_refused'),
  );
  if (blocked.length === 0 || machine.pilotLetGoAtMs !== null) return;
  machine.pilotLetGoAtMs = machine.lab.clock.now();
  machine.counts.pilotsRefused++;
  for (const run of blocked) await machine.store.changeWishes(run.id, { pilot: 0 });
}

async function untilDone(machine: Machine): Promise<void> {
  const ends: string[] = [];
  await raiseBudget(machine);
  for (let nth = 0; nth < HEALED_LIVES_MAX; nth++) {
    const what = await canceledOr(machine, 'run');
    ends.push(String(await inLife(machine, (process) => commanded(process, what), { timeLimitMs: HEALED_MS_MAX })));
    if (machine.lab.hasFailed()) return;
    await letPilotGo(machine);
    const runs = await machine.store.runs();
    if (runs.length === 0 || runs.some((run) => run.state !== 'done')) continue;
    await checkEnd(machine);
    if (!machine.lab.hasFailed()) await checkNoOp(machine);
    return;
  }
  machine.violation(`it does not come to its end in a healed world (${ends.join(', ')}): ${await pending(machine)}`);
}

/** The same command on a finished run does nothing at all. */
async function checkNoOp(machine: Machine): Promise<void> {
  const before = outputText(machine);
  const requests = machine.counts.requests;
  const what = await canceledOr(machine, 'run');
  const end = await inLife(machine, (process) => commanded(process, what), { timeLimitMs: HOUR_MS });
  if (end !== 'done' && end !== 'nothing') machine.violation(`on a finished run the command ends with ${String(end)}`);
  const made = machine.counts.requests - requests;
  if (made > 0) machine.violation(`on a finished run the command made ${made} requests`);
  if (outputText(machine) !== before) machine.violation('on a finished run the command changed the output');
}

async function reopened(machine: Machine): Promise<void> {
  const end = await inLife(machine, (process) => commanded(process, 'retry'), { timeLimitMs: HOUR_MS });
  if (end === 'reopened') machine.counts.retries++;
}

interface Kept {
  readonly line: string;
  readonly timesSent: number;
}

/** By row: what the output says of those that succeeded, and how often they were sent. */
function succeededRows(machine: Machine): ReadonlyMap<number, Kept> {
  const times = timesSent(machine);
  const kept = new Map<number, Kept>();
  for (const [at, line] of outputLines(machine).entries()) {
    const { result } = JSON.parse(line) as { result: { type: string } };
    const row = machine.plan.rows[at];
    if (result.type !== 'succeeded' || !row) continue;
    kept.set(at, { line, timesSent: times.get(paramsHashOf(variantsOf(machine.plan, row)[0] ?? {})) ?? 0 });
  }
  return kept;
}

/** A retry keeps what had succeeded, and sends none of it again. */
function checkKept(machine: Machine, before: ReadonlyMap<number, Kept>): void {
  if (machine.lab.hasFailed()) return;
  const after = succeededRows(machine);
  for (const [at, { line, timesSent: sent }] of before) {
    const now = after.get(at);
    if (now?.line !== line) machine.violation(`row ${at} had succeeded, and the retry changed its line`);
    else if (now.timesSent !== sent) machine.violation(`row ${at} had succeeded, and the retry sent it again`);
  }
}

function countsOf(lab: Lab): Record<string, number> {
  const { troubles } = lab.plan;
  const counts: Record<string, number> = {
    foreignBatches: lab.foreignBatches,
    secondKeys: troubles.keys === null ? 0 : 1,
    secondKeyBatches: secondKeyBatches(lab),
    secondMachines: troubles.secondMachine ? 1 : 0,
    wrongClocks: troubles.clockWrongMs === 0 ? 0 : 1,
    lagsBeyondGrace: troubles.lagsBeyondGrace ? 1 : 0,
    stdoutSeeds: troubles.output === 'stdout' ? 1 : 0,
    asCompletedSeeds: troubles.output === 'as-completed' ? 1 : 0,
    realtimeSeeds: troubles.lane === 'realtime' ? 1 : 0,
    batchOnlySeeds: troubles.lane === 'batch' ? 1 : 0,
    pilotSeeds: troubles.pilot === null ? 0 : 1,
    deadlineSeeds: troubles.deadlineAfterMs === null ? 0 : 1,
    schemaSeeds: lab.plan.schema === null ? 0 : 1,
    batches: lab.world.ledger.batches.length - lab.foreignBatches,
    messages: lab.world.ledger.messages.length,
    secondBatches: secondBatches(lab),
    diskFullSpells: 0,
    cacheSeeds: lab.plan.cache === null ? 0 : 1,
    warmUps: lab.machines.reduce((sum, machine) => sum + warmUpsOf(machine).length, 0),
    rowsFromCache: rowsFromCache(lab),
  };
  for (const machine of lab.machines) {
    for (const [name, count] of Object.entries(machine.counts)) counts[name] = (counts[name] ?? 0) + count;
    counts['diskFullSpells'] = (counts['diskFullSpells'] ?? 0) + machine.full.spells;
  }
  return counts;
}

/** Rows of batches whose prefix was in the cache. */
function rowsFromCache({ world }: Lab): number {
  const rows = world.ledger.batches.flatMap((batch) => [...batch.rows()]);
  return rows.filter(({ input }) => input.read > 0).length;
}

/** Batches of ours that the second key made, where it has a workspace of its own. */
function secondKeyBatches({ world }: Lab): number {
  return world.ledger.batches.filter((batch) => !batch.isForeign && batch.workspace !== DEFAULT_WORKSPACE).length;
}

/** Batches of a chunk that had one before. */
function secondBatches(lab: Lab): number {
  const ours = lab.world.ledger.batches.filter((batch) => !batch.isForeign);
  const places = ours.map((batch) => wirePlaceOf(batch)).map(({ tag, chunkNo }) => `${tag}:${chunkNo}`);
  return places.length - new Set(places).size;
}
