/**
 * The body of a create: streamed from its file, proved on the way, and with its last bytes held back.
 */
import { createHash } from 'node:crypto';
import { BatchrunError } from '../../base/errors.ts';
import { BODY_TAIL } from '../../domain/limits.ts';
import type { BatchUpload, Files } from '../../domain/ports.ts';

/**
 * With `reuse` a piece is good only until the next one is asked for.
 *
 * The file as it lies, but its last bytes leave only when the whole of it is known to be what was sealed, and the ledger
 * knows that they are about to.
 */
export async function* uploadBody(
  files: Files,
  upload: BatchUpload,
  { reuse }: { readonly reuse: boolean },
): AsyncGenerator<Uint8Array> {
  const tailStart = upload.bytes - BODY_TAIL.length;
  const sha256 = createHash('sha256');
  for await (const piece of readAhead(files.stream(upload.bodyPath, 0, tailStart, reuse))) {
    sha256.update(piece);
    yield piece;
  }
  const tail: Buffer[] = [];
  for await (const piece of files.stream(upload.bodyPath, tailStart, upload.bytes)) {
    sha256.update(piece);
    tail.push(piece);
  }
  if (sha256.digest('hex') !== upload.sha256) {
    const file = files.locate(upload.bodyPath);
    throw new BatchrunError('E_STATE_CORRUPT', `${file} is not what was sealed: its checksum differs`, {
      details: { file },
    });
  }
  await upload.beforeTail();
  yield* tail;
}

/** The next piece is read while this one is hashed and sent, and no more than that one. */
async function* readAhead(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = pieces[Symbol.asyncIterator]();
  let next = reader.next();
  try {
    for (let piece = await next; piece.done !== true; piece = await next) {
      next = reader.next();
      // It may fail while nobody waits for it; whoever asks for the next piece is told.
      next.catch(() => undefined);
      yield piece.value;
    }
  } finally {
    await reader.return?.();
  }
}
