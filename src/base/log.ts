/**
 * The log: what batchrun says to whoever looks into why something happened. It goes to stderr (cli/context.ts
 * gives the sink), and it never shows a key: everything passes through `redact` first.
 */

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  readonly now: () => number;
  readonly write: (line: string) => void;
}

export function createLogger(options: LoggerOptions): Logger {
  const lowest = LOG_LEVELS.indexOf(options.level);
  const at = (level: LogLevel) => {
    return (event: string, fields: LogFields = {}): void => {
      if (LOG_LEVELS.indexOf(level) < lowest) return;
      const time = new Date(options.now()).toISOString();
      options.write(
        redact(options.format === 'json' ? jsonLine(time, level, event, fields) : textLine(level, event, fields)),
      );
    };
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** API keys and tokens as Anthropic and the usual proxies write them, and anything that follows "Bearer". */
// Behind a letter an `sk-` may be a word (task-…), except for `sk-ant-`: JSON writes a line feed as a letter before it.
const SECRETS =
  /(sk-ant-|(?<![A-Za-z0-9])sk-(?:[A-Za-z0-9]+-)?)[A-Za-z0-9_-]{8,}|([Bb]earer\s+)[A-Za-z0-9._~+/=-]{8,}/g;

/** Takes keys out of a text: `sk-ant-…` and `Bearer …` keep their beginning only. */
export function redact(text: string): string {
  return text.replace(SECRETS, (_all, key?: string, bearer?: string) => `${key ?? bearer ?? ''}[redacted]`);
}

/** A key for the eyes of its owner: its kind and its last four characters. */
export function maskKey(key: string): string {
  // Of a short key nothing is shown: it is hardly one of Anthropic's.
  if (key.length < 24) return '****';
  return `${key.slice(0, 7)}…${key.slice(-4)}`;
}

/**
 * An address without what may be a secret in it: name and password, and of a webhook all that follows the host. Of a
 * Redis the number of the database stays.
 */
export function maskAddress(url: string): string {
  if (!URL.canParse(url)) return '****';
  // Not its `origin`: that is "null" for every scheme that browsers do not know.
  const { protocol, username, password, host, pathname, search, hash } = new URL(url);
  const account = username === '' && password === '' ? '' : '****@';
  const [path, rest] = /^rediss?:$/.test(protocol) ? [pathname, search + hash] : ['', pathname + search + hash];
  return `${protocol}//${account}${host}${path}${rest === '' || rest === '/' ? '' : '/****'}`;
}

/** With a host behind the slashes: `redis://` alone, as a message may name it, is none. */
const ADDRESS = /\b[a-z][a-z0-9+.-]*:\/\/[\w[*][^\s'"]*/gi;

/** A text in which every address is masked. */
export function maskAddresses(text: string): string {
  return text.replace(ADDRESS, maskAddress);
}

/** Does it come from a message, which had `****` where a secret was? */
export function isMasked(text: string): boolean {
  return text.includes('/****') || text.includes('//****@');
}

/** One line of `--log-format json`. */
export function jsonLine(time: string, level: string, event: string, fields: LogFields): string {
  return JSON.stringify({ time, level, event, ...fields }, redactText);
}

/** Before JSON escapes it: an escaped line feed in front would hide a key. */
export function redactText(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? redact(value) : value;
}

function textLine(level: LogLevel, event: string, fields: LogFields): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value, redactText)}`)
    .join('');
  return `${level === 'info' ? '' : `${level}: `}${event}${rest}`;
}
