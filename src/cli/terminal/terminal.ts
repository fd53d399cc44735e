/**
 * stdout and stderr: stdout is data, stderr is talk. A reader of stdout that goes away (`| head`) ends the data, not the
 * work; data that finds no room is an error, as on any other file. Nobody needs to hear the talk. A live line at the
 * bottom of a terminal is taken away before anything else is said.
 */
import { BatchrunError } from '../../base/errors.ts';
import { folded, harmless, symbolsOf, takesColor, takesUnicode, type Symbols } from './symbols.ts';

export interface Terminal {
  /** Is someone looking? Then a live line is shown. */
  readonly live: boolean;
  /** May questions be asked? */
  readonly interactive: boolean;
  /** Colours in talk. */
  readonly color: boolean;
  /** Colours on stdout, which may go to a file while talk is on a terminal. */
  readonly dataColor: boolean;
  readonly symbols: Symbols;
  readonly columns: number;
  /** A line of talk on stderr. */
  talk(line: string): void;
  /** A line of the log on stderr, as it is. */
  log(line: string): void;
  /** Shows or replaces the live line; '' takes it away. */
  line(text: string): void;
  /** Has the reader of stdout gone? What is written then goes nowhere. */
  readonly unread: boolean;
  /** Bytes or text on stdout. */
  data(data: Uint8Array | string): Promise<void>;
  /** Text for people on stdout: in ASCII where the locale has no more, and without what would steer a terminal. */
  text(text: string): Promise<void>;
  ask(question: string): Promise<string>;
  /** Several questions in a row: what is typed ahead, or pasted, is not lost between them. */
  converse(): Promise<Conversation>;
}

export interface Conversation {
  /** Null where Ctrl-C or the end of the input came, which is not the same as Enter. */
  ask(question: string): Promise<string | null>;
  close(): void;
}

const CLEAR_LINE = '\r\u001b[2K';

export interface TerminalOptions {
  readonly color: boolean;
  readonly quiet: boolean;
  /** Completes the commands that text for people tells them to type. */
  readonly complete: (text: string) => string;
  /** Makes JSON of what is told, with --log-format json; null where the level leaves it out. */
  readonly told?: (text: string) => string | null;
}

export function createTerminal(options: TerminalOptions): Terminal {
  const { stdout, stderr, env } = process;
  const symbols = symbolsOf(takesUnicode(env));
  const shown = (text: string): string => harmless(symbols.unicode ? text : folded(text));
  let lineShown = false;
  let stdoutGone = false;
  const clear = (): void => {
    if (lineShown) stderr.write(CLEAR_LINE);
    lineShown = false;
  };
  const live = stderr.isTTY && env['TERM'] !== 'dumb' && !options.quiet && !options.told;
  const say = (line: string): void => {
    clear();
    stderr.write(`${line}\n`);
  };
  const data = async (bytes: Uint8Array | string): Promise<void> => {
    clear();
    if (stdoutGone || bytes.length === 0) return;
    const error = await written(stdout, bytes);
    if (error?.code === 'EPIPE') stdoutGone = true;
    else if (error) throw stdoutError(error);
  };
  return {
    live,
    symbols,
    // Node opens stdin at the first look at it: most commands never look.
    get interactive() {
      return stderr.isTTY && process.stdin.isTTY;
    },
    color: !options.told && takesColor(env, { flag: options.color, isTty: stderr.isTTY }),
    dataColor: takesColor(env, { flag: options.color, isTty: stdout.isTTY }),
    get columns() {
      return stderr.columns || 80;
    },
    talk: (told) => {
      const line = options.complete(told);
      // JSON is UTF-8 wherever it is read, and escapes what is harmful itself.
      const text = options.told ? options.told(line) : shown(line);
      if (text !== null) say(text);
    },
    log: (line) => say(options.told ? line : shown(line)),
    line: (text) => {
      if (!live) return;
      if (text === '') return clear();
      stderr.write(`${CLEAR_LINE}${shown(text)}`);
      lineShown = true;
    },
    get unread() {
      return stdoutGone;
    },
    data,
    text: (text) => data(shown(options.complete(text))),
    ask: async (question) => {
      clear();
      const talk = await converse();
      const answer = await talk.ask(question);
      talk.close();
      return answer ?? '';
    },
    converse: () => {
      clear();
      return converse();
    },
  };
}

async function converse(): Promise<Conversation> {
  const { createInterface } = await import('node:readline');
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const lines: string[] = [];
  const state = { over: false };
  let heard: (() => void) | undefined;
  prompt.on('line', (line) => {
    lines.push(line);
    heard?.();
  });
  prompt.on('SIGINT', () => prompt.close());
  prompt.on('close', () => {
    state.over = true;
    heard?.();
  });
  return {
    ask: async (question) => {
      prompt.setPrompt(question);
      if (!state.over) prompt.prompt();
      while (lines.length === 0 && !state.over) await new Promise<void>((resolve) => (heard = resolve));
      return lines.shift() ?? null;
    },
    close: () => prompt.close(),
  };
}

/** Resolves when the reader has taken it, or with what went wrong. */
function written(stdout: NodeJS.WriteStream, data: Uint8Array | string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => stdout.write(data, (error) => resolve(error ?? undefined)));
}

function stdoutError(error: NodeJS.ErrnoException): BatchrunError {
  const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  const text = full
    ? 'there is no room where stdout goes to'
    : `stdout cannot be written (${error.code ?? error.message})`;
  return new BatchrunError(full ? 'E_DISK_FULL' : 'E_FILE', text, { cause: error });
}
