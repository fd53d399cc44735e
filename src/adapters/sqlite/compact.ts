/**
 * Gives the room of pruned runs back to the disk. SQLite uses free pages again for what comes; of a state that had ten
 * million rows once, 84 MB would stay for good.
 */
import { systemCodeOf } from '../../base/errors.ts';
import type { Db } from './db.ts';

/** Free room below this is not worth the writing. */
const FREE_BYTES_MIN = 1_000_000;
/** Somebody else is at work, or the disk is full: then the pages stay where they are. */
const NOT_NOW = /^SQLITE_(BUSY|LOCKED|FULL|IOERR)/;

export function compact(db: Db): void {
  const [pages = 0, free = 0, bytes = 0] = ['page_count', 'freelist_count', 'page_size'].map((name) =>
    Number(db.pragma(name)),
  );
  if (free * bytes < FREE_BYTES_MIN || free * 2 < pages) return;
  try {
    db.exec('VACUUM');
    // What was written is in the log; brought into the file, this is cut to what it holds.
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (!NOT_NOW.test(systemCodeOf(error) ?? '')) throw error;
  }
}
