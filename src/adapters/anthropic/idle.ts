/**
 * A limit on silence. A body stream has no timeout of its own in the SDK: a connection that died without a word would
 * be waited for until the end of time (facts, section 7 point 2).
 */
import type { ReadableStreamDefaultReader, ReadableStreamReadResult } from 'node:stream/web';
import type { Clock } from '../../base/clock.ts';

export interface IdleLimit {
  readonly clock: Clock;
  readonly idleMs: number;
  /** Called once when nothing came for `idleMs`; it breaks the connection, and the stream ends with an error. */
  readonly onIdle: () => void;
}

export async function* withIdleLimit(body: ReadableStream<Uint8Array>, limit: IdleLimit): AsyncGenerator<Buffer> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, limit);
      if (done) return;
      yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  } finally {
    // Lets go of the connection whichever way this ends; a stream that has failed already refuses, which is fine.
    await reader.cancel().catch(() => undefined);
  }
}

async function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limit: IdleLimit,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  const arrived = new AbortController();
  let silent = false;
  const watch = limit.clock.sleep(limit.idleMs, arrived.signal).then(() => {
    if (arrived.signal.aborted) return;
    silent = true;
    limit.onIdle();
  });
  try {
    return await Promise.race([
      reader.read(),
      // Some streams do not notice that their connection was broken: the watch itself ends the wait.
      watch.then(() => {
        if (silent) throw new Error('no bytes arrived');
        return new Promise<never>(() => undefined);
      }),
    ]);
  } finally {
    // With a reason of its own: the usual one is an error with a stack, made for each piece of the body.
    arrived.abort('arrived');
  }
}
