/** `--fail-if`: what counts as a failed run, in numbers and in shares, and what is refused by name. */
import { describe, expect, test } from 'vitest';
import { countsAsFailed, nextCommands, parseFailIf, rowsNotSucceeded } from '../../../src/domain/fail-if.ts';
import { ROW_STATES, type RowCounts } from '../../../src/domain/model.ts';

function counts(more: Partial<RowCounts>): RowCounts {
  return { ...(Object.fromEntries(ROW_STATES.map((state) => [state, 0])) as unknown as RowCounts), ...more };
}

describe('countsAsFailed', () => {
  test.each<[string | null, Partial<RowCounts>, boolean]>([
    [null, { succeeded: 100 }, false],
    [null, { succeeded: 99, failed: 1 }, true],
    [null, { succeeded: 99, invalid: 1 }, true],
    ['failed>0', { succeeded: 99, expired: 1 }, true],
    ['failed>1', { succeeded: 99, failed: 1 }, false],
    ['failed>=1', { succeeded: 99, failed: 1 }, true],
    ['failed>1%', { succeeded: 99, failed: 1 }, false],
    ['failed>=1%', { succeeded: 99, failed: 1 }, true],
    ['failed>0.5%', { succeeded: 99, canceled: 1 }, true],
    ['expired>0', { failed: 50, succeeded: 50 }, false],
    ['expired > 0 , failed >= 50%', { failed: 50, succeeded: 50 }, true],
    ['invalid>0', { succeeded: 99, invalid: 1 }, true],
    ['canceled>0', { succeeded: 99, canceled: 1 }, true],
  ])('%s with %j: %s', (failIf, rows, failed) => {
    const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
    expect(countsAsFailed(counts(rows), total, failIf)).toBe(failed);
  });

  test('an empty run divides by nothing', () => {
    expect(countsAsFailed(counts({}), 0, 'failed>0%')).toBe(false);
  });
});

test.each(['failed', 'failed<1', 'broken>1', 'failed>-1', 'failed>1%%', '', 'failed>1,', 'succeeded>1'])(
  '"%s" is refused',
  (text) => {
    expect(() => parseFailIf(text)).toThrow(expect.objectContaining({ code: 'E_USAGE', exit: 2 }) as Error);
  },
);

test('what has not reached success is everything that has ended otherwise', () => {
  expect(rowsNotSucceeded(counts({ failed: 1, expired: 2, canceled: 4, invalid: 8, retry: 16, waiting: 32 }))).toBe(15);
});

test('what to do about them: the states that are there are shown, and what can be sent is sent again', () => {
  expect(nextCommands('run_1', counts({ succeeded: 9 }))).toEqual([]);
  expect(nextCommands('run_1', counts({ succeeded: 9, failed: 1, canceled: 2, expired: 3 }))).toEqual([
    '`batchrun results run_1 --only failed,expired,canceled` shows the rows',
    '`batchrun retry run_1` sends them again',
  ]);
  expect(nextCommands('run_1', counts({ canceled: 2, invalid: 1 }))).toEqual([
    '`batchrun results run_1 --only canceled,invalid` shows the rows',
    '`batchrun retry run_1` sends all but the invalid ones again',
  ]);
  expect(nextCommands('run_1', counts({ invalid: 1 }))).toEqual([
    '`batchrun results run_1 --only invalid` shows the rows',
  ]);
});
