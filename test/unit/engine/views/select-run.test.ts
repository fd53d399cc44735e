/** Which run a command means where several have the same name: none is changed or deleted in the place of another. */
import { describe, expect, test } from 'vitest';
import type { RunRecord } from '../../../../src/domain/model.ts';
import { selectOpenRun, selectRunToRetry, selectSoleRun } from '../../../../src/engine/views/select-run.ts';

const FOLDER = '.batchrun';

interface Some {
  readonly name?: string;
  readonly state?: RunRecord['state'];
  readonly failed?: number;
  readonly canceled?: number;
}

/** Runs in the order in which they were made: run_1, run_2 and so on. */
function ledger(...some: readonly Some[]): { runs: () => Promise<RunRecord[]> } {
  const runs = some.map(({ name = 'nightly', state = 'done', failed = 0, canceled = 0 }, at) => ({
    ...{ id: `run_${at + 1}`, name, state },
    rows: { failed, canceled, expired: 0 },
  }));
  return { runs: () => Promise.resolve(runs as unknown as RunRecord[]) };
}

const FAILED = { failed: 2 } as const;
const OPEN = { state: 'active' } as const;
const AMBIGUOUS = { code: 'E_RUN_AMBIGUOUS', hint: 'Give the id of the run that is meant.' };

describe('retry', () => {
  test.each([
    ['the newest, where all is well', [{}, {}], 'nightly', 'run_2', []],
    ['the newest that has such rows, and names the other', [FAILED, FAILED], 'nightly', 'run_2', ['run_1']],
    ['the only one that has such rows', [{}, FAILED, {}], 'nightly', 'run_2', []],
    ['the newest that is still under way', [FAILED, OPEN], 'nightly', 'run_2', ['run_1']],
    ['the one of that id', [FAILED, {}], 'run_2', 'run_2', []],
    ['the latest', [FAILED, {}], 'latest', 'run_2', []],
    ['none of another name', [{ ...FAILED, name: 'weekly' }, {}], 'nightly', 'run_2', []],
  ] as const)('takes %s', async (_what, some, wanted, id, others) => {
    const states = ['failed', 'expired', 'canceled'] as const;
    const found = await selectRunToRetry(ledger(...some), wanted, { stateFolder: FOLDER, states });
    expect([found.run.id, found.others.map((one) => one.id)]).toEqual([id, others]);
  });

  test('looks for the rows that are asked for', async () => {
    const store = ledger({ canceled: 1 }, FAILED, {});
    const found = await selectRunToRetry(store, 'nightly', { stateFolder: FOLDER, states: ['canceled'] });
    expect(found.run.id).toBe('run_1');
  });

  test('asks for the id where the newest has none, and several others have', async () => {
    const asked = selectRunToRetry(ledger(FAILED, FAILED, {}), 'nightly', { stateFolder: FOLDER, states: ['failed'] });
    const message = '"nightly" is the name of 2 runs with rows to try again: run_1, run_2';
    await expect(asked).rejects.toMatchObject({ ...AMBIGUOUS, message });
  });
});

describe('prune', () => {
  test('asks for the id where several have the name, whatever their state', async () => {
    const message = '"nightly" is the name of 2 runs: run_1, run_2';
    for (const store of [ledger({}, {}), ledger(OPEN, {}), ledger({}, OPEN)]) {
      await expect(selectSoleRun(store, 'nightly', FOLDER)).rejects.toMatchObject({ ...AMBIGUOUS, message });
      expect((await selectSoleRun(store, 'run_1', FOLDER)).id).toBe('run_1');
    }
    const many = ledger(...Array.from({ length: 7 }, () => ({})));
    await expect(selectSoleRun(many, 'nightly', FOLDER)).rejects.toThrow(/7 runs: run_3, .*run_7, …$/);
    expect((await selectSoleRun(ledger({}, { name: 'weekly' }), 'nightly', FOLDER)).id).toBe('run_1');
  });
});

describe('cancel and resolve', () => {
  test('take the one that is under way, though a newer one is done', async () => {
    expect((await selectOpenRun(ledger(OPEN, {}), 'nightly', FOLDER)).id).toBe('run_1');
    expect((await selectOpenRun(ledger({}, {}), 'nightly', FOLDER)).id).toBe('run_2');
    expect((await selectOpenRun(ledger(OPEN, {}), 'run_2', FOLDER)).id).toBe('run_2');
    const message = '"nightly" is the name of 2 unfinished runs: run_1, run_3';
    await expect(selectOpenRun(ledger(OPEN, {}, OPEN), 'nightly', FOLDER)).rejects.toMatchObject({
      ...AMBIGUOUS,
      message,
    });
  });
});
