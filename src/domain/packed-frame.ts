/**
 * The frame of the packed blobs that the ledger keeps of a chunk: kind, row count, varints, checksum. A blob that is
 * damaged, or of another kind, is an error (E_STATE_CORRUPT) and never other numbers.
 */
import { BatchrunError, invariant } from '../base/errors.ts';

const CHECKSUM_BYTES = 4;

export class PackedWriter {
  #bytes = new Uint8Array(1_024);
  #used = 0;

  /** Seven bits a byte, lowest first, bit 7 says that more follow. Division, because shifts end at 32 bits. */
  unsigned(value: number): void {
    invariant(isCount(value), `${value} cannot be packed`);
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#put((rest % 128) | 128);
    this.#put(rest);
  }

  /** Sign in the lowest bit, as in zigzag, but without doubling: twice 2^53 would not be a whole number any more. */
  signed(value: number): void {
    const size = Math.abs(value);
    invariant(isCount(size), `${value} cannot be packed`);
    const first = ((size % 64) << 1) | (value < 0 ? 1 : 0);
    this.#put(size < 64 ? first : first | 128);
    if (size >= 64) this.unsigned(Math.floor(size / 64));
  }

  seal(kind: number, rowCount: number): Uint8Array {
    const head = new PackedWriter();
    head.unsigned(kind);
    head.unsigned(rowCount);
    const end = head.#used + this.#used;
    const sealed = new Uint8Array(end + CHECKSUM_BYTES);
    sealed.set(head.#bytes.subarray(0, head.#used));
    sealed.set(this.#bytes.subarray(0, this.#used), head.#used);
    new DataView(sealed.buffer).setUint32(end, checksum(sealed, end));
    return sealed;
  }

  #put(byte: number): void {
    if (this.#used === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#used++] = byte;
  }
}

export class PackedReader {
  readonly rowCount: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, kind: number, what: string) {
    this.#bytes = bytes;
    this.#end = bytes.length - CHECKSUM_BYTES;
    this.#what = what;
    if (this.#end < 2) corrupt(what, 'it is too short');
    const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(this.#end);
    if (sum !== checksum(bytes, this.#end)) corrupt(what, 'its checksum is wrong');
    if (this.unsigned() !== kind) corrupt(what, 'it is a blob of another kind');
    this.rowCount = this.unsigned();
    if (this.rowCount > this.#end) corrupt(what, 'it has less than a byte for each row');
  }

  unsigned(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#next();
      value += (byte & 127) * factor;
      if (value > Number.MAX_SAFE_INTEGER) corrupt(this.#what, 'a number is too large');
      if (byte < 128) return value;
    }
  }

  signed(): number {
    const first = this.#next();
    const low = (first & 127) >> 1;
    const size = first < 128 ? low : low + this.unsigned() * 64;
    return (first & 1) === 1 ? -size : size;
  }

  end(): void {
    if (this.#at !== this.#end) corrupt(this.#what, 'it is longer than its rows');
  }

  #next(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at++] : undefined;
    return byte ?? corrupt(this.#what, 'it ends too early');
  }
}

/** FNV-1a. Each step is one-to-one, so any damage to a single byte changes the sum for certain. */
function checksum(bytes: Uint8Array, end: number): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < end; at++) sum = Math.imul(sum ^ (bytes[at] ?? 0), 0x01000193);
  return sum >>> 0;
}

export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

export function corrupt(what: string, why: string): never {
  throw new BatchrunError('E_STATE_CORRUPT', `state.db: the ${what} of a chunk is damaged: ${why}`);
}
