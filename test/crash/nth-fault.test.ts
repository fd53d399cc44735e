/**
 * The N-th call of a port fails, for N = 1, 2, 3, … until none is left to fail, in every story of scenarios.ts. Whatever
 * fails, and however: the command ends with a code that says so (or is blocked at its output or at a chunk), the ledger adds up, no
 * output is cut, and the same command run again comes to the end of a run without trouble.
 */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Db } from '../../src/adapters/sqlite/db.ts';
import { isBatchrunError } from '../../src/base/errors.ts';
import { tempFolder } from '../support/temp.ts';
import { afterTrouble, atEnd, ended, onceMore, outputsOf } from './judges.ts';
import { Lab, OUTPUT, smallPages, type Outcome } from './lab.ts';
import { PLAIN, REALTIME, SCENARIOS, SMALL, type Scenario } from './scenarios.ts';
import { failure, Nth, type NthOptions, type PortCall, type Tap } from './taps.ts';

/** A loop that gets here does not end by itself. */
const POINTS_MAX = 500;
/** What is still written of a piece that does not fit on the disk. */
const LAST_BYTES = 7;

const ofFiles = ({ port }: PortCall): boolean => port === 'files';
const ofStore = ({ port }: PortCall): boolean => port === 'store';
const writesTo = (of: (call: PortCall) => boolean) => (call: PortCall) => call.writes && of(call);

/** One way to fail, and the codes with which the command may end. */
interface Way {
  readonly name: string;
  /** For the summary. */
  readonly short: string;
  readonly codes: readonly string[];
  readonly then: (lab: Lab) => NthOptions;
}

const full = async (call: PortCall): Promise<never> => {
  throw failure('E_DISK_FULL', call);
};

/** Of a piece that does not fit a part is written. */
async function fullAfterSomeBytes(lab: Lab, call: PortCall, go: () => Promise<unknown>): Promise<unknown> {
  if (call.name !== 'write' && call.name !== 'append') return full(call);
  lab.disk.failAfterBytes(LAST_BYTES);
  return go().finally(() => lab.disk.failAfterBytes(null));
}

const FULL_ONCE: Way = {
  name: 'the disk is full at one write of a file',
  short: 'full once',
  codes: ['E_DISK_FULL'],
  then: (lab) => ({ only: writesTo(ofFiles), then: (call, go) => fullAfterSomeBytes(lab, call, go) }),
};

const WAYS: readonly Way[] = [
  FULL_ONCE,
  {
    name: 'the disk is full for files from one write on, until the command has ended',
    short: 'full from there on',
    codes: ['E_DISK_FULL'],
    then: () => ({ only: writesTo(ofFiles), andOn: true, then: full }),
  },
  {
    // A write may have been done when it is said to have failed: a rename whose folder could not be synced.
    name: 'an i/o error at one call of a file',
    short: 'i/o error',
    codes: ['E_FILE'],
    then: () => ({
      only: ofFiles,
      then: async (call, go) => {
        if (['write', 'commit', 'append', 'sync'].includes(call.name)) await go();
        throw failure('E_FILE', call);
      },
    }),
  },
  {
    name: 'the disk is full at one step of the ledger',
    short: 'ledger full once',
    codes: ['E_DISK_FULL'],
    then: () => ({ only: writesTo(ofStore), then: full }),
  },
  {
    name: 'the disk is full for everything from one step of the ledger on, until the command has ended',
    short: 'all full from there on',
    codes: ['E_DISK_FULL'],
    then: () => {
      let isFull = false;
      return {
        only: (call) => call.writes && (isFull || ofStore(call)),
        andOn: true,
        then: async (call) => {
          isFull = true;
          return full(call);
        },
      };
    },
  },
  {
    name: 'a kill after a step of the ledger, before anyone has heard of it',
    short: 'killed after',
    codes: [],
    then: (lab) => ({
      only: writesTo(ofStore),
      then: async (call, go) => {
        await go();
        return lab.die(call.name, 'kill');
      },
    }),
  },
];

/** Two chunks show what three would. */
const STORIES = SCENARIOS.map((scenario) => (scenario === PLAIN ? SMALL : scenario));

const points = new Map<string, number>();
let pagesTried = 0;

afterAll(() => {
  const parts = [...points].map(([short, count]) => `${count} ${short}`).join(', ');
  const sum = [...points.values()].reduce((total, count) => total + count, 0);
  process.stdout.write(
    `nth-fault: ${STORIES.length} stories, ${sum} points (${parts}); SQLite itself full at ${pagesTried} sizes\n`,
  );
});

/** What the command may come to when something has failed under it. */
async function wrongEnd(lab: Lab, outcome: Outcome, codes: readonly string[]): Promise<string[]> {
  if (outcome.kind === 'died') return [];
  if (outcome.kind === 'failed') {
    const { error } = outcome;
    return isBatchrunError(error) && codes.includes(error.code) ? [] : ended(outcome);
  }
  if (outcome.end !== 'blocked') return ended(outcome);
  const reasons = (await lab.store.runs()).flatMap((run) => run.blocked.map((block) => block.reason));
  // A chunk that stands still for a file is looked at again by the next command.
  const mendable = reasons.every((reason) => ['output', 'chunk_damaged', 'copy_damaged'].includes(reason));
  return reasons.length > 0 && mendable ? [] : [`it is blocked by ${reasons.join(', ') || 'nothing'}`];
}

