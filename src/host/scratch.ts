/**
 * A folder for what does not fit into memory: below the system's folder for temporary files (TMPDIR), for its owner
 * alone. Whoever makes one takes it away.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchrunError, messageOf } from '../base/errors.ts';

export interface ScratchFolder {
  readonly path: string;
  readonly remove: () => void;
}

export function makeScratchFolder(): ScratchFolder {
  try {
    const path = mkdtempSync(join(tmpdir(), 'batchrun-'));
    return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
  } catch (error) {
    throw new BatchrunError('E_FILE', `no temporary folder can be made in ${tmpdir()}: ${messageOf(error)}`, {
      hint: 'Set TMPDIR to a folder that can be written.',
      cause: error,
    });
  }
}
