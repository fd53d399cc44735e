/** What --shuffle puts aside: for the owner alone, gone when the reading is over, and when its process has died. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDiskFiles } from '../../../../src/adapters/disk-files.ts';
import { createLocks } from '../../../../src/adapters/sqlite/locks.ts';
import { seededRng } from '../../../../src/base/random.ts';
import { OwnSpool, sweepSpools, type SpoolParts } from '../../../../src/engine/ingest/spools.ts';
import { tempFolder } from '../../../support/temp.ts';

interface Place {
  readonly folder: string;
  readonly parts: SpoolParts;
}

function place(): Place {
  const folder = tempFolder();
  return { folder, parts: { files: createDiskFiles(folder), locks: createLocks(folder), rng: seededRng('spools') } };
}

const left = (folder: string): string[] =>
  existsSync(join(folder, 'spool')) ? readdirSync(join(folder, 'spool')) : [];

describe('a spool', () => {
  test('keeps what is appended, for its owner alone', async () => {
    const { folder, parts } = place();
    const own = new OwnSpool(parts);
    const spool = await own.open();
    await spool.append('0a', 'one\n');
    await spool.append('0b', 'other\n');
    await spool.append('0a', 'zwö\n');
    expect([spool.size('0a'), spool.size('0b'), spool.size('0c')]).toEqual([9, 6, 0]);
    const pieces: Buffer[] = [];
    for await (const piece of spool.stream('0a')) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toBe('one\nzwö\n');
    const id = left(folder).find((name) => !name.includes('.')) ?? '';
    expect(statSync(join(folder, 'spool')).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'spool', id)).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'spool', id, '0a')).mode & 0o777).toBe(0o600);
    await spool.remove('0a');
    expect(spool.size('0a')).toBe(0);
    await own.close();
    expect(left(folder)).toEqual([]);
  });

  test('that was never needed leaves nothing', async () => {
    const { folder, parts } = place();
    await new OwnSpool(parts).close();
    await sweepSpools(parts);
    expect(left(folder)).toEqual([]);
  });

  test('of a process that died is cleared away, and one that is in use is not', async () => {
    const { folder, parts } = place();
    const died = new OwnSpool(parts);
    await (await died.open()).append('00', 'a prompt\n');
    const living = new OwnSpool(parts);
    const spool = await living.open();
    await spool.append('00', 'another prompt\n');
    await sweepSpools(parts);
    expect(spool.size('00')).toBeGreaterThan(0);
    expect(left(folder).filter((name) => !name.includes('.'))).toHaveLength(2);
    // The lock of a process goes with it.
    await died.letGo();
    await sweepSpools(parts);
    expect(left(folder).filter((name) => !name.includes('.'))).toHaveLength(1);
    await living.close();
    expect(left(folder)).toEqual([]);
  });
});
