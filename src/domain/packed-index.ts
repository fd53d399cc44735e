/**
 * Small blobs that stand for many rows: the ledger keeps three for each chunk instead of a row for each row.
 *
 * The request index says where each request lies in the chunk file and each line in the row file, the outcomes say in
 * one byte what became of each row, the result index says where each answer lies in the result file. All numbers are
 * varints of up to 2^53. Both indexes carry a checksum: a damaged blob is an error (E_STATE_CORRUPT), never another
 * row's request or answer. Proven by round trips and by every single-byte damage in packed-index.test.ts.
 */
import { invariant } from '../base/errors.ts';
import { BODY_HEAD } from './limits.ts';
import { corrupt, isCount, PackedReader, PackedWriter } from './packed-frame.ts';

export interface RequestPlace {
  readonly seq: number;
  /** The request's text in the chunk file `{"requests":[` … `,` … `]}`; the comma is not part of it. */
  readonly requestOffset: number;
  readonly requestBytes: number;
  /** The line in the row file; its line end is part of rowBytes. 0 in retry chunks, which have no row file. */
  readonly rowOffset: number;
  readonly rowBytes: number;
}

export interface RequestIndex {
  readonly rowCount: number;
  readonly seqs: Float64Array;
  readonly requestOffsets: Float64Array;
  readonly requestBytes: Float64Array;
  readonly rowOffsets: Float64Array;
  readonly rowBytes: Float64Array;
  at(index: number): RequestPlace;
}

const REQUESTS_KIND = 0x51;
const RESULTS_KIND = 0x61;

/** Writes the request index of a chunk while its rows come: `append` for each, in the order of the files. */
export class RequestIndexBuilder {
  readonly #out = new PackedWriter();
  #rowCount = 0;
  #lastSeq = -1;

  get rowCount(): number {
    return this.#rowCount;
  }

  /** `rowBytes` includes the line end; 0 in a retry chunk. */
  append(row: { readonly seq: number; readonly requestBytes: number; readonly rowBytes: number }): void {
    // Neighbours in the input are neighbours in the chunk, as a rule: then this difference is 0, one byte.
    this.#out.signed(row.seq - this.#lastSeq - 1);
    this.#out.unsigned(row.requestBytes);
    this.#out.unsigned(row.rowBytes);
    this.#lastSeq = row.seq;
    this.#rowCount++;
  }

  finish(): Uint8Array {
    return this.#out.seal(REQUESTS_KIND, this.#rowCount);
  }
}

export function decodeRequestIndex(blob: Uint8Array): RequestIndex {
  const input = new PackedReader(blob, REQUESTS_KIND, 'request index');
  const { rowCount } = input;
  const column = (): Float64Array => new Float64Array(rowCount);
  const [seqs, requestOffsets, requestBytes, rowOffsets, rowBytes] = [column(), column(), column(), column(), column()];
  let seq = -1;
  let requestOffset = BODY_HEAD.length;
  let rowOffset = 0;
  for (let at = 0; at < rowCount; at++) {
    seqs[at] = seq += input.signed() + 1;
    requestOffsets[at] = requestOffset;
    rowOffsets[at] = rowOffset;
    requestOffset += (requestBytes[at] = input.unsigned()) + 1;
    rowOffset += rowBytes[at] = input.unsigned();
  }
  input.end();
  const at = (index: number): RequestPlace => ({
    seq: numberAt(seqs, index),
    requestOffset: numberAt(requestOffsets, index),
    requestBytes: numberAt(requestBytes, index),
    rowOffset: numberAt(rowOffsets, index),
    rowBytes: numberAt(rowBytes, index),
  });
  return { rowCount, seqs, requestOffsets, requestBytes, rowOffsets, rowBytes, at };
}

export interface ResultIndex {
  readonly rowCount: number;
  /** Where the line of each row begins; 0 where it has none. */
  readonly offsets: Float64Array;
  /** Bytes of the line; 0: this row has no line here. */
  readonly lengths: Float64Array;
  at(index: number): { readonly offset: number; readonly length: number } | null;
}