/** One trouble. Null when there is no N-th call; else what is wrong afterwards. */
async function faultAt(
  scenario: Scenario,
  way: Way,
  nth: number,
  planted?: (lab: Lab) => Tap,
): Promise<readonly string[] | null> {
  const lab = new Lab(scenario.setup);
  await scenario.prepare?.(lab);
  const before = outputsOf(lab);
  const hand = new Nth(nth, way.then(lab));
  const bug = planted?.(lab);
  const tap: Tap = bug ? (call, go) => bug(call, () => hand.tap(call, go)) : hand.tap;
  const outcome = await lab.run(scenario.command, { tap });
  if (hand.hit === null) return null;
  const wrong = afterTrouble(lab, before);
  wrong.push(...(await wrongEnd(lab, outcome, way.codes)));
  wrong.push(...ended(await lab.run(scenario.command)));
  wrong.push(...(await atEnd(lab, scenario, lab.setup.concurrency)));
  if (way === FULL_ONCE) wrong.push(...(await onceMore(lab, scenario)));
  return wrong.map((what) => `${scenario.name}, ${nth}: ${hand.hit}: ${what}`);
}

describe.each(WAYS)('$name', (way) => {
  test.each(STORIES)('$name', async (scenario) => {
    let count = 0;
    for (; count < POINTS_MAX; count++) {
      const wrong = await faultAt(scenario, way, count + 1);
      if (wrong === null) break;
      expect(wrong).toEqual([]);
    }
    expect(count).toBeGreaterThan(5);
    expect(count).toBeLessThan(POINTS_MAX);
    points.set(way.short, (points.get(way.short) ?? 0) + count);
  });
});

describe('SQLite itself says that the disk is full', () => {
  async function fullAt(scenario: Scenario, file: string, pages: number): Promise<readonly string[] | null> {
    const lab = new Lab(scenario.setup, new Db(smallPages(file)));
    await scenario.prepare?.(lab);
    const before = outputsOf(lab);
    const now = Number(lab.db.pragma('page_count'));
    expect(lab.db.pragma(`max_page_count = ${now + pages}`)).toBe(now + pages);
    const outcome = await lab.run(scenario.command);
    lab.db.close();
    lab.useDb(new Db(file));
    if (outcome.kind === 'ended') {
      lab.db.close();
      return null;
    }
    const wrong = afterTrouble(lab, before);
    if (lab.db.pragma('integrity_check') !== 'ok') wrong.push('the database is damaged');
    wrong.push(...(await wrongEnd(lab, outcome, ['E_DISK_FULL'])));
    wrong.push(...ended(await lab.run(scenario.command)));
    wrong.push(...(await atEnd(lab, scenario, lab.setup.concurrency)));
    lab.db.close();
    return wrong.map((what) => `${scenario.name}, ${pages} more pages: ${what}`);
  }

  test.each([PLAIN, REALTIME])('$name', async (scenario) => {
    const folder = tempFolder();
    let pages = 0;
    for (; pages < POINTS_MAX; pages++) {
      const wrong = await fullAt(scenario, join(folder, `${pages}.db`), pages);
      if (wrong === null) break;
      expect(wrong).toEqual([]);
      pagesTried++;
    }
    expect(pages).toBeGreaterThan(5);
    expect(pages).toBeLessThan(POINTS_MAX);
  });
});

describe('the loop notices', () => {
  /** What the loop says about a planted bug, up to the first sentence. */
  async function said(scenario: Scenario, planted: (lab: Lab) => Tap): Promise<string> {
    for (let nth = 1; nth < POINTS_MAX; nth++) {
      const wrong = await faultAt(scenario, FULL_ONCE, nth, planted);
      if (wrong === null) break;
      if (wrong.length > 0) return wrong.join('\n');
    }
    return 'nothing';
  }

  test('an output that is written under its final name', async () => {
    const early =
      (lab: Lab): Tap =>
      async (call, go) => {
        if (call.name === 'create' && call.path === OUTPUT) lab.disk.put(OUTPUT, Buffer.from('{"custom_id":'));
        return go();
      };
    expect(await said(PLAIN, early)).toContain('neither the old one nor whole');
  });

  test('a failed write that is taken for done', async () => {
    const deaf = (): Tap => async (call, go) => {
      if (call.name !== 'write' || !call.path.includes('/results/')) return go();
      return go().catch(() => undefined);
    };
    expect(await said(PLAIN, deaf)).toMatch(/bytes were expected|ended as blocked/);
  });

  test('a failure that ends as something else', async () => {
    const hides = (): Tap => async (call, go) =>
      go().catch((error: unknown) => {
        throw call.name === 'commit' ? new Error('something') : error;
      });
    expect(await said(PLAIN, hides)).toContain('something');
  });
});
