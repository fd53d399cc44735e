/**
 * How a process lives and ends: by itself, by Ctrl-C, or with the whole machine. What a command may end with is an
 * answer; everything else is a bug.
 */
import { FAILPOINTS, type FailpointName } from '../../src/base/failpoint.ts';
import { isBatchrunError, messageOf } from '../../src/base/errors.ts';
import { checkOutputAtCrash } from './checkers.ts';
import { command, type Command, type CommandEnd } from './command.ts';
import { Crash } from './fence.ts';
import type { AnswerName, Incarnation, Machine } from './machine.ts';

export type LifeEnd = CommandEnd | 'locked' | 'interrupted' | 'disk_full' | 'fenced';

/**
 * A moment in a life: after a time, when a failpoint is reached for the n-th time (this one, any, or any that only a
 * driver reaches), or when the n-th answer of a kind comes.
 */
export type Moment =
  | { readonly atMs: number }
  | { readonly name: FailpointName | AnswerName | null; readonly nth: number }
  | { readonly name: 'driving'; readonly nth: number };

/** What happens at a moment. What it sets going beside the main process is waited for. */
export interface Happening {
  readonly moment: Moment;
  readonly then: (main: Incarnation) => Promise<unknown> | undefined;
}

export interface LifePlan {
  /** Then it is stopped, as by --max-wait. */
  readonly timeLimitMs: number;
  readonly crash?: Moment | null;
  readonly happens?: readonly Happening[];
}

/** Runs one process, and those that it brings up, until all have ended or died. Null when they died. */
export async function inLife<T>(
  machine: Machine,
  work: (process: Incarnation) => Promise<T>,
  { timeLimitMs, crash = null, happens = [] }: LifePlan,
): Promise<T | null> {
  const { lab } = machine;
  const main = await machine.start();
  const over = new AbortController();
  const at = (atMs: number, then: () => void): void => {
    void lab.clock.sleep(atMs, over.signal).then(() => {
      if (!over.signal.aborted && !main.life.dead) then();
    });
  };
  const die = (where: string): void => {
    machine.crash(where);
    // It may have come to its end by itself, and only what it brought up still ran.
    main.life.die(where);
    checkOutputAtCrash(machine);
  };
  const besides: Promise<unknown>[] = [];
  const happen = ({ then }: Happening): void => {
    const more = then(main);
    if (!more) return;
    // When the machine goes down nobody waits for it any more.
    more.catch(() => undefined);
    besides.push(more);
  };
  if (crash && 'atMs' in crash) at(crash.atMs, () => die(`after ${crash.atMs} ms`));
  at(timeLimitMs, () => interrupt(main));
  for (const one of happens) if ('atMs' in one.moment) at(one.moment.atMs, () => happen(one));
  machine.onMoment = onMoments({ crash, die, happens, happen });
  const done = lab
    .as(main, async () => {
      const result = await work(main);
      for (let next = besides.shift(); next; next = besides.shift()) await next;
      return result;
    })
    .catch((error: unknown) => {
      if (!main.life.dead) machine.log(`failed: ${messageOf(error)}`);
      return null;
    });
  const end = await Promise.race([done, main.life.died.then(() => null)]);
  over.abort();
  machine.onMoment = null;
  machine.log(`end ${JSON.stringify(end)}`);
  return end;
}

/** Ctrl-C. */
export function interrupt(main: Incarnation): undefined {
  if (main.stop.signal.aborted) return;
  main.machine.counts.stops++;
  main.stop.abort();
}

interface AtMoments {
  readonly crash: Moment | null;
  readonly die: (where: string) => void;
  readonly happens: readonly Happening[];
  readonly happen: (one: Happening) => void;
}

function onMoments({ crash, die, happens, happen }: AtMoments): Machine['onMoment'] {
  const counted = (moment: Moment | null): ((name: FailpointName | AnswerName) => boolean) => {
    if (!moment || !('nth' in moment)) return () => false;
    let left = moment.nth;
    const isMeant = (name: FailpointName | AnswerName): boolean => {
      if (moment.name === 'driving') return name in FAILPOINTS && !name.startsWith('ingest.');
      return moment.name === null ? name in FAILPOINTS : moment.name === name;
    };
    return (name) => isMeant(name) && --left === 0;
  };
  const isCrash = counted(crash);
  const waiting = happens.map((one) => ({ one, isNow: counted(one.moment) }));
  return (name) => {
    for (const { one, isNow } of waiting) if (isNow(name)) happen(one);
    if (!isCrash(name)) return;
    die(`at ${name}`);
    // There it is called from a callback whose errors nobody takes; its next step meets the fence.
    if (name !== 'retry.realtime_answer') throw new Crash(`at ${name}`);
  };
}

/** Something beside the main process, some time later, unless that has ended. */
export async function later<T>(main: Incarnation, atMs: number, work: () => Promise<T>): Promise<T | null> {
  await main.machine.lab.clock.sleep(atMs, main.stop.signal);
  if (main.life.dead || main.stop.signal.aborted) return null;
  return work();
}

/** Another process on the same machine, which is stopped together with the main one. */
export async function beside(main: Incarnation, what: Command): Promise<LifeEnd> {
  const { machine } = main;
  const process = await machine.start();
  machine.counts.besides++;
  main.stop.signal.addEventListener('abort', () => process.stop.abort());
  const now = await canceledOr(machine, what);
  return machine.lab.as(process, () => commanded(process, now));
}

/** The same input after a cancel is a new run, by design: here it is only followed to its end. */
export async function canceledOr(machine: Machine, what: Command): Promise<Command> {
  return (await machine.store.runs()).some((run) => run.canceled) ? 'collect' : what;
}

/** A command with what may come of it. */
export async function commanded(process: Incarnation, what: Command): Promise<LifeEnd> {
  const { machine, life } = process;
  const { counts, full } = machine;
  const spellsBefore = full.full ? full.spells - 1 : full.spells;
  try {
    return await command(process, what);
  } catch (error) {
    if (life.dead || error instanceof Crash) throw error;
    if (isBatchrunError(error, 'E_LOCKED')) return 'locked';
    if (isBatchrunError(error, 'E_NOT_FINISHED')) return 'interrupted';
    if (isBatchrunError(error, 'E_DISK_FULL') && full.spells > spellsBefore) {
      counts.diskFullEnds++;
      return 'disk_full';
    }
    if (isBatchrunError(error, 'E_FENCED') && life.lostLock) {
      counts.fenced++;
      return 'fenced';
    }
    const story = error instanceof Error ? (error.stack ?? '') : messageOf(error);
    machine.violation(`the command ${what} died of: ${story}`);
    throw error;
  } finally {
    machine.ended(process);
  }
}
