/**
 * The files of rehearsals: the contract of files on packed memory, copies that go their own way, and bytes that come back
 * as they were written, however they are cut into writes and reads.
 */
import { describe, expect, test } from 'vitest';
import { createMemoryFiles } from '../../src/adapters/memory-files.ts';
import { PackedBytes } from '../../src/adapters/packed-bytes.ts';
import { integerBetween, seededRng } from '../../src/base/random.ts';
import { bytes, filesSuite, put, textOf } from './files.suite.ts';

filesSuite('packed in memory', () => {
  const files = createMemoryFiles();
  files.makeFolder('/outputs');
  return { files, outside: '/outputs', makeFolder: (path) => files.makeFolder(path) };
});

describe('a copy', () => {
  test('begins with what is there, and changes on either side stay there', async () => {
    const files = createMemoryFiles();
    await put(files, 'runs/a/x', 'kept');
    const log = await files.openAppend('runs/a/log', 0);
    await log.append(bytes('one'));
    const copy = files.copy();
    await log.append(bytes('two'));
    await copy.remove('runs/a/x');
    const other = await copy.openAppend('runs/a/log', 3);
    await other.append(bytes('three'));
    expect(await textOf(files, 'runs/a/x')).toBe('kept');
    expect(await copy.size('runs/a/x')).toBeNull();
    expect(await textOf(files, 'runs/a/log')).toBe('onetwo');
    expect(await textOf(copy, 'runs/a/log')).toBe('onethree');
  });
});

describe('packed bytes', () => {
  test('are what was written, through cuts, copies and any slices, over many blocks', () => {
    for (let seed = 0; seed < 12; seed++) {
      const rng = seededRng(seed);
      const packed = new PackedBytes();
      let plain = Buffer.alloc(0);
      for (let step = 0; step < 30; step++) {
        if (rng.next() < 0.15) {
          const length = integerBetween(rng, 0, plain.length);
          packed.truncate(length);
          plain = plain.subarray(0, length);
        } else {
          const fill = Buffer.alloc(integerBetween(rng, 0, 200_000), integerBetween(rng, 0, 255));
          for (let at = 0; at < fill.length; at += 97) fill[at] = integerBetween(rng, 0, 255);
          packed.append(fill);
          plain = Buffer.concat([plain, fill]);
        }
        expect(packed.length).toBe(plain.length);
        if (rng.next() < 0.3) packed.pack();
        const from = integerBetween(rng, 0, plain.length);
        const to = integerBetween(rng, from, plain.length + 10);
        expect(packed.slice(from, to).equals(plain.subarray(from, to))).toBe(true);
      }
      expect(new PackedBytes(packed).slice(0, plain.length).equals(plain)).toBe(true);
    }
  });
});
