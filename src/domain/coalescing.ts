/**
 * Rows that are not sent because their answer is, or will be, there: what is wanted of a run, and what its chunks are.
 */

/** `--dedupe` and `--reuse`. */
export interface Coalescing {
  readonly dedupe: boolean;
  readonly reuse: boolean;
}

/**
 * Where the answers of a chunk come from: `api`, a batch of its own or calls of its rows; `rows`, other rows of the run
 * that ask the same; `runs`, earlier runs. The last two are never sent: copy chunks.
 */
export type AnswerSource = 'api' | 'rows' | 'runs';
