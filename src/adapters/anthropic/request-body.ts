/**
 * Sends the body of a request over node:http. A stream is asked for its next piece only once the system has taken the
 * one before, so that the source decides what is in memory, and nothing of the tail exists before all else has left.
 */
import type { ClientRequest } from 'node:http';
import type { Watch } from './idle.ts';

export type RequestBody = ReadableStream<Uint8Array> | Uint8Array | null;

export interface Sending {
  /** The whole body has been handed to the system. */
  readonly complete: boolean;
  /** Nobody wants the rest any more: the source is told, and the request stays without its end. */
  stop(): void;
}

export interface SendingParts {
  /** Nothing is asked of a source, and nothing written, before the connection stands: its errors come out as they are. */
  readonly connected: Promise<void>;
  /** What the head announced, or null where it announced nothing. */
  readonly announcedBytes: number | null;
  readonly watch: Watch;
  /** The source failed, or is not as long as announced. */
  readonly onFailed: (error: unknown) => void;
}

export function sendBody(request: ClientRequest, body: RequestBody, parts: SendingParts): Sending {
  return body instanceof ReadableStream ? sendStream(request, body, parts) : sendWhole(request, body, parts);
}

function sendWhole(request: ClientRequest, body: Uint8Array | null, { connected, watch }: SendingParts): Sending {
  const state = { complete: false, stopped: false };
  void connected.then(() => {
    if (state.stopped) return;
    state.complete = true;
    watch.listen();
    if (body === null) request.end();
    else request.end(body);
  });
  return {
    get complete() {
      return state.complete;
    },
    stop: () => void (state.stopped = true),
  };
}

function sendStream(request: ClientRequest, body: ReadableStream<Uint8Array>, parts: SendingParts): Sending {
  const { announcedBytes, connected, watch, onFailed } = parts;
  const reader = body.getReader();
  const state = { complete: false, stopped: false };
  // A write that was under way when the connection broke may never be told.
  let taken: () => void = () => undefined;
  const stop = (): void => {
    if (state.complete || state.stopped) return;
    state.stopped = true;
    taken();
    // A source that failed already refuses, which is fine.
    reader.cancel().catch(() => undefined);
  };
  request.once('close', stop);
  const write = (piece: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      taken = resolve;
      // What went wrong is told by the request itself.
      request.write(piece, () => resolve());
    });
  const pump = async (): Promise<void> => {
    let sent = 0;
    await connected;
    for (;;) {
      const { done, value } = await reader.read();
      if (state.stopped) return;
      if (done) break;
      sent += value.byteLength;
      if (announcedBytes !== null && sent > announcedBytes) break;
      watch.listen();
      await write(value);
      watch.rest();
    }
    if (announcedBytes !== null && sent !== announcedBytes) throw wrongLength(sent, announcedBytes);
    state.complete = true;
    watch.listen();
    request.end();
  };
  pump().catch((error: unknown) => {
    if (state.stopped) return;
    stop();
    onFailed(error);
  });
  return {
    get complete() {
      return state.complete;
    },
    stop,
  };
}

function wrongLength(sent: number, announced: number): Error {
  return Object.assign(new Error(`the body has ${sent} bytes or more where ${announced} were announced`), {
    code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  });
}
