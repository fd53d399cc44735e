/**
 * The door of a local web page, in words that know neither sockets nor headers: routes give answers, a feed gives what
 * has changed. Behind it stands adapters/web; pages (tools/serve, tools/loadtest) are written against this alone.
 */

/**
 * `open`: what a look at the state shows, free on this machine; `token`: texts of rows and all that acts; `ticket`: the
 * route itself looks at a secret in its path, because a browser that saves a file cannot send a token.
 */
export type WebAccess = 'open' | 'token' | 'ticket';

export interface WebCall {
  /** Parts of the path by their names: `/api/runs/:run` has `run`. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Of a POST: its JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The token was sent, and is the right one. */
  readonly isAuthorized: boolean;
  /** The reader has gone. */
  readonly signal: AbortSignal;
}

export type WebAnswer =
  | { readonly kind: 'json'; readonly status?: number; readonly value: unknown }
  | {
      readonly kind: 'file';
      /** What the browser calls it. */
      readonly name: string;
      readonly type: string;
      readonly pieces: AsyncIterable<Uint8Array | string>;
    };

export interface WebRoute {
  readonly method: 'GET' | 'POST';
  /** `/api/runs/:run/log`. */
  readonly path: string;
  readonly access: WebAccess;
  /** What it gives, it gives once: a look at its headers alone would use that up. */
  readonly isOnce?: boolean;
  readonly answer: (call: WebCall) => Promise<WebAnswer>;
}

/** One message of a feed. `id`: where a reader that was cut off goes on, in words of the feed (letters, digits, `.:_-`). */
export interface WebMessage {
  readonly event: string;
  readonly value: unknown;
  readonly id?: string;
}

/** A reader of the feed. */
export interface WebReader {
  readonly query: URLSearchParams;
  readonly isAuthorized: boolean;
  /** Of the last message that it had before it was cut off; null where it is new. */
  readonly lastId: string | null;
}

/** What is told to every reader, each time something may have changed. */
export interface WebFeed {
  readonly path: string;
  readonly access: WebAccess;
  /** Gives what this reader has to hear now, again and again until it goes. */
  readonly begin: (reader: WebReader) => () => Promise<readonly WebMessage[]>;
}

export function jsonAnswer(value: unknown, status = 200): WebAnswer {
  return { kind: 'json', status, value };
}

/** A refusal that a page can show: the same shape as the errors of `--json`. */
export function refusal(status: number, message: string, hint = ''): WebAnswer {
  return { kind: 'json', status, value: { error: { message, hint } } };
}
