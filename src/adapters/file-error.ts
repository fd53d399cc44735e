/**
 * What the system says of a file, as an error of ours that names it. Apart from disk-files.ts, because `status` needs no
 * more of it than this.
 */
import { BatchrunError, fileReasonOf, isBatchrunError, systemCodeOf } from '../base/errors.ts';

/** The system's code in the words of the error catalogue. */
export function fileError(error: unknown, file: string): unknown {
  if (isBatchrunError(error)) return error;
  const code = systemCodeOf(error);
  const options = { cause: error, details: { file, code: code ?? null } };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new BatchrunError('E_DISK_FULL', `the disk is full: writing ${file}`, options);
  }
  return new BatchrunError('E_FILE', `${file}: ${fileReasonOf(error)}`, options);
}
