/**
 * Which inputs come to no run: what cannot be sent is refused before anything is (promise P4).
 */
import { BatchrunError } from '../../base/errors.ts';
import type { ProblemList } from './problems.ts';

export interface ReadInput {
  readonly inputs: readonly string[];
  readonly problems: ProblemList;
  /** Records that were read. */
  readonly rows: number;
  readonly onInvalid: 'fail' | 'skip';
}

/** Throws where there is nothing to send, or something that cannot be sent. */
export function refuseWhatCannotBeSent({ inputs, problems, rows, onInvalid }: ReadInput): void {
  const { count } = problems;
  const details = { problems: problems.shown, count };
  if (rows === 0) throw new BatchrunError('E_INPUT_EMPTY', `there are no rows in ${inputs.join(', ')}`);
  if (problems.unread) {
    throw new BatchrunError(
      'E_INPUT_INVALID',
      'a part of the input could not be read; nothing was sent and no run was made',
      {
        details,
        hint: 'Mend the place that is named. --on-invalid skip does not help here: nobody knows which rows would be missing.',
      },
    );
  }
  if (count > 0 && onInvalid === 'fail') {
    throw new BatchrunError(
      'E_INPUT_INVALID',
      `${problems.rows} of ${rows} rows cannot be sent; nothing was sent and no run was made`,
      { details, ...(problems.rows === rows ? { hint: ALL_BAD } : {}) },
    );
  }
  if (problems.rows === rows) {
    throw new BatchrunError('E_INPUT_INVALID', `none of the ${rows} rows can be sent; no run was made`, {
      details,
      hint: ALL_BAD,
    });
  }
}

/** There are no good ones that could be sent alone. */
const ALL_BAD = 'Mend the rows, or the setting where each of them has the same problem, and submit again.';
