/**
 * Run ids sort by time, never collide in practice, and are easy to type; paths are all below the run's folder.
 */
import { describe, expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../src/base/random.ts';
import { chunkFileStem, newRunId, paths, tagOf } from '../../../src/domain/ids.ts';

const NOW_MS = Date.UTC(2026, 10, 20);

describe('run ids', () => {
  test('have one form: run_ and 16 characters that cannot be mistaken for each other', () => {
    const rng = seededRng(1);
    const used = new Set<string>();
    for (let nth = 0; nth < 2_000; nth++) {
      const id = newRunId(NOW_MS + nth * 7_919, rng);
      expect(id).toMatch(/^run_[0-9a-hjkmnp-tv-z]{16}$/);
      for (const character of tagOf(id)) used.add(character);
    }
    expect(used.size).toBe(32);
  });

  test('made at different times sort by time, for every bit of it', () => {
    const rng = seededRng(2);
    for (let nth = 0; nth < 5_000; nth++) {
      const first = integerBetween(rng, 0, 2 ** 45 - 2);
      const second = nth % 2 === 0 ? first + 1 : integerBetween(rng, first + 1, 2 ** 45 - 1);
      expect(newRunId(first, rng) < newRunId(second, rng)).toBe(true);
    }
  });

  test('made in the same millisecond differ by chance', () => {
    const rng = seededRng(3);
    const ids = new Set(Array.from({ length: 20_000 }, () => newRunId(NOW_MS, rng)));
    expect(ids.size).toBe(20_000);
  });

  test('use the whole range of chance and nothing beyond', () => {
    expect(newRunId(0, { next: () => 0 })).toBe('run_0000000000000000');
    expect(newRunId(0, { next: () => 1 - 2 ** -32 })).toBe('run_000000000zzzzzzz');
    expect(newRunId(33, { next: () => 0 })).toBe('run_0000000110000000');
  });

  test('leave room in a wire id: tag, chunk and row are within 64 characters', () => {
    expect(tagOf(newRunId(NOW_MS, seededRng(4)))).toHaveLength(16);
    expect(`${tagOf(newRunId(NOW_MS, seededRng(4)))}-${Number.MAX_SAFE_INTEGER}-99999`.length).toBeLessThanOrEqual(64);
  });
});

describe('paths', () => {
  test('lie below the run’s folder, and chunk files sort by number', () => {
    const run = 'run_000000001aaaaaaa';
    expect([paths.body(run, 1), paths.rows(run, 12), paths.results(run, 123_456), paths.realtime(run)]).toEqual([
      `runs/${run}/chunks/000001.json`,
      `runs/${run}/rows/000012.jsonl`,
      `runs/${run}/results/123456.jsonl`,
      `runs/${run}/results/realtime.jsonl`,
    ]);
    const all = [
      paths.body(run, 1),
      paths.rows(run, 1),
      paths.invalid(run),
      paths.duplicates(run),
      paths.results(run, 1),
      paths.realtime(run),
      paths.spill(run, 1),
    ];
    for (const path of all) expect(path.startsWith(`${paths.run(run)}/`)).toBe(true);
    expect(new Set(all).size).toBe(all.length);
  });

  test('the lock of a reader lies elsewhere: it is there before the run’s folder, and gone after it', () => {
    expect(paths.ingestLock('run_a')).toBe('ingest/run_a.db');
  });

  test('beyond six digits get longer, never shorter', () => {
    expect([chunkFileStem(0), chunkFileStem(999_999), chunkFileStem(1_000_000)]).toEqual([
      '000000',
      '999999',
      '1000000',
    ]);
  });
});
