/**
 * A folder of its own for a test, gone when the test has finished. Only for tests of adapters and of whole processes:
 * simulations use memory-files.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Call it inside a test. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'batchrun-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
