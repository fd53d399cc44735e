/**
 * What of `--schema` is kept with a run: its answers are checked by a later command, perhaps in another process.
 */
import type { JsonObject } from '../row/shape.ts';

export interface AnswerSchema {
  /** The file's name, for messages. */
  readonly file: string;
  /** As it stands in the file: answers are checked against all of it. */
  readonly schema: JsonObject;
  /** Of the `output_config.format` that was asked for: rows that ask for another one are not checked (`settingHash`). */
  readonly formatHash: string;
}