/** Packs where the line of each row lies. The order in the file is free; a row without a line has length 0. */
export function encodeResultIndex(offsets: Float64Array, lengths: Uint32Array | Float64Array): Uint8Array {
  invariant(offsets.length === lengths.length, 'a result index needs as many lengths as offsets');
  const out = new PackedWriter();
  let expected = 0;
  for (let at = 0; at < offsets.length; at++) {
    const length = numberAt(lengths, at);
    out.unsigned(length);
    if (length === 0) continue;
    const offset = numberAt(offsets, at);
    invariant(isCount(offset), `${offset} is not an offset`);
    // In a file in order each line begins right after the one before it: one byte.
    out.signed(offset - expected);
    expected = offset + length;
  }
  return out.seal(RESULTS_KIND, offsets.length);
}

export function decodeResultIndex(blob: Uint8Array): ResultIndex {
  const input = new PackedReader(blob, RESULTS_KIND, 'result index');
  const { rowCount } = input;
  const [offsets, lengths] = [new Float64Array(rowCount), new Float64Array(rowCount)];
  let expected = 0;
  for (let at = 0; at < rowCount; at++) {
    const length = input.unsigned();
    if (length === 0) continue;
    const offset = expected + input.signed();
    offsets[at] = offset;
    lengths[at] = length;
    expected = offset + length;
  }
  input.end();
  const at = (index: number): { offset: number; length: number } | null => {
    const length = numberAt(lengths, index);
    return length === 0 ? null : { offset: numberAt(offsets, index), length };
  };
  return { rowCount, offsets, lengths, at };
}

/**
 * Outcomes are one byte a row: low nibble the outcome, high nibble why the answer stopped. New rows are all 0.
 * `elsewhere`: the row has a record of its own (it is tried again, or was), and the truth is there.
 */
export const OUTCOME = { pending: 0, succeeded: 1, failed: 2, expired: 3, canceled: 4, elsewhere: 5 } as const;
export type Outcome = keyof typeof OUTCOME;

const OUTCOMES = Object.keys(OUTCOME) as readonly Outcome[];

/** The place of a stop reason here, from 1, is its number in the high nibble (0: none): append only. */
const STOP_REASONS: readonly string[] =
  'end_turn max_tokens stop_sequence tool_use pause_turn refusal model_context_window_exceeded'.split(' ');
const OTHER_STOP = 15;

export function outcomeByte(outcome: Outcome, stopReason?: string | null): number {
  const stop = (stopReason ?? '') === '' ? 0 : STOP_REASONS.indexOf(stopReason ?? '') + 1 || OTHER_STOP;
  return OUTCOME[outcome] | (stop << 4);
}

export function outcomeOf(byte: number): Outcome {
  return OUTCOMES[byte & 15] ?? corrupt('outcomes', `there is no outcome ${byte & 15}`);
}

/** The stop reason in a byte; `other` for one that this version does not know; null where there is none. */
export function stopReasonOf(byte: number): string | null {
  const stop = byte >> 4;
  if (stop === 0) return null;
  if (stop === OTHER_STOP) return 'other';
  return STOP_REASONS[stop - 1] ?? corrupt('outcomes', `there is no stop reason ${stop}`);
}

/** A blob from the ledger, checked: as many bytes as rows, each with a meaning. A copy that may be written to. */
export function decodeOutcomes(blob: Uint8Array, rowCount: number): Uint8Array {
  if (blob.length !== rowCount) corrupt('outcomes', `${blob.length} bytes for ${rowCount} rows`);
  countOutcomes(blob);
  countStopReasons(blob);
  return Uint8Array.from(blob);
}

export function countOutcomes(outcomes: Uint8Array): Record<Outcome, number> {
  const counts = { pending: 0, succeeded: 0, failed: 0, expired: 0, canceled: 0, elsewhere: 0 };
  for (const byte of outcomes) counts[outcomeOf(byte)]++;
  return counts;
}

/** How often each stop reason occurs; those that do not occur are left out. */
export function countStopReasons(outcomes: Uint8Array): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const byte of outcomes) {
    const reason = stopReasonOf(byte);
    if (reason !== null) counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}

function numberAt(values: Float64Array | Uint32Array, index: number): number {
  const value = values[index];
  invariant(value !== undefined, `there is no row ${index} in an index of ${values.length}`);
  return value;
}
