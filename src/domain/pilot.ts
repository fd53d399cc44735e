/**
 * `--pilot N`: so many rows are called in the realtime lane before anything else of a run is sent, and their answers are
 * the rows' own. They lie in chunks of their own (`RunSettings.pilotChunks`), so how a pilot stands follows from the ledger
 * at any time: nothing of it can be lost, and no row is paid twice.
 */
import { wishesOf, type RunRecord } from './model.ts';

/** More rows than this are no try any more, and every one of them costs twice as much as in a batch. */
export const PILOT_ROWS_MAX = 1_000;

/** The chunks that go first; none where there is no pilot, or where somebody has said to go on all the same. */
export function pilotChunksOf(run: Pick<RunRecord, 'settings'>): readonly number[] {
  return wishesOf(run).pilot === 0 ? [] : (run.settings.pilotChunks ?? []);
}

/** Did the API refuse the row itself? Failures that may pass stop no pilot, also where they did not pass in time. */
export function isRefusal(errorType: string | null): boolean {
  if (errorType === null) return false;
  return REFUSALS.has(errorType) || /^batchrun_http_4\d\d$/.test(errorType);
}

const REFUSALS: ReadonlySet<string> = new Set([
  ...['invalid_request_error', 'not_found_error', 'request_too_large', 'permission_error', 'authentication_error'],
  'billing_error',
]);
