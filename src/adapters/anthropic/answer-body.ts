/**
 * The body of an answer over node:http: unpacked where it comes packed, read only as fast as it is asked for, and at an
 * end in one of three ways: whole, broken, or given up by us.
 */
import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { ByteSource } from './idle.ts';

/** The socket is read this far ahead of whoever takes the bytes. */
const AHEAD_BYTES_MAX = 1024 * 1024;

export interface AnswerBody extends ByteSource {
  /** Ends it with this error, and its connection with it. What was read ahead is dropped. */
  readonly fail: (error: unknown) => void;
}

/** `onOver` is called once, when nothing more can come of it: `whole` is false where the connection is of no more use. */
export function answerBody(answer: IncomingMessage, onOver: (whole: boolean) => void): AnswerBody {
  const stream = unpacked(answer);
  const ahead: Buffer[] = [];
  let aheadBytes = 0;
  let over = false;
  let failure: { readonly error: unknown } | null = null;
  let waiting: { resolve: (piece: Buffer | null) => void; reject: (error: unknown) => void } | null = null;

  const end = (error?: unknown): void => {
    if (over) return;
    over = true;
    if (error !== undefined) failure = { error };
    if (error === undefined) waiting?.resolve(null);
    else waiting?.reject(error);
    waiting = null;
    onOver(error === undefined);
  };
  const fail = (error: unknown): void => {
    if (over) return;
    ahead.length = 0;
    end(error);
    answer.destroy();
    stream.destroy();
  };
  const broken = (cause: Error): void => end(new TypeError('terminated', { cause }));
  const take = (piece: Buffer): void => {
    if (over) return;
    if (waiting) {
      waiting.resolve(piece);
      waiting = null;
      return;
    }
    ahead.push(piece);
    aheadBytes += piece.length;
    if (aheadBytes >= AHEAD_BYTES_MAX) stream.pause();
  };
  stream.on('error', broken);
  stream.on('end', () => end());
  // An answer that closes without having ended came to no end.
  stream.on('close', () => broken(new Error('the connection was closed in the middle of the answer')));

  return {
    read: () => {
      const piece = ahead.shift();
      if (piece) {
        aheadBytes -= piece.length;
        if (stream.isPaused() && aheadBytes < AHEAD_BYTES_MAX / 2) stream.resume();
        return Promise.resolve(piece);
      }
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it came from outside as it is
      if (failure) return Promise.reject(failure.error);
      if (over) return Promise.resolve(null);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        if (stream.listenerCount('data') === 0) stream.on('data', take);
        else if (stream.isPaused()) stream.resume();
      });
    },
    cancel: () => fail(new Error('the answer was not read to its end')),
    fail,
  };
}

/** As fetch unpacks: the last coding first, all or none, and leniently at the end, which the framing proves. */
function unpacked(answer: IncomingMessage): Readable {
  const codings = (answer.headers['content-encoding'] ?? '').toLowerCase().split(',');
  const names = codings.map((name) => name.trim()).filter((name) => name !== '');
  const decoders = names.reverse().map(decoderOf);
  if (decoders.length === 0 || decoders.length > CODINGS_MAX || decoders.includes(null)) return answer;
  const chain = decoders.filter((decoder) => decoder !== null);
  const last = chain.at(-1);
  if (!last) return answer;
  // An error anywhere reaches the last one, which is the one that is listened to.
  pipeline([answer, ...chain], () => undefined);
  return last;
}

/** More than anybody packs, and a bound for what a bad server makes us do. */
const CODINGS_MAX = 5;

function decoderOf(coding: string): Transform | null {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH } = constants;
  if (coding === 'gzip' || coding === 'x-gzip') return createGunzip({ flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH });
  if (coding === 'deflate') return createInflate({ flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH });
  if (coding !== 'br') return null;
  return createBrotliDecompress({ flush: BROTLI_OPERATION_FLUSH, finishFlush: BROTLI_OPERATION_FLUSH });
}
