/**
 * Server-sent events: each reader is told what has changed, about once a second, and gets a heartbeat where nothing has.
 * There are so many readers at most, and one that does not take what it is sent is let go: it comes back by itself and
 * says where it was.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '../../base/clock.ts';
import type { WebFeed, WebMessage } from '../../domain/web.ts';

const READERS_MAX = 16;
const TICK_MS = 1_000;
const HEARTBEAT_MS = 15_000;
/** What a reader may leave untaken. */
const UNTAKEN_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_MS = 2_000;
const CLOSE_MS_MAX = 1_000;

export class Feeds {
  readonly #closing = new AbortController();
  readonly #serving = new Set<Promise<void>>();

  /** Serves a reader until it goes. False where there are too many. */
  async serve(feed: WebFeed, call: FeedCall): Promise<boolean> {
    if (this.#serving.size >= READERS_MAX) return false;
    const serving = this.#tell(feed, call);
    // Whoever waits for all of them only wants to know that they are over.
    const settled = serving.catch(() => undefined);
    this.#serving.add(settled);
    try {
      await serving;
    } finally {
      this.#serving.delete(settled);
    }
    return true;
  }

  async #tell(feed: WebFeed, { request, response, isAuthorized, query }: FeedCall): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const closing = this.#closing.signal;
    const signal = AbortSignal.any([gone.signal, closing]);
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
    response.write(`retry: ${RETRY_MS}\n\n`);
    try {
      const next = feed.begin({ query, isAuthorized, lastId: lastIdOf(request) });
      let quietMs = 0;
      while (!gone.signal.aborted) {
        // At the end of the server everybody hears how it ended.
        const isLast = closing.aborted;
        const text = (await next()).map(messageText).join('');
        quietMs = text === '' ? quietMs + TICK_MS : 0;
        if (text !== '') response.write(text);
        else if (quietMs >= HEARTBEAT_MS) {
          response.write(': beat\n\n');
          quietMs = 0;
        }
        if (response.writableLength > UNTAKEN_BYTES_MAX) response.destroy();
        if (isLast) break;
        await systemClock.sleep(TICK_MS, signal);
      }
    } finally {
      await ended(response);
    }
  }

  /** Tells all readers the last news and lets them go; one that does not take them is not waited for. */
  async close(): Promise<void> {
    this.#closing.abort();
    const over = new AbortController();
    await Promise.race([Promise.all(this.#serving), systemClock.sleep(CLOSE_MS_MAX, over.signal)]);
    over.abort();
  }
}

interface FeedCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly isAuthorized: boolean;
  readonly query: URLSearchParams;
}

/** Resolves when what was written is on its way, or nobody is there to take it. */
function ended(response: ServerResponse): Promise<void> {
  // One that was closed before says so no more.
  if (response.closed || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    response.on('close', resolve);
    response.end(resolve);
  });
}

function lastIdOf(request: IncomingMessage): string | null {
  const sent = request.headers['last-event-id'];
  return typeof sent === 'string' && /^[\w.:-]{1,100}$/.test(sent) ? sent : null;
}

/** JSON has no line ends, so a message is one line of data. */
function messageText({ event, value, id }: WebMessage): string {
  const place = id === undefined ? '' : `id: ${id}\n`;
  return `${place}event: ${event}\ndata: ${JSON.stringify(value)}\n\n`;
}
