/**
 * What each process printed on stdout as data, and what must be true of it: the ordered output is a prefix of the whole
 * one wherever the process died; `--as-completed` prints whole lines, each row at most once a process.
 */
import type { FileWriter } from '../../src/domain/ports.ts';

export class Stdout {
  readonly kind: 'none' | 'ordered' | 'as-completed';
  /** How often the run had been reopened when the process began: a retry changes what the whole is. */
  readonly generation: number;
  text = '';
  /** The command ended with everything done. */
  finished = false;

  constructor(kind: Stdout['kind'], generation: number) {
    this.kind = kind;
    this.generation = generation;
  }

  readonly print = (text: string): void => {
    this.text += text;
  };

  /** As the command line gives it to the engine for `-o -`: what is written is out at once. */
  writer(alive: () => void): FileWriter {
    let bytes = 0;
    return {
      get bytes() {
        return bytes;
      },
      write: async (data) => {
        alive();
        bytes += data.byteLength;
        this.print(Buffer.from(data).toString());
      },
      commit: async () => alive(),
      abort: async () => undefined,
    };
  }
}

/** What is wrong with what was printed, given the whole output. */
export function wrongPrints(printed: readonly Stdout[], whole: string): string[] {
  return printed.flatMap((stdout) => {
    if (stdout.kind === 'none') return stdout.text === '' ? [] : ['something was printed on stdout'];
    const wrong = stdout.kind === 'ordered' ? wrongPrefix(stdout, whole) : wrongLines(stdout, whole);
    return wrong === null ? [] : [wrong];
  });
}

function wrongPrefix({ text, finished }: Stdout, whole: string): string | null {
  if (!whole.startsWith(text)) return `stdout has ${text.length} characters that are no beginning of the output`;
  return finished && text !== '' && text !== whole ? `stdout ends after ${text.length} of ${whole.length}` : null;
}

function wrongLines({ text, finished }: Stdout, whole: string): string | null {
  if (text !== '' && !text.endsWith('\n')) return 'stdout ends inside a line';
  const lines = text.split('\n').slice(0, -1);
  const all = new Set(whole.split('\n').slice(0, -1));
  const foreign = lines.find((line) => !all.has(line));
  if (foreign !== undefined) return `stdout has a line that is not in the output: ${foreign}`;
  if (new Set(lines).size < lines.length) return 'stdout has a row twice';
  // A collect of whatever is unfinished that finds another process has just ended it has nothing to print.
  return finished && text !== '' && lines.length < all.size ? `stdout has ${lines.length} of ${all.size} rows` : null;
}
