/**
 * Reads the body of an answer as it comes and takes out of it what a load test counts: usage, the first token, errors in
 * the middle of a stream, and the text where a conversation wants it. It parses as little as it can: at thousands of
 * answers a second the tester must not be what is slow.
 */
import { StringDecoder } from 'node:string_decoder';
import { NO_USAGE, type TokenUsage } from '../../domain/model.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';

export interface ReadAnswer {
  readonly usage: TokenUsage;
  readonly model: string | null;
  readonly text: string | null;
  /** Whole and in the API's shape. */
  readonly complete: boolean;
  /** An error that came instead of the rest. */
  readonly error: AnswerError | null;
}

export interface AnswerError {
  readonly type: string | null;
  readonly message: string;
  readonly errorCode: string | null;
}

export interface AnswerReader {
  /** True when this piece brought the first token. */
  take(piece: Buffer): boolean;
  end(): ReadAnswer;
}

/** A whole message, or an error in its place. */
export function messageReader(keepsText: boolean): AnswerReader {
  const pieces: Buffer[] = [];
  return {
    take(piece) {
      pieces.push(piece);
      return false;
    },
    end() {
      const [first] = pieces;
      const value = parse((pieces.length === 1 && first ? first : Buffer.concat(pieces)).toString());
      const complete = value !== null && value['type'] === 'message' && isObject(value['usage']);
      return {
        usage: usageOf(value?.['usage'], NO_USAGE),
        model: textOf(value?.['model']),
        text: keepsText ? contentText(value?.['content']) : null,
        complete,
        error: errorOf(value),
      };
    },
  };
}

/** A stream of server-sent events. */
export function streamReader(keepsText: boolean): AnswerReader {
  return new StreamReader(keepsText);
}

class StreamReader implements AnswerReader {
  readonly #keepsText: boolean;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #event = '';
  #usage = NO_USAGE;
  #model: string | null = null;
  #text = '';
  #hasToken = false;
  #stopped = false;
  #error: AnswerError | null = null;

  constructor(keepsText: boolean) {
    this.#keepsText = keepsText;
  }

  take(piece: Buffer): boolean {
    const before = this.#hasToken;
    this.#feed(this.#decoder.write(piece));
    return this.#hasToken && !before;
  }

  end(): ReadAnswer {
    this.#feed(`${this.#decoder.end()}\n`);
    return {
      usage: this.#usage,
      model: this.#model,
      text: this.#keepsText ? this.#text : null,
      complete: this.#stopped,
      error: this.#error,
    };
  }

  #feed(text: string): void {
    const all = this.#rest + text;
    let from = 0;
    for (let end = all.indexOf('\n'); end >= 0; end = all.indexOf('\n', from)) {
      const line = all.charCodeAt(end - 1) === 13 ? all.slice(from, end - 1) : all.slice(from, end);
      from = end + 1;
      if (line.startsWith('event:')) this.#event = line.slice(6).trim();
      else if (line.startsWith('data:')) this.#data(line);
    }
    this.#rest = all.slice(from);
  }

  #data(line: string): void {
    const event = this.#event;
    this.#event = '';
    if (event === 'content_block_delta') {
      this.#hasToken = true;
      if (!this.#keepsText) return;
    }
    if (event === 'ping' || event === 'content_block_start' || event === 'content_block_stop') return;
    const value = parse(line.slice(5));
    switch (value?.['type']) {
      case 'message_start': {
        const message = value['message'];
        if (!isObject(message)) return;
        this.#model = textOf(message['model']);
        this.#usage = usageOf(message['usage'], this.#usage);
        return;
      }
      case 'content_block_delta': {
        // Where a proxy leaves the names of events out it is told apart only here.
        this.#hasToken = true;
        const delta = value['delta'];
        if (this.#keepsText && isObject(delta)) this.#text += textOf(delta['text']) ?? '';
        return;
      }
      case 'message_delta':
        this.#usage = usageOf(value['usage'], this.#usage);
        return;
      case 'message_stop':
        this.#stopped = true;
        return;
      case 'error':
        this.#error = errorOf(value);
    }
  }
}

/** `{type: error, error: {type, message, details}}`; proxies and Cloudflare's 413 have the inner part alone. */
function errorOf(value: JsonObject | null): AnswerError | null {
  const inner = value?.['error'];
  if (!isObject(inner)) return null;
  const details = inner['details'];
  return {
    type: textOf(inner['type']),
    message: textOf(inner['message']) ?? '',
    errorCode: isObject(details) ? textOf(details['error_code']) : null,
  };
}

/** What is not said stays as it was: a stream tells the input at its start and the output at its end. */
function usageOf(value: unknown, before: TokenUsage): TokenUsage {
  if (!isObject(value)) return before;
  const created = isObject(value['cache_creation']) ? value['cache_creation'] : null;
  const written = value['cache_creation_input_tokens'];
  return {
    inputTokens: countOf(value['input_tokens'], before.inputTokens),
    outputTokens: countOf(value['output_tokens'], before.outputTokens),
    cacheWrite5mTokens: created
      ? countOf(created['ephemeral_5m_input_tokens'], before.cacheWrite5mTokens)
      : before.cacheWrite1hTokens > 0
        ? before.cacheWrite5mTokens
        : countOf(written, before.cacheWrite5mTokens),
    cacheWrite1hTokens: countOf(created?.['ephemeral_1h_input_tokens'], before.cacheWrite1hTokens),
    cacheReadTokens: countOf(value['cache_read_input_tokens'], before.cacheReadTokens),
  };
}

function contentText(content: unknown): string {
  if (!Array.isArray(content)) return '';
  return content.map((block: unknown) => (isObject(block) ? (textOf(block['text']) ?? '') : '')).join('');
}

function parse(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    // Whoever reads it says that it is unreadable.
    return null;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function countOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : otherwise;
}
