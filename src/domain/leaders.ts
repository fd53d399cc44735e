/**
 * Which rows the rows of a copy chunk take their answers from: for each row the seq of its leader, a row of the same run
 * that asks the same and came before it. One packed blob for each such chunk, beside its request index.
 */
import { invariant } from '../base/errors.ts';
import { corrupt, PackedReader, PackedWriter } from './packed-frame.ts';

const LEADERS_KIND = 0x71;
const WHAT = 'list of leaders';

/** Writes the list while the rows of the chunk come, in their order. */
export class LeadersBuilder {
  readonly #out = new PackedWriter();
  #rowCount = 0;

  append(seq: number, leader: number): void {
    invariant(leader < seq, 'a row takes the answer of one that came before it');
    this.#out.unsigned(seq - leader - 1);
    this.#rowCount++;
  }

  finish(): Uint8Array {
    return this.#out.seal(LEADERS_KIND, this.#rowCount);
  }
}

/** The leaders of rows with these seqs. */
export function decodeLeaders(blob: Uint8Array, seqs: Float64Array): Float64Array {
  const input = new PackedReader(blob, LEADERS_KIND, WHAT);
  if (input.rowCount !== seqs.length) corrupt(WHAT, `${input.rowCount} leaders for ${seqs.length} rows`);
  const leaders = new Float64Array(seqs.length);
  for (let at = 0; at < seqs.length; at++) {
    const leader = (seqs[at] ?? 0) - input.unsigned() - 1;
    if (leader < 0) corrupt(WHAT, 'a leader lies before the first row');
    leaders[at] = leader;
  }
  input.end();
  return leaders;
}
