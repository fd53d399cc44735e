/** The state folder: made for its owner alone, however deep, or refused where there can be none. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { preparedFolder } from '../../../src/host/state-folder.ts';

const temp = mkdtempSync(join(tmpdir(), 'batchrun-state-folder-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));

describe('the state folder', () => {
  it('is made with all above it, for its owner alone, and keeps itself out of git', () => {
    const folder = join(temp, 'a', 'b', '.batchrun');
    expect(preparedFolder(folder)).toBeUndefined();
    for (const one of [folder, join(temp, 'a', 'b')]) expect(statSync(one).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('*\n');
  });

  it('that is there stays as it is', () => {
    const folder = join(temp, 'there');
    mkdirSync(folder, { mode: 0o755 });
    preparedFolder(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o755);
  });

  it('that leads nowhere is refused', () => {
    const link = join(temp, 'link');
    symlinkSync(join(temp, 'nowhere'), link);
    expect(() => preparedFolder(link)).toThrow(expect.objectContaining({ code: 'E_STATE_UNUSABLE' }));
  });

  // The recursive mkdir of Node goes round for ever there.
  it.skipIf(!existsSync('/proc/self'))('below /proc is refused, and that ends', () => {
    const refused = expect.objectContaining({ code: 'E_STATE_UNUSABLE', message: expect.stringContaining('/proc/') });
    expect(() => preparedFolder('/proc/batchrun-state/deeper')).toThrow(refused);
  });
});
