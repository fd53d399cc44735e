/**
 * A limit on silence. A body has no timeout of its own in the SDK: a connection that died without a word would be
 * waited for until the end of time (facts, section 7 point 2).
 *
 * Only the other side's silence counts, never the time that we take ourselves.
 */
import type { Clock } from '../../base/clock.ts';

/** Bytes as they come, by asking for them. */
export interface ByteSource {
  /** The next bytes, or null at the end. Rejects where the connection broke. Asked once at a time. */
  readonly read: () => Promise<Buffer | null>;
  /** Lets go of the connection. Safe at any time, also at the end. */
  readonly cancel: () => void | Promise<void>;
}

export interface IdleLimit {
  readonly clock: Clock;
  readonly idleMs: number;
  /** Called once when nothing came for `idleMs`; it breaks the connection. */
  readonly onIdle: () => void;
}

/** One timer for as long as something is watched: it is moved by looking at the time, not by making it anew. */
export interface Watch {
  /** The other side's turn: silence counts from now. */
  listen(): void;
  /** Our own turn: silence does not count. The timer stays where it is. */
  rest(): void;
  /** The end: no timer stays behind. It may listen again. */
  stop(): void;
}

export function createWatch({ clock, idleMs, onIdle }: IdleLimit): Watch {
  let since: number | null = null;
  let timer: AbortController | null = null;
  const stop = (): void => {
    since = null;
    // With a reason of its own: the usual one is an error with a stack.
    timer?.abort('stopped');
    timer = null;
  };
  const sleep = async (own: AbortController): Promise<void> => {
    for (;;) {
      if (own.signal.aborted) return;
      // Awake although it is our own turn: the next turn of the other side takes a new timer.
      if (since === null) break;
      const leftMs = since + idleMs - clock.monotonicMs();
      if (leftMs <= 0) {
        stop();
        onIdle();
        return;
      }
      await clock.sleep(leftMs, own.signal);
    }
    timer = null;
  };
  return {
    listen: () => {
      since = clock.monotonicMs();
      if (timer) return;
      timer = new AbortController();
      void sleep(timer);
    },
    rest: () => (since = null),
    stop,
  };
}

/**
 * The pieces of a source, with a limit on the wait for each of them. `timer` says what becomes of the timer while the
 * consumer is busy: `kept` is cheap; `fresh` leaves none behind, so that a virtual clock, which jumps to whoever sleeps,
 * does not jump because of it. `error` is what the consumer gets when the limit was reached.
 */
export async function* withIdleLimit(
  source: ByteSource,
  limit: IdleLimit & { readonly timer: 'kept' | 'fresh'; readonly error?: () => Error },
): AsyncGenerator<Buffer> {
  let strike: (error: Error) => void = () => undefined;
  const watch = createWatch({
    ...limit,
    onIdle: () => {
      limit.onIdle();
      // Some streams do not notice that their connection was broken: the watch itself ends the wait.
      strike(limit.error?.() ?? new Error('no bytes arrived'));
    },
  });
  const next = (): Promise<Buffer | null> =>
    new Promise((resolve, reject) => {
      strike = reject;
      watch.listen();
      source.read().then(resolve, reject);
    });
  try {
    for (;;) {
      const piece = await next();
      if (piece === null) return;
      if (limit.timer === 'kept') watch.rest();
      else watch.stop();
      yield piece;
    }
  } finally {
    watch.stop();
    // Lets go of the connection whichever way this ends.
    await source.cancel();
  }
}

/** A web stream as a source. */
export function webSource(body: ReadableStream<Uint8Array>): ByteSource {
  const reader = body.getReader();
  return {
    read: async () => {
      const { done, value } = await reader.read();
      return done ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    },
    // A stream that has failed already refuses, which is fine.
    cancel: () => reader.cancel().catch(() => undefined),
  };
}
