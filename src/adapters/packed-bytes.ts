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
/** Blocks that were looked at last, of all files together: reads lie close to each other. */
const KEPT_BLOCKS = 4;
const NOTHING = Buffer.alloc(0);

export class PackedBytes {
  /** Full blocks, packed. */
  readonly #full: Buffer[];
  #tail: Buffer;
  #tailBytes: number;
  /** The tail, packed, once nothing more is expected. */
  #packedTail: Buffer | null = null;

  constructor(from?: PackedBytes) {
    this.#full = from ? [...from.#full] : [];
    this.#tail = from ? Buffer.from(from.#tail.subarray(0, from.#tailBytes)) : NOTHING;
    this.#tailBytes = from ? from.#tailBytes : 0;
    this.#packedTail = from ? from.#packedTail : null;
  }

  get length(): number {
    return this.#full.length * BLOCK_BYTES + this.#tailBytes;
  }

  append(data: Uint8Array): void {
    this.#unpackTail();
    for (let at = 0; at < data.byteLength;) {
      const size = Math.min(data.byteLength - at, BLOCK_BYTES - this.#tailBytes);
      this.#growTail(this.#tailBytes + size);
      this.#tail.set(data.subarray(at, at + size), this.#tailBytes);
      this.#tailBytes += size;
      at += size;
      if (this.#tailBytes === BLOCK_BYTES) this.#packTail();
    }
  }

  /** Nothing more is expected; it may come all the same. */
  pack(): void {
    if (this.#tailBytes < TAIL_BYTES) return;
    this.#packedTail = packed(this.#tail.subarray(0, this.#tailBytes));
    this.#tail = NOTHING;
  }

  truncate(length: number): void {
    if (length >= this.length) return;
    this.#unpackTail();
    const blocks = Math.floor(length / BLOCK_BYTES);
    if (blocks < this.#full.length) {
      this.#tail = Buffer.from(this.#block(blocks));
      this.#full.length = blocks;
    }
    this.#tailBytes = length - blocks * BLOCK_BYTES;
  }

  /** A copy of the bytes [start, end), or of those of them that there are. */
  slice(start: number, end: number): Buffer {
    const last = Math.min(end, this.length);
    const out = Buffer.allocUnsafe(Math.max(0, last - start));
    for (let at = start; at < last;) {
      const no = Math.floor(at / BLOCK_BYTES);
      const isTail = no === this.#full.length && this.#packedTail === null;
      const block = isTail ? this.#tail.subarray(0, this.#tailBytes) : this.#block(no);
      const from = at - no * BLOCK_BYTES;
      at += block.copy(out, at - start, from, Math.min(block.length, from + last - at));
    }
    return out;
  }

  #unpackTail(): void {
    if (this.#packedTail === null) return;
    this.#tail = inflateRawSync(this.#packedTail);
    this.#packedTail = null;
  }

  #growTail(bytes: number): void {
    if (bytes <= this.#tail.length) return;
    const larger = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(TAIL_BYTES, bytes, this.#tail.length * 2)));
    this.#tail.copy(larger, 0, 0, this.#tailBytes);
    this.#tail = larger;
  }

  #packTail(): void {
    this.#full.push(packed(this.#tail));
    this.#tailBytes = 0;
  }

  #block(no: number): Buffer {
    const bytes = this.#full[no] ?? this.#packedTail ?? NOTHING;
    const known = kept.get(bytes);
    if (known) return known;
    const block = inflateRawSync(bytes);
    const [oldest] = kept.keys();
    if (kept.size >= KEPT_BLOCKS && oldest) kept.delete(oldest);
    kept.set(bytes, block);
    return block;
  }
}

/** Unpacked blocks by what they were packed as, which never changes; the oldest first. */
const kept = new Map<Buffer, Buffer>();

function packed(bytes: Buffer): Buffer {
  // A copy: what zlib gives is a slice of a larger piece of memory.
  return Buffer.from(deflateRawSync(bytes, { level: LEVEL }));
}
