/** Ids that occur twice are found in bounded memory: in one run, across spilled runs, and in groups. */
import { describe, expect, test } from 'vitest';
import { hashOf } from '../../../../src/domain/id-hash.ts';
import { IdLedger } from '../../../../src/engine/ingest/id-ledger.ts';
import { createMemoryFiles } from '../../../support/memory-files.ts';

async function groupsOf(ids: readonly string[], spillCount: number, groupMax?: number): Promise<Set<number>[]> {
  const disk = createMemoryFiles();
  const ledger = new IdLedger(disk.files(), 'run_x', spillCount);
  for (const id of ids) await ledger.add(hashOf(id));
  const groups: Set<number>[] = [];
  for await (const group of ledger.duplicateHashes(groupMax)) groups.push(new Set(group));
  await ledger.clear();
  expect([...disk.contents().keys()]).toEqual([]);
  return groups;
}

describe('duplicate hashes', () => {
  const unique = Array.from({ length: 1_000 }, (_unused, at) => `id-${at}`);

  test.each([1, 2, 7, 100, 999, 1_000, 1_001, 5_000])(
    'of unique ids there are none (spill after %i)',
    async (spill) => {
      expect(await groupsOf(unique, spill)).toEqual([]);
    },
  );

  test.each([1, 3, 10, 64, 10_000])('are found wherever they lie (spill after %i)', async (spill) => {
    const ids = [...unique, 'id-0', 'id-500', 'id-999', 'id-500'];
    const [group, ...more] = await groupsOf(ids, spill);
    expect(more).toEqual([]);
    expect(group).toEqual(new Set(['id-0', 'id-500', 'id-999'].map(hashOf)));
  });

  test.each([1, 4, 1_000])('come in groups of at most so many (spill after %i)', async (spill) => {
    const twice = [...unique.slice(0, 10), ...unique.slice(0, 10), ...unique.slice(0, 3)];
    const groups = await groupsOf(twice, spill, 4);
    expect(groups.map((group) => group.size)).toEqual([4, 4, 2]);
    expect(new Set(groups.flatMap((group) => [...group]))).toEqual(new Set(unique.slice(0, 10).map(hashOf)));
  });

  test('of nothing there are none', async () => {
    expect(await groupsOf([], 3)).toEqual([]);
  });
});

test('a hash is a whole number below 2^53, and close texts have hashes of their own', () => {
  const hashes = new Set<number>();
  for (let at = 0; at < 50_000; at++) {
    const hash = hashOf(`row-${at}`);
    expect(Number.isSafeInteger(hash) && hash >= 0).toBe(true);
    hashes.add(hash);
  }
  expect(hashes.size).toBe(50_000);
  expect(hashOf('é')).not.toBe(hashOf('e'));
  expect(hashOf('')).not.toBe(hashOf('\0'));
});
