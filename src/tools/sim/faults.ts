/**
 * What can go wrong on purpose, and when.
 *
 * A fault fires because a test queued it (`failNext`), because a script said so, or by its rate; the n-th draw of
 * one fault is the same for one seed, whatever other faults did. Everything that fired is counted, so that a
 * simulation can see that it covered the whole list.
 */
import type { Draws } from './draw.ts';

/** Every fault, with what it does. The names are the API of the simulator towards tests and `batchrun sim`. */
export const FAULTS = {
  'create.reset_upload': 'the connection breaks while the body is still on its way; nothing is made',
  'create.reset_before': 'the body was read, then the connection breaks; nothing is made',
  'create.hang_before': 'the body was read, no answer ever comes; nothing is made',
  'create.500_before': '500, and nothing is made',
  'create.413': '413 from the edge although the body is under every documented limit',
  'create.429': '429 with retry-after; nothing is made',
  'create.reset_after': 'the batch is made, then the connection breaks without an answer',
  'create.hang_after': 'the batch is made, no answer ever comes',
  'create.504_after': 'the batch is made, the answer is 504',
  'create.500_after': 'the batch is made, the answer is 500',
  'create.garbage_answer': 'the batch is made, the answer is a 200 that cannot be parsed',
  'list.lag': 'a new batch is missing from list and retrieve for listLagMs',
  'list.404': 'a list call answers 404 although the list is there',
  'list.500': 'a list call answers 500',
  'list.503': 'a list call answers 503',
  'retrieve.404': 'a retrieve answers 404 although the batch exists',
  'retrieve.500': 'a retrieve answers 500',
  'cancel.500': 'a cancel answers 500 and is not done',
  'cancel.500_after': 'a cancel is done and answers 500',
  'results.404': 'the results of an ended batch answer 404',
  'results.503': 'the results of an ended batch answer 503',
  'results.empty': 'the results end cleanly without a line',
  'results.cut_line': 'the results end cleanly at a line boundary with lines missing',
  'results.cut_inside': 'the results end cleanly inside a line',
  'results.reset': 'the connection breaks inside a line of the results',
  'results.stall': 'the results stop coming and never end',
  'results.duplicate_line': 'one line of the results comes twice',
  'results.foreign_line': 'the results hold one line with a custom_id that was never sent',
  'message.reset': 'the message is executed and billed, then the connection breaks without an answer',
  'message.reset_before': 'the connection breaks before the message is executed',
  'message.hang': 'the message is executed and billed, no answer ever comes',
  'message.429': '429 with retry-after; not executed',
  'message.500': '500; not executed',
  'message.529': '529 overloaded; not executed',
  'message.garbage_answer': 'the message is executed and billed, the answer is a 200 that cannot be parsed',
  'batch.expire': 'nothing of the batch is processed: it ends at expires_at with every row expired',
  'batch.canceled_by_other': 'somebody else cancels the batch while it runs',
} as const;

/** The faults by their names: see `FAULTS`. */
export type FaultName = keyof typeof FAULTS;

export const FAULT_NAMES = Object.keys(FAULTS) as readonly FaultName[];

/** How often faults fire: probabilities from 0 to 1. */
export type FaultRates = Readonly<Partial<Record<FaultName, number>>>;

/** What a script is asked: should this fault fire now? Undefined leaves it to the rates. */
export interface FaultQuestion {
  readonly fault: FaultName;
  readonly path: string;
  readonly nowMs: number;
}

/** Says of each occasion of a fault whether it fires. */
export type FaultScript = (question: FaultQuestion) => boolean | undefined;

export interface FaultBox {
  /** Does this fault fire here? Each call is one draw. */
  fires(fault: FaultName, path: string): boolean;
  /** The first of the names that fires. */
  firstOf<T extends FaultName>(faults: readonly T[], path: string): T | undefined;
  failNext(fault: FaultName, times: number): void;
  script(script: FaultScript | undefined): void;
  setRates(rates: FaultRates): void;
  readonly fired: ReadonlyMap<FaultName, number>;
}

export function createFaultBox(draws: Draws, rates: FaultRates, now: () => number): FaultBox {
  let current = rates;
  let script: FaultScript | undefined;
  const queued = new Map<FaultName, number>();
  const asked = new Map<FaultName, number>();
  const fired = new Map<FaultName, number>();

  const decide = (fault: FaultName, path: string): boolean => {
    const waiting = queued.get(fault) ?? 0;
    if (waiting > 0) {
      queued.set(fault, waiting - 1);
      return true;
    }
    const said = script?.({ fault, path, nowMs: now() });
    if (said !== undefined) return said;
    const rate = current[fault] ?? 0;
    if (rate <= 0) return false;
    const nth = asked.get(fault) ?? 0;
    asked.set(fault, nth + 1);
    return draws(fault, nth).next() < rate;
  };

  const fires = (fault: FaultName, path: string): boolean => {
    const yes = decide(fault, path);
    if (yes) fired.set(fault, (fired.get(fault) ?? 0) + 1);
    return yes;
  };

  return {
    fires,
    firstOf: (faults, path) => faults.find((fault) => fires(fault, path)),
    failNext: (fault, times) => void queued.set(fault, (queued.get(fault) ?? 0) + times),
    script: (next) => {
      script = next;
    },
    setRates: (next) => {
      current = next;
    },
    fired,
  };
}
