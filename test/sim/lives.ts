/**
 * What happens in one life of a machine while everything may go wrong: which command somebody gives, and the moments of
 * the crash, the Ctrl-C, the clock that is set, the disk that fills up, the lock that is lost, the cancel.
 */
import { FAILPOINTS, type FailpointName } from '../../src/base/failpoint.ts';
import { chance, integerBetween, pick, seededRng, type Rng } from '../../src/base/random.ts';
import { DRIVER_LOCK } from '../../src/engine/driver.ts';
import type { Command } from './command.ts';
import type { FullPart } from './full-disk.ts';
import { beside, canceledOr, commanded, inLife, interrupt, later, type Happening, type Moment } from './in-life.ts';
import type { Incarnation, Machine } from './machine.ts';
import { giveBack, revoke, SECOND_KEY, takenKeys } from './sim-keys.ts';
import { CLOCK_STEP_MS_MAX, HOUR_MS } from './troubles.ts';

const MINUTE_MS = 60_000;
/** What a user does with a run that is under way. The first command always submits. */
const COMMANDS: readonly Command[] = ['run', 'run', 'run', 'submit', 'collect', 'once'];
const FIRST_COMMANDS: readonly Command[] = ['run', 'run', 'submit'];

/** Where a batch may have been made and nobody knows it, oftener than elsewhere. */
const COSTLY: readonly FailpointName[] = [
  'submit.answered',
  'submit.answered',
  'submit.body_complete',
  'submit.attempt',
];
const FAILPOINT_NAMES: readonly FailpointName[] = [...(Object.keys(FAILPOINTS) as FailpointName[]), ...COSTLY];
const DRIVING_NAMES = FAILPOINT_NAMES.filter((name) => !name.startsWith('ingest.'));

/** `nth` counts the lives of the machine. */
export async function faultyLife(machine: Machine, rng: Rng, nth: number): Promise<void> {
  const { plan } = machine;
  const what = await canceledOr(machine, pick(rng, nth === 0 ? FIRST_COMMANDS : COMMANDS));
  const crash = chance(rng, plan.crashRate) ? drawMoment(rng) : null;
  const cancelAtMs = chance(rng, plan.cancelRate) ? integerBetween(rng, 0, 20 * MINUTE_MS) : null;
  const besideAtMs = chance(rng, plan.besideRate) ? integerBetween(rng, 0, 10 * MINUTE_MS) : null;
  const timeLimitMs = integerBetween(rng, 1, pick(rng, [10, 120, 600])) * MINUTE_MS;
  if (machine.name === '') addForeigners(machine, rng, timeLimitMs);
  // What came later has a stream of its own.
  const more = seededRng(`${machine.stream('troubles')}|${nth}`);
  const happens = troublesOf(machine, more);
  const work = (process: Incarnation): Promise<unknown> => {
    const besides = (): Promise<unknown> => beside(process, pick(rng, ['submit', 'collect']));
    return Promise.all([
      commanded(process, what),
      besideAtMs === null ? null : later(process, besideAtMs, besides),
      cancelAtMs === null ? null : later(process, cancelAtMs, () => cancelRun(machine)),
    ]);
  };
  machine.counts.lives++;
  await inLife(machine, work, { timeLimitMs, crash, happens });
  if (chance(more, plan.troubles.clockStepRate)) setClock(machine, drawStepMs(more));
  // Somebody looks after the machine before the next command: else all lives would be spent on one full disk.
  if (machine.full.full) await machine.lab.clock.sleep(integerBetween(more, 1, 20) * MINUTE_MS);
}

function troublesOf(machine: Machine, rng: Rng): readonly Happening[] {
  const { stopRate, clockStepRate, diskFullRate, takeoverRate, keys } = machine.plan.troubles;
  const happens: Happening[] = [];
  if (chance(rng, stopRate)) happens.push({ moment: drawMoment(rng), then: interrupt });
  for (let left = chance(rng, clockStepRate) ? integerBetween(rng, 1, 3) : 0; left > 0; left--) {
    const byMs = drawStepMs(rng);
    const afterMs = integerBetween(rng, 1, 1_500);
    const set = (): undefined => void machine.lab.clock.sleep(afterMs).then(() => setClock(machine, byMs));
    happens.push({ moment: drawClockMoment(rng), then: set });
  }
  if (chance(rng, diskFullRate)) {
    const part = pick(rng, ['files', 'ledger', 'both'] as const satisfies readonly FullPart[]);
    const roomBytes = pick(rng, [0, integerBetween(rng, 1, 5_000)]);
    const spellMs = drawTimeMs(rng);
    happens.push({ moment: drawDrivingMoment(rng), then: () => fillDisk(machine, { part, roomBytes, spellMs }) });
  }
  if (keys && chance(rng, keys.revokeRate)) {
    const spellMs = drawTimeMs(rng);
    happens.push({ moment: drawDrivingMoment(rng), then: () => revokeKey(machine, spellMs) });
  }
  if (chance(rng, takeoverRate)) {
    const what = pick(rng, COMMANDS);
    const frozenMs = chance(rng, 0.5) ? drawTimeMs(rng) : 0;
    happens.push({ moment: drawDrivingMoment(rng), then: (main) => takeOver(main, what, frozenMs) });
  }
  return happens;
}

