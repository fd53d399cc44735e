/**
 * stdout and stderr: stdout is data, stderr is talk. A reader of stdout that goes away (`| head`) ends the data, not the
 * work; a live line at the bottom of a terminal is taken away before anything else is said.
 */
import { createInterface } from 'node:readline';

export interface Terminal {
  /** Is someone looking? Then a live line is shown. */
  readonly live: boolean;
  /** May questions be asked? */
  readonly interactive: boolean;
  readonly color: boolean;
  readonly columns: number;
  /** A line of talk on stderr. */
  talk(line: string): void;
  /** Shows or replaces the live line; '' takes it away. */
  line(text: string): void;
  /** Bytes or text on stdout. */
  data(data: Uint8Array | string): Promise<void>;
  ask(question: string): Promise<string>;
}

const CLEAR_LINE = '\r\u001b[2K';

export function createTerminal(options: { readonly color: boolean; readonly quiet: boolean }): Terminal {
  const { stdout, stderr, stdin } = process;
  let lineShown = false;
  let stdoutGone = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    stdoutGone = true;
  });
  const clear = (): void => {
    if (lineShown) stderr.write(CLEAR_LINE);
    lineShown = false;
  };
  const live = stderr.isTTY && process.env['TERM'] !== 'dumb' && !options.quiet;
  return {
    live,
    interactive: stdin.isTTY && stderr.isTTY,
    color: options.color && stderr.isTTY && !process.env['NO_COLOR'],
    get columns() {
      return stderr.columns || 80;
    },
    talk: (line) => {
      clear();
      stderr.write(`${line}\n`);
    },
    line: (text) => {
      if (!live) return;
      if (text === '') return clear();
      stderr.write(`${CLEAR_LINE}${text}`);
      lineShown = true;
    },
    data: async (data) => {
      clear();
      if (stdoutGone || data.length === 0) return;
      if (!stdout.write(data)) await drained(stdout);
    },
    ask: (question) => {
      clear();
      const prompt = createInterface({ input: stdin, output: stderr });
      return new Promise((resolve) => {
        // Ctrl-C and the end of the input are answers too: none.
        prompt.on('SIGINT', () => prompt.close());
        prompt.on('close', () => resolve(''));
        prompt.question(question, (answer) => {
          resolve(answer);
          prompt.close();
        });
      });
    },
  };
}

/** Resolves when the reader has read on, or has gone; what went wrong is the affair of the error listener above. */
function drained(stdout: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      for (const event of ['drain', 'close', 'error']) stdout.off(event, settle);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stdout.on(event, settle);
  });
}
