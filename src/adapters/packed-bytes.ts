/**
 * Bytes in memory that are mostly alike, such as the files of a rehearsal: packed a block at a time once a block is full.
 * They only grow, or are cut. A copy shares the packed blocks with what it was copied from.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Large enough to pack well, small enough that a look at one row costs little. */
const BLOCK_BYTES = 256 * 1024;
/** What is not full yet begins this small, and grows. */
const TAIL_BYTES = 4 * 1024;
/** The fastest: most of what is packed are runs of one byte. */
const LEVEL = 1;
/** Blocks that were looked at last: reads lie close together. */
const KEPT_BLOCKS = 3;

export class PackedBytes {
  /** Full blocks, packed. */
  readonly #full: Buffer[];
  #tail: Buffer;
  #tailBytes: number;
  /** Unpacked blocks by number, the oldest first. */
  readonly #kept = new Map<number, Buffer>();

  constructor(from?: PackedBytes) {
    this.#full = from ? [...from.#full] : [];
    this.#tail = from ? Buffer.from(from.#tail.subarray(0, from.#tailBytes)) : Buffer.alloc(0);
    this.#tailBytes = this.#tail.length;
  }

  get length(): number {
    return this.#full.length * BLOCK_BYTES + this.#tailBytes;
  }

  append(data: Uint8Array): void {
    for (let at = 0; at < data.byteLength;) {
      const size = Math.min(data.byteLength - at, BLOCK_BYTES - this.#tailBytes);
      this.#growTail(this.#tailBytes + size);
      this.#tail.set(data.subarray(at, at + size), this.#tailBytes);
      this.#tailBytes += size;
      at += size;
      if (this.#tailBytes === BLOCK_BYTES) this.#packTail();
    }
  }

  truncate(length: number): void {
    if (length >= this.length) return;
    const blocks = Math.floor(length / BLOCK_BYTES);
    if (blocks < this.#full.length) {
      this.#tail = Buffer.from(this.#block(blocks));
      this.#full.length = blocks;
      this.#kept.clear();
    }
    this.#tailBytes = length - blocks * BLOCK_BYTES;
  }

  /** A copy of the bytes [start, end), or of those of them that there are. */
  slice(start: number, end: number): Buffer {
    const last = Math.min(end, this.length);
    const out = Buffer.allocUnsafe(Math.max(0, last - start));
    for (let at = start; at < last;) {
      const no = Math.floor(at / BLOCK_BYTES);
      const block = no < this.#full.length ? this.#block(no) : this.#tail.subarray(0, this.#tailBytes);
      const from = at - no * BLOCK_BYTES;
      at += block.copy(out, at - start, from, Math.min(block.length, from + last - at));
    }
    return out;
  }

  #growTail(bytes: number): void {
    if (bytes <= this.#tail.length) return;
    const larger = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(TAIL_BYTES, bytes, this.#tail.length * 2)));
    this.#tail.copy(larger, 0, 0, this.#tailBytes);
    this.#tail = larger;
  }

  #packTail(): void {
    // A copy: what zlib gives is a slice of a larger piece of memory.
    this.#full.push(Buffer.from(deflateRawSync(this.#tail, { level: LEVEL })));
    this.#tailBytes = 0;
  }

  #block(no: number): Buffer {
    const known = this.#kept.get(no);
    if (known) return known;
    const block = inflateRawSync(this.#full[no] ?? Buffer.alloc(0));
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= KEPT_BLOCKS && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(no, block);
    return block;
  }
}