/** From a second to two hours and a half, short ones oftener. */
function drawTimeMs(rng: Rng): number {
  return Math.floor(1_000 * 1.2 ** integerBetween(rng, 0, 50));
}

function drawMoment(rng: Rng): Moment {
  const kind = rng.next();
  if (kind < 0.3) return { atMs: drawTimeMs(rng) };
  if (kind < 0.6) return { name: null, nth: integerBetween(rng, 1, 40) };
  return { name: pick(rng, FAILPOINT_NAMES), nth: integerBetween(rng, 1, 3) };
}

/** While the process drives, most likely: failpoints are dense there, and time is not. */
function drawDrivingMoment(rng: Rng): Moment {
  const kind = rng.next();
  if (kind < 0.2) return { atMs: drawTimeMs(rng) };
  if (kind < 0.4) return { name: pick(rng, DRIVING_NAMES), nth: integerBetween(rng, 1, 3) };
  return { name: 'driving', nth: Math.floor(1.3 ** integerBetween(rng, 0, 14)) };
}

/** Soon after an answer with a wait in it, or after a create that nobody knows of: then it matters most. */
function drawClockMoment(rng: Rng): Moment {
  const name = pick(rng, ['driving', 'answer.429', 'create.lost'] as const);
  return name === 'driving' ? drawDrivingMoment(rng) : { name, nth: integerBetween(rng, 1, 3) };
}

function drawStepMs(rng: Rng): number {
  return integerBetween(rng, -CLOCK_STEP_MS_MAX, CLOCK_STEP_MS_MAX);
}

function setClock(machine: Machine, byMs: number): void {
  machine.clock.step(byMs);
  machine.counts.clockSteps++;
  machine.log(`the clock is ${machine.clock.wrongMs} ms ahead now`);
}

interface DiskSpell {
  readonly part: FullPart;
  readonly roomBytes: number;
  readonly spellMs: number;
}

/** The spell goes on when the process ends. */
function fillDisk(machine: Machine, { part, roomBytes, spellMs }: DiskSpell): undefined {
  const { full, lab } = machine;
  full.fill(part, roomBytes);
  machine.log(`the disk is full: ${part}`);
  const spell = full.spells;
  void lab.clock.sleep(spellMs).then(() => {
    if (full.spells === spell) full.free();
  });
}

/** The API refuses the second key for a while. */
function revokeKey(machine: Machine, spellMs: number): undefined {
  const { lab } = machine;
  machine.counts.revocations++;
  machine.log('the second key is revoked');
  revoke(lab.keys);
  void lab.clock.sleep(spellMs).then(() => giveBack(lab.keys, lab.plan.troubles.keys));
}

/**
 * The lock is lost, as on a network file system, and another process takes it while the first goes on: at once, or after
 * it stood still for a while, as on a machine that slept.
 */
function takeOver(main: Incarnation, what: Command, frozenMs: number): Promise<unknown> | undefined {
  const { machine } = main;
  const loser = machine.locks.lose(DRIVER_LOCK);
  if (!loser) return undefined;
  machine.counts.takeovers++;
  if (frozenMs > 0) loser.freeze(machine.lab.clock.sleep(frozenMs, main.stop.signal));
  return beside(main, what);
}

/** Batches of other programs in the same workspace, as large as ours are at most, some at the same time as ours. */
function addForeigners({ plan, lab }: Machine, rng: Rng, spanMs: number): void {
  const count = Math.min(30, Math.ceil((plan.foreignPerHour * Math.min(spanMs, 2 * HOUR_MS)) / HOUR_MS));
  for (let nth = 0; nth < count; nth++) {
    const atMs = Math.floor(rng.next() * Math.min(spanMs, 20 * MINUTE_MS));
    const rows = Math.max(1, plan.chunkRows - integerBetween(rng, 0, 1));
    void lab.clock.sleep(atMs).then(() => {
      lab.foreignBatches++;
      // With a second key every other one is where that looks.
      const second = nth % 2 === 1 ? takenKeys(plan.troubles.keys)[SECOND_KEY] : undefined;
      lab.world.addForeignBatch({ count: rows, ...second });
    });
  }
}

async function cancelRun(machine: Machine): Promise<void> {
  // Whoever reads the input now would make a second run of it, by design: nobody here asks for that.
  if (machine.reading > 0) return;
  for (const run of await machine.store.runs()) {
    if (run.state !== 'ready' && run.state !== 'active') continue;
    machine.counts.cancels++;
    await machine.store.requestCancel(run.id, machine.clock.now());
  }
}
