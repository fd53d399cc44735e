/**
 * Many rows that are ready to be sealed, as bytes: what the fingerprint takes of them and the lines for the row file,
 * each row encoded once. Its params are a slice of its print, so the same bytes are hashed, copied into a chunk, and
 * can be handed from one thread to another without being touched.
 */
import { invariant } from '../../base/errors.ts';
import type { Lane, RowMedia } from '../model.ts';
import type { Priority } from '../priority.ts';
import type { InvalidEntry } from '../row-file.ts';
import type { RowNotice } from '../source.ts';

/** What many rows have in common. */
export interface RowKind {
  readonly model: string;
  readonly maxTokens: number;
  readonly betas: readonly string[];
  /** Null or missing: that of the run. */
  readonly priority?: Priority | null;
  /** It writes to the prompt cache. */
  readonly caches?: boolean;
  /** Tokens that the API puts before it at most; missing: none. */
  readonly addedTokens?: number;
  /** Its images and PDFs; null or missing: none. */
  readonly media?: RowMedia | null;
  /** The lane that its route has chosen; null or missing: none. */
  readonly lane?: Lane | null;
  /** The route that took it; null or missing: none. */
  readonly route?: string | null;
}

export interface RowBlock {
  /** The prints of all records in their order, also of those that cannot be sent. */
  readonly prints: Buffer;
  /** The lines for the row files, each with its line end. */
  readonly lines: Buffer;
  /** PLACE_FIELDS numbers for each row; read with `rowAt`. */
  readonly places: Float64Array;
  readonly rowCount: number;
  /** Few: nearly always one. */
  readonly kinds: readonly RowKind[];
  /** The users' ids, where they were asked for. */
  readonly ids: readonly string[] | null;
  /** Records that cannot be sent. */
  readonly refused: readonly RefusedEntry[];
  readonly notices: readonly (RowNotice & { readonly rows: number })[];
  /** Records read before this block. */
  readonly firstRecord: number;
  /** Records read so far, with those of this block. */
  readonly records: number;
  /** The first request of all, in the first block that has one. */
  readonly firstParamsJson: string | null;
}

/** A record that cannot be sent: what is shown of it, and its line for the list of skipped rows. */
export interface RefusedEntry extends Pick<InvalidEntry, 'seq' | 'id' | 'line' | 'file' | 'problems'> {
  readonly text: string;
}

/** One row of a block. Its bytes are slices: valid as long as the block is. */
export interface BlockRow {
  readonly seq: number;
  readonly params: Buffer;
  readonly line: Buffer;
  readonly kind: RowKind;
  /** The user's id, where it was asked for. */
  readonly id?: string | undefined;
}

/** Memory that blocks are written into. */
export interface BlockMemory {
  readonly prints: Buffer;
  readonly lines: Buffer;
  readonly places: Float64Array;
}

/** seq, begin and end of the params among the prints, end of the line, number of the kind, hash of the id. */
export const PLACE_FIELDS = 6;
export const ID_HASH = 5;
/** As much as is read of an input at once: then a piece of input is about a block. */
const BLOCK_BYTES = 1024 * 1024;
export const BLOCK_ROWS = 8_192;

export function newBlockMemory(bytes = BLOCK_BYTES): BlockMemory {
  return {
    prints: Buffer.allocUnsafeSlow(bytes),
    lines: Buffer.allocUnsafeSlow(bytes),
    places: new Float64Array(BLOCK_ROWS * PLACE_FIELDS),
  };
}

/** The memory of a block that is done with, from its buffers; what is not of the usual size is made anew. */
export function memoryOf([prints, lines, places]: readonly ArrayBuffer[]): BlockMemory {
  if (!prints || !lines || !places) return newBlockMemory();
  const sized = (buffer: ArrayBuffer): Buffer =>
    buffer.byteLength === BLOCK_BYTES ? Buffer.from(buffer) : Buffer.allocUnsafeSlow(BLOCK_BYTES);
  return { prints: sized(prints), lines: sized(lines), places: new Float64Array(places) };
}

export function rowAt(block: RowBlock, at: number): BlockRow {
  const { places, prints, lines, kinds, ids } = block;
  const place = at * PLACE_FIELDS;
  const lineStart = at === 0 ? 0 : places[place + 3 - PLACE_FIELDS];
  const kind = kinds[places[place + 4] ?? 0];
  invariant(kind, `a block of ${block.rowCount} rows has a row ${at}`);
  return {
    seq: places[place] ?? -1,
    params: prints.subarray(places[place + 1], places[place + 2]),
    line: lines.subarray(lineStart, places[place + 3]),
    kind,
    id: ids?.[at],
  };
}

export function idHashAt({ places }: RowBlock, at: number): number {
  return places[at * PLACE_FIELDS + ID_HASH] ?? -1;
}
