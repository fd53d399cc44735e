/**
 * The process dies at the N-th failpoint that it passes, for N = 1, 2, 3, … until none is left, in every story of
 * scenarios.ts; then the same command is run again and must come to the end of a run without trouble (P1, P2, P3). And
 * twice in a row: at the N-th, and at the M-th of the process that recovers from it.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { FAILPOINTS, type FailpointName } from '../../src/base/failpoint.ts';
import { afterTrouble, atEnd, ended, onceMore, outputsOf } from './judges.ts';
import { Lab, type Trouble } from './lab.ts';
import { PLAIN, REALTIME, SCENARIOS, SMALL, TWO_CALLS, type Scenario } from './scenarios.ts';
import type { Tap } from './taps.ts';

/** A loop that gets here does not end by itself. */
const POINTS_MAX = 500;
/** Second crashes for each first one. */
const SECOND_MAX = 10;

let single = 0;
let pairs = 0;
const reached = new Set<FailpointName>();

afterAll(() => {
  process.stdout.write(
    `nth-failpoint: ${SCENARIOS.length} stories, ${single} points (${reached.size} failpoints), ${pairs} pairs of points\n`,
  );
});

/** Lets the process die at the N-th failpoint that counts. */
class NthFailpoint {
  hit: FailpointName | null = null;
  readonly trouble: Trouble;

  constructor(lab: Lab, nth: number, counts: (name: FailpointName) => boolean = () => true) {
    let left = nth;
    const atFailpoint = (name: FailpointName): void => {
      if (!counts(name) || --left !== 0) return;
      this.hit = name;
      reached.add(name);
      lab.die(name);
    };
    this.trouble = { atFailpoint };
  }
}

/** One crash. Null when there is no N-th failpoint; else what is wrong afterwards. */
async function crashAt(scenario: Scenario, nth: number, planted?: Tap): Promise<readonly string[] | null> {
  const bug = planted ? { tap: planted } : {};
  const lab = new Lab(scenario.setup);
  await scenario.prepare?.(lab);
  const before = outputsOf(lab);
  const point = new NthFailpoint(lab, nth);
  const first = await lab.run(scenario.command, { ...point.trouble, ...bug });
  const wrong = afterTrouble(lab, before);
  wrong.push(...ended(point.hit === null ? first : await lab.run(scenario.command, bug)));
  wrong.push(...(await atEnd(lab, scenario, lab.crashes * lab.setup.concurrency)));
  wrong.push(...(await onceMore(lab, scenario)));
  const said = wrong.map((what) => `${scenario.name}, failpoint ${nth} (${point.hit ?? 'none'}): ${what}`);
  return point.hit === null && said.length === 0 ? null : said;
}

/** It passes at every poll, mostly with nothing new on the disk: of two crashes none is there. */
const isEdge = (name: FailpointName): boolean => name !== 'poll.ended';

/** Two crashes. Gives which of the two came, and what is wrong afterwards. */
async function crashTwice(
  scenario: Scenario,
  nth: number,
  mth: number,
): Promise<{ readonly first: boolean; readonly second: boolean; readonly wrong: readonly string[] }> {
  const lab = new Lab(scenario.setup);
  await scenario.prepare?.(lab);
  const before = outputsOf(lab);
  const first = new NthFailpoint(lab, nth, isEdge);
  await lab.run(scenario.command, first.trouble);
  const second = new NthFailpoint(lab, mth, isEdge);
  const recovery = await lab.run(scenario.command, second.trouble);
  const wrong = afterTrouble(lab, before);
  wrong.push(...ended(second.hit === null ? recovery : await lab.run(scenario.command)));
  wrong.push(...(await atEnd(lab, scenario, lab.crashes * lab.setup.concurrency)));
  const said = wrong.map(
    (what) => `${scenario.name}, failpoints ${nth} and ${mth} (${first.hit}, ${second.hit}): ${what}`,
  );
  return { first: first.hit !== null, second: second.hit !== null, wrong: said };
}

describe('a crash at each failpoint in turn', () => {
  test.each(SCENARIOS)('$name', async (scenario) => {
    const before = single;
    for (let nth = 1; nth < POINTS_MAX; nth++) {
      const wrong = await crashAt(scenario, nth);
      if (wrong === null) break;
      expect(wrong).toEqual([]);
      single++;
    }
    expect(single - before).toBeGreaterThan(5);
    expect(single - before).toBeLessThan(POINTS_MAX - 1);
  });
});

test('no failpoint is left out', () => {
  expect([...reached].sort()).toEqual(Object.keys(FAILPOINTS).sort());
});

describe('a crash, and another one in the recovery', () => {
  test.each([SMALL, TWO_CALLS])('$name', async (scenario) => {
    const before = pairs;
    for (let nth = 1; nth < POINTS_MAX; nth++) {
      let last = await crashTwice(scenario, nth, 1);
      if (!last.first) break;
      for (let mth = 2; last.second && mth <= SECOND_MAX + 1; mth++) {
        expect(last.wrong).toEqual([]);
        pairs++;
        if (mth <= SECOND_MAX) last = await crashTwice(scenario, nth, mth);
      }
      expect(last.wrong).toEqual([]);
    }
    expect(pairs - before).toBeGreaterThan(100);
  });
});

describe('the loop notices', () => {
  /** What the loop says about a planted bug, up to the first sentence. */
  async function said(scenario: Scenario, planted: Tap): Promise<string> {
    for (let nth = 1; nth < POINTS_MAX; nth++) {
      const wrong = await crashAt(scenario, nth, planted);
      if (wrong === null) return 'nothing';
      if (wrong[0] !== undefined) return wrong.join('\n');
    }
    return 'nothing';
  }

  test('an engine that does not note that the body of a create is complete', async () => {
    const forgets: Tap = async (call, go) => (call.name === 'recordBodyComplete' ? undefined : go());
    expect(await said(PLAIN, forgets)).toMatch(/submit\.(body_complete|answered).*(although it is|does not know it)/s);
  });

  test('an engine that commits answers before they are on the disk', async () => {
    const forgets: Tap = async (call, go) => (call.name === 'sync' ? undefined : go());
    expect(await said(REALTIME, forgets)).toMatch(/were committed|answer is|failed/);
  });

  test('a process that forgets the calls that its predecessor had under way', async () => {
    const forgets: Tap = async (call, go) => (call.name === 'releaseRealtime' ? 0 : go());
    expect(await said(REALTIME, forgets)).toMatch(/retry\.realtime_claim.*stopped/s);
  });
});
