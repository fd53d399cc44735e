/**
 * What goes wrong around the program in one seed, beside the faults of the API: the machine's clock, its disk, its lock,
 * a second machine in the same workspace, Ctrl-C, a list that shows batches only after the grace; and how the command is
 * used: with its output on stdout, row by row, with `batchrun retry` at the end, or with a second key.
 *
 * Each is drawn from a stream of its own, so that a new one leaves the others of a seed as they were. Each is off in most
 * seeds. `SIM_WITHOUT=clock,disk` takes some away: that shows which of them a failing seed needs.
 */
import { chance, integerBetween, pick, seededRng, type Rng } from '../../src/base/random.ts';
import { limitPlanOf, type LimitPlan } from './account.ts';
import { keyPlanOf, type KeyPlan } from './sim-keys.ts';
import type { LaneMode } from '../../src/domain/model.ts';

export type RowEnd = 'failed' | 'expired' | 'canceled';

/** `batchrun retry` of the finished run. */
export interface RetryPlan {
  readonly states: readonly RowEnd[];
  /** Lives with faults between the retry and the healed world. */
  readonly lives: number;
}

export interface Troubles {
  /** How wrong the machine's clock is when the first life begins. */
  readonly clockWrongMs: number;
  /** How often in a life, and between two lives, somebody sets the clock. */
  readonly clockStepRate: number;
  /** Lives in which the disk fills up. */
  readonly diskFullRate: number;
  /** Lives in which the driver loses its lock to another process and does not notice. */
  readonly takeoverRate: number;
  /** Lives that a Ctrl-C ends soon. */
  readonly stopRate: number;
  /** The list may show a batch later than the grace waits for it. */
  readonly lagsBeyondGrace: boolean;
  /** Another machine with a state of its own works in the same workspace, with batches of the same sizes. */
  readonly secondMachine: boolean;
  /** How long a passing 429 asks to wait; null: a second or two. */
  readonly retryAfterSeconds: readonly [number, number] | null;
  readonly output: 'file' | 'stdout' | 'as-completed';
  readonly retry: RetryPlan | null;
  /** A second key; null: one key alone. */
  readonly keys: KeyPlan | null;
  /** How little the account may do in a minute; null: as much as any tier. */
  readonly limits: LimitPlan | null;
  /** The budget of the run, as a share of what all rows can cost at most; null: none. */
  readonly budget: number | null;
  /** The lane that the user forces, and how soon after the submit the results are needed. */
  readonly lane: LaneMode;
  readonly deadlineAfterMs: number | null;
  /** Some rows go first; null: none. */
  readonly pilot: PilotPlan | null;
}

/** `--pilot`: so many rows, and whether the API refuses one of them. */
export interface PilotPlan {
  readonly rows: number;
  /** Which of the rows that may be sent, from 0. */
  readonly refusedNth: number | null;
}

export const HOUR_MS = 3_600_000;
/** How far the machine's clock is from the true time at most, and how far somebody sets it at once. */
export const CLOCK_WRONG_MS_MAX = 2 * HOUR_MS;
export const CLOCK_STEP_MS_MAX = HOUR_MS;

const NAMES = [
  'clock',
  'disk',
  'lock',
  'stop',
  'lag',
  'second',
  'wait',
  'output',
  'retry',
  'keys',
  'limits',
  'budget',
  'wishes',
  'pilot',
] as const;
export type TroubleName = (typeof NAMES)[number];

const without: ReadonlySet<TroubleName> = new Set(namesIn(process.env['SIM_WITHOUT'] ?? ''));

function namesIn(text: string): TroubleName[] {
  const isName = (name: string): name is TroubleName => (NAMES as readonly string[]).includes(name);
  return text.split(',').flatMap((name) => {
    if (name === '' || isName(name)) return name === '' ? [] : [name];
    throw new Error(`SIM_WITHOUT does not know "${name}"; there are ${NAMES.join(', ')}`);
  });
}

export function troublesOf(seed: string | number): Troubles {
  // Whatever is switched off is still drawn: nothing else of the seed changes with it.
  const off = (name: TroubleName): boolean => without.has(name);
  const rng = (name: TroubleName): Rng => seededRng(`${name}|${seed}`);
  const [clock, stop, output] = [rng('clock'), rng('stop'), rng('output')];
  const keys = rng('keys');
  const hasSecondKey = chance(keys, 0.3) && !off('keys');
  const isWrong = chance(clock, 0.4) && !off('clock');
  const wishes = off('wishes') ? NO_WISHES : wishesOf(rng('wishes'));
  // A pilot is called: where only batches are allowed the command refuses it.
  const hasPilot = chance(rng('pilot'), 0.25) && !off('pilot') && wishes.lane !== 'batch';
  const outputKind = pick(output, ['file', 'file', 'file', 'file', 'stdout', 'as-completed', 'as-completed'] as const);
  return {
    clockWrongMs: isWrong ? integerBetween(clock, -CLOCK_WRONG_MS_MAX, CLOCK_WRONG_MS_MAX) : 0,
    clockStepRate: isWrong ? pick(clock, [0, 0.3, 0.8]) : 0,
    diskFullRate: chance(rng('disk'), 0.25) && !off('disk') ? 0.7 : 0,
    takeoverRate: chance(rng('lock'), 0.25) && !off('lock') ? 0.8 : 0,
    stopRate: chance(stop, 0.4) && !off('stop') ? 0.5 : 0,
    lagsBeyondGrace: chance(rng('lag'), 0.05) && !off('lag'),
    secondMachine: chance(rng('second'), 0.2) && !off('second'),
    retryAfterSeconds: chance(rng('wait'), 0.4) && !off('wait') ? [1, 50] : null,
    output: off('output') ? 'file' : outputKind,
    retry: off('retry') ? null : retryOf(rng('retry')),
    keys: hasSecondKey ? keyPlanOf(keys) : null,
    limits: chance(rng('limits'), 0.3) && !off('limits') ? limitPlanOf(rng('limits')) : null,
    budget: chance(rng('budget'), 0.2) && !off('budget') ? 0.2 + 1.5 * rng('budget').next() : null,
    ...wishes,
    pilot: hasPilot ? pilotOf(rng('pilot')) : null,
  };
}

const NO_WISHES = { lane: 'auto', deadlineAfterMs: null } as const;

/** Before any batch has ended one is taken to last an hour: of these deadlines all press at some time. */
function wishesOf(rng: Rng): Pick<Troubles, 'lane' | 'deadlineAfterMs'> {
  const lane = pick(rng, [
    'auto',
    'auto',
    'auto',
    'auto',
    'auto',
    'auto',
    'auto',
    'realtime',
    'realtime',
    'batch',
  ] as const);
  const deadlineAfterMs = chance(rng, 0.35) ? integerBetween(rng, 1, 25) * 60_000 : null;
  return { lane, deadlineAfterMs };
}

function pilotOf(rng: Rng): PilotPlan {
  const rows = integerBetween(rng, 1, pick(rng, [2, 8, 30]));
  return { rows, refusedNth: chance(rng, 0.4) ? integerBetween(rng, 0, rows - 1) : null };
}

function retryOf(rng: Rng): RetryPlan | null {
  if (!chance(rng, 0.3)) return null;
  const states = pick(rng, [
    ['failed', 'expired', 'canceled'],
    ['failed', 'expired', 'canceled'],
    ['failed'],
    ['expired', 'canceled'],
  ] as const);
  return { states, lives: pick(rng, [0, 1, 3]) };
}
