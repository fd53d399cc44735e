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
/** From having the lock to being entered as the driver, and from letting go to the end: milliseconds, unless stopped. */
const UNNAMED_MS_MAX = 5_000;

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
  let unnamedSinceMs: number | null = null;
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
    const nowMs = engine.clock.now();
    unnamedSinceMs = other?.letGoAtMs === null ? null : (unnamedSinceMs ?? nowMs);
    const lettingGo = unnamedSinceMs !== null && nowMs - unnamedSinceMs < UNNAMED_MS_MAX;
    if (!lettingGo && nowMs >= endsAtMs) return null;
    if (engine.signal.aborted) return null;
    await engine.clock.sleep(lettingGo ? 20 : RETRY_INTERVAL_MS, engine.signal);
  }
}

/** E_LOCKED with the name of the process that drives. */
export async function lockedError(engine: Engine): Promise<BatchrunError> {
  const other = await engine.store.driver();
  // One that has let go is not the one that has the lock now.
  const named = other?.letGoAtMs === null ? other : null;
  const who = named
    ? `process ${named.pid} on ${named.host} (\`${named.command}\`, since ${new Date(named.sinceMs).toISOString()})`
    : 'another process';
  return new BatchrunError('E_LOCKED', `${who} drives this state`, { details: { driver: named } });
}
