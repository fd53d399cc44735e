/**
 * A small disk in memory that a test can fill to the last byte and make space on. Only root may mount one; whoever gets
 * null skips and says so.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const MEGABYTE = 1024 * 1024;

/** A disk of this size in place of a folder, gone at the end of the test. */
export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Null where nobody may mount one. */
  static mount(folder: string, bytes: number): SmallDisk | null {
    mkdirSync(folder, { recursive: true });
    const flags = ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'batchrun-test', folder];
    if (spawnSync('mount', flags).status !== 0) return null;
    onTestFinished(() => void spawnSync('umount', ['-l', folder]));
    return new SmallDisk(folder);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Takes all space but this. */
  fill(leftBytes = 0): void {
    const handle = openSync(join(this.folder, 'ballast'), 'a');
    try {
      const block = Buffer.alloc(4_096);
      while (this.freeBytes > leftBytes) writeSync(handle, block);
    } finally {
      closeSync(handle);
    }
  }

  makeSpace(): void {
    rmSync(join(this.folder, 'ballast'), { force: true });
  }
}
