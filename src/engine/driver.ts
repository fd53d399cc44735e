/**
 * Who drives. One process at a time talks to the API for a state folder: it holds a lock that the system frees when it
 * dies, and an epoch in the ledger that fences whoever thinks it still drives.
 */
import { BatchrunError } from '../base/errors.ts';
import type { Lock } from '../domain/ports.ts';
import type { DriverStore } from '../domain/store.ts';
import type { Engine } from './engine.ts';

/** The path of the lock below the state folder. */
export const DRIVER_LOCK = 'lock.db';
/** How often a lock that is waited for is tried. */
const RETRY_INTERVAL_MS = 500;

export interface DriveHolder {
  readonly pid: number;
  readonly host: string;
  readonly command: string;
}

export interface Driving {
  readonly driver: DriverStore;
  readonly lock: Lock;
}

/**
 * Takes the lock and a new epoch. Null where another process drives and goes on driving; a driver that is just letting
 * go is waited for, so that a run which became ready meanwhile is never left to nobody.
 */
export async function tryDrive(engine: Engine, holder: DriveHolder, retryLockMs: number): Promise<Driving | null> {
  const endsAtMs = engine.clock.now() + retryLockMs;
  for (;;) {
    const lock = await engine.locks.tryAcquire(DRIVER_LOCK);
    if (lock) {
      try {
        return { lock, driver: await engine.store.takeOver({ ...holder, atMs: engine.clock.now() }) };
      } catch (error) {
        await lock.release();
        throw error;
      }
    }
    const other = await engine.store.driver();
    const lettingGo = other?.letGoAtMs !== null;
    if (!lettingGo && engine.clock.now() >= endsAtMs) return null;
    if (engine.signal.aborted) return null;
    await engine.clock.sleep(lettingGo ? 20 : RETRY_INTERVAL_MS, engine.signal);
  }
}

/** E_LOCKED with the name of the process that drives. */
export async function lockedError(engine: Engine): Promise<BatchrunError> {
  const other = await engine.store.driver();
  const who = other
    ? `process ${other.pid} on ${other.host} (\`${other.command}\`, since ${new Date(other.sinceMs).toISOString()})`
    : 'another process';
  return new BatchrunError('E_LOCKED', `${who} drives this state`, { details: { driver: other } });
}
