/**
 * Rows of the input that were never sent, because they could not be: the first of them, with what was wrong.
 */
import { isBatchrunError } from '../../base/errors.ts';
import { redact } from '../../base/log.ts';
import { paths } from '../../domain/ids.ts';
import type { Files } from '../../domain/ports.ts';
import { decodeInvalidEntry, rowFileLines } from '../../domain/row-file.ts';
import { cutText } from './texts.ts';

export interface SkippedExample {
  readonly id: string;
  readonly line: number;
  readonly file: number;
  readonly problems: readonly string[];
}

const SHOWN_EACH = 10;
const ID_CHARS = 120;
const PROBLEMS_EACH = 3;

/** Messages of ours, which quote at most a few characters of the row. */
export async function skippedExamples(files: Files, runId: string): Promise<SkippedExample[]> {
  const shown: SkippedExample[] = [];
  for (const path of [paths.invalid(runId), paths.duplicates(runId)]) {
    try {
      if ((await files.size(path)) === null) continue;
      let left = SHOWN_EACH;
      for await (const { bytes } of rowFileLines(files.stream(path))) {
        const { id, line, file = 0, problems } = decodeInvalidEntry(bytes.toString(), files.locate(path));
        const messages = problems.slice(0, PROBLEMS_EACH).map(({ message }) => cutText(redact(message), 300));
        shown.push({ id: cutText(redact(id), ID_CHARS), line, file: file + 1, problems: messages });
        if (--left === 0) break;
      }
    } catch (error) {
      // A list that is gone or damaged leaves a gap: `batchrun audit` names it.
      if (!isBatchrunError(error, 'E_FILE') && !isBatchrunError(error, 'E_STATE_CORRUPT')) throw error;
    }
  }
  return shown;
}
