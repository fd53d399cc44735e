/**
 * Finds bytes that are not UTF-8, with their exact place, so that a record with such bytes is refused instead of
 * being sent with replacement characters in it.
 *
 * The common case is one native check per chunk (`isUtf8`); bytes are only looked at one by one in a chunk that
 * failed it. A character that is split between two chunks is not an error: `Utf8Watch` joins it first.
 */
import { isUtf8 } from 'node:buffer';

/** Length of the well-formed character at `at`, or 0 where there is none (RFC 3629: no overlong forms, no surrogates). */
function characterBytes(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  const length = sequenceBytes(lead);
  if (length === 0 || at + length > end) return 0;
  const second = bytes[at + 1] ?? 0;
  if (second < lowestSecond(lead) || second > highestSecond(lead)) return 0;
  for (let next = at + 2; next < at + length; next++) {
    if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

function sequenceBytes(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

function lowestSecond(lead: number): number {
  if (lead === 0xe0) return 0xa0;
  return lead === 0xf0 ? 0x90 : 0x80;
}

function highestSecond(lead: number): number {
  if (lead === 0xed) return 0x9f;
  return lead === 0xf4 ? 0x8f : 0xbf;
}

/** Place of the first byte in [start, end) that does not begin or continue a character; -1 where all is well. */
export function firstInvalidByte(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end;) {
    const length = characterBytes(bytes, at, end);
    if (length === 0) return at;
    at += length;
  }
  return -1;
}

/** How many bytes at the end of a chunk may be the beginning of a character that goes on in the next chunk. */
export function openTailBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    return sequenceBytes(byte) > back ? back : 0;
  }
  return 0;
}

/** A stretch of a stream that ends on a character, with the places in it that are not UTF-8. */
export interface WatchedBytes {
  readonly bytes: Buffer;
  /** Where it begins in the stream. */
  readonly offset: number;
  /** Places, from the beginning of the stream, of bytes that are not UTF-8. Almost always empty. */
  readonly invalid: readonly number[];
}

const NOTHING_INVALID: readonly number[] = [];

/** Cuts a stream of chunks so that no character is split, and checks each stretch. */
export class Utf8Watch {
  #tail: Buffer = Buffer.alloc(0);
  #offset = 0;

  push(chunk: Buffer): WatchedBytes {
    return this.#check(this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]), true);
  }

  /** The bytes that still wait for the rest of their character: at the end of the stream it never comes. */
  end(): WatchedBytes {
    return this.#check(this.#tail, false);
  }

  #check(all: Buffer, more: boolean): WatchedBytes {
    const cut = all.length - (more ? openTailBytes(all) : 0);
    const bytes = all.subarray(0, cut);
    // Copied, because a chunk may be a view of a buffer that is used again.
    this.#tail = Buffer.from(all.subarray(cut));
    const offset = this.#offset;
    this.#offset += cut;
    return { bytes, offset, invalid: isUtf8(bytes) ? NOTHING_INVALID : invalidBytes(bytes, offset) };
  }
}

function invalidBytes(bytes: Buffer, offset: number): number[] {
  const found: number[] = [];
  for (let at = firstInvalidByte(bytes, 0, bytes.length); at >= 0;) {
    found.push(offset + at);
    at = firstInvalidByte(bytes, at + 1, bytes.length);
  }
  return found;
}
