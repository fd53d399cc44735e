/** Which lane a chunk or a waiting row goes to: what is forced, what it can do at all, a deadline that presses. */
import { describe, expect, test } from 'vitest';
import { goesRealtime, laneOfWaiting, mayBeCalled, type WaitingRowQuestion } from '../../../src/domain/lanes.ts';
import { mixInLane } from '../../../src/domain/lane-mix.ts';
import { LONG_OUTPUT_BETA, REALTIME_BYTES_MAX } from '../../../src/domain/limits.ts';
import type { Lane, LaneMode, RetryLaneMode, RunRecord } from '../../../src/domain/model.ts';

type Run = Pick<RunRecord, 'settings' | 'rows' | 'totalRows'>;

function run(lane: LaneMode, retryLane: RetryLaneMode = 'auto', retry = 1): Run {
  return { settings: { retryLane, wishes: { lane } }, rows: { retry }, totalRows: 1_000 } as unknown as Run;
}

const small = { requestBytes: 1_000, betas: [] as string[], hurries: false };

const routed = (lane: Lane): WaitingRowQuestion => ({ ...small, routed: lane });

describe('a waiting row', () => {
  test.each([
    ['of few goes realtime', run('auto'), small, 'realtime'],
    ['of many goes into a batch', run('auto', 'auto', 101), small, 'batch'],
    [
      'of many goes realtime where the deadline presses',
      run('auto', 'batch', 101),
      { ...small, hurries: true },
      'realtime',
    ],
    [
      'of few goes into a batch where only that is allowed',
      run('batch', 'realtime'),
      { ...small, hurries: true },
      'batch',
    ],
    ['of many goes realtime where that is forced', run('realtime', 'batch', 101), small, 'realtime'],
    ['of a run that does not retry was not tried yet: the cheap way', run('auto', 'none'), small, 'batch'],
    [
      'whose route says realtime goes there, however many wait',
      run('auto', 'batch', 101),
      routed('realtime'),
      'realtime',
    ],
    [
      'whose route says batch goes into one, also for a deadline',
      run('auto', 'realtime'),
      { ...routed('batch'), hurries: true },
      'batch',
    ],
    ['goes where the whole run is forced, whatever its route says', run('batch'), routed('realtime'), 'batch'],
    ['the same the other way round', run('realtime'), routed('batch'), 'realtime'],
    [
      'of a route to the realtime lane goes into a batch above 32 MB',
      run('auto'),
      { ...routed('realtime'), requestBytes: REALTIME_BYTES_MAX + 1 },
      'batch',
    ],
    ['above 32 MB goes into a batch', run('realtime'), { ...small, requestBytes: REALTIME_BYTES_MAX + 1 }, 'batch'],
    ['with the long output goes into a batch', run('realtime'), { ...small, betas: [LONG_OUTPUT_BETA] }, 'batch'],
  ])('%s', (_what, of, row, lane) => {
    expect(laneOfWaiting(of, row)).toBe(lane);
  });
});

describe('a sealed chunk', () => {
  const part = { rows: 2, bytes: 50_000_000, maxTokens: 100 };
  const chunk = {
    kind: 'input',
    betas: [],
    bytes: 50_000_000,
    mix: { m: { ...part, largestBytes: 40_000_000 } },
  } as const;

  test('is called only where the run is forced into the realtime lane', () => {
    const lanes = (['auto', 'batch', 'realtime'] as const).map((lane) => goesRealtime(run(lane), chunk));
    expect(lanes).toEqual([false, false, true]);
  });

  test('of a route to the realtime lane is called, unless the run is forced into batches', () => {
    const called = { ...chunk, mix: mixInLane(chunk.mix, 'realtime') };
    const kept = { ...chunk, mix: mixInLane(chunk.mix, 'batch') };
    const lanes = (['auto', 'batch', 'realtime'] as const).map((lane) => [
      goesRealtime(run(lane), called),
      goesRealtime(run(lane), kept),
    ]);
    expect(lanes).toEqual([
      [true, false],
      [false, false],
      [true, true],
    ]);
  });

  test('with the long output is uploaded all the same', () => {
    expect(goesRealtime(run('realtime'), { ...chunk, betas: [LONG_OUTPUT_BETA] })).toBe(false);
  });

  test('of retries is uploaded where it is what the lane does not take, or may be', () => {
    const retries = { ...chunk, kind: 'retry' } as const;
    expect(mayBeCalled(retries)).toBe(false);
    expect(mayBeCalled({ ...retries, mix: { m: { ...part, largestBytes: 1_000 } } })).toBe(true);
    expect(mayBeCalled({ ...retries, mix: { m: part } })).toBe(false);
    expect(mayBeCalled({ ...retries, mix: { m: part }, bytes: 1_000 })).toBe(true);
  });
});
