/**
 * Answers that stand for an identical request: which may be taken from an earlier run, and how their place is packed.
 */
import { REQUEST_HASH_BYTES } from './canonical-request.ts';

/** The model said all that it had to say. What was cut off, refused or paused may come out otherwise another time. */
const FINAL_STOP_REASONS: readonly string[] = ['end_turn', 'stop_sequence', 'tool_use'];

export function isFinalStop(stopReason: string | null | undefined): boolean {
  return FINAL_STOP_REASONS.includes(stopReason ?? '');
}

/** Where an answer lies in the result files of its run. */
export interface AnswerPlace {
  /** As in `ResultLocation`: 0 is the realtime log. */
  readonly chunkNo: number;
  /** The number at the end of its wire id; null where only its file and beginning are known. */
  readonly index: number | null;
  readonly offset: number;
  readonly length: number;
}

/** chunk, index, offset, length. */
export const PLACE_BYTES = 4 + 6 + 6 + 4;
/** The hash of a request, and where the answer lies. */
export const ANSWER_BYTES = REQUEST_HASH_BYTES + PLACE_BYTES;
/** Hash, chunk and index: of one run no two answers have the same. */
export const ANSWER_KEY_BYTES = REQUEST_HASH_BYTES + 10;

/** For six bytes: no number of a row comes to it. */
export const NONE_48 = 2 ** 48 - 1;

export function writePlace(into: Buffer, at: number, { chunkNo, index, offset, length }: AnswerPlace): void {
  into.writeUInt32BE(chunkNo, at);
  into.writeUIntBE(index ?? NONE_48, at + 4, 6);
  into.writeUIntBE(offset, at + 10, 6);
  into.writeUInt32BE(length, at + 16);
}

export function readPlace(from: Buffer, at: number): AnswerPlace {
  const index = from.readUIntBE(at + 4, 6);
  return {
    chunkNo: from.readUInt32BE(at),
    index: index === NONE_48 ? null : index,
    offset: from.readUIntBE(at + 10, 6),
    length: from.readUInt32BE(at + 16),
  };
}
