/**
 * A terminal as a screen of lines: a page of its own that leaves what was there before untouched, keys as they are
 * pressed, and only the lines written that have changed, in one write. Whatever the way out, the terminal is as it was.
 */
export type Key = 'up' | 'down' | 'page_up' | 'page_down' | 'home' | 'end' | 'help' | 'quit' | 'interrupt' | 'suspend';

/** What of a terminal's input is used; a pipe has no raw mode, and gives no keys. */
export interface KeyInput {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (data: Buffer) => void): unknown;
  off(event: 'data', listener: (data: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

export interface ScreenOutput {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export interface ScreenOptions {
  readonly input: KeyInput;
  readonly output: ScreenOutput;
  readonly onKey: (key: Key) => void;
  readonly onResize: () => void;
}

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const LEAVE = '\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l';
/** Terminals that know it show what is between the two at once; others do not mind. */
const BEGIN_FRAME = '\u001b[?2026h';
const END_FRAME = '\u001b[?2026l';

export class Screen {
  readonly #options: ScreenOptions;
  #shown: readonly string[] = [];
  #isOpen = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Some terminals do not tell their size, and say 0. */
  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = this.#options.output;
    return { columns: orElse(columns, 80), rows: orElse(rows, 24) };
  }

  /** To call it twice does no harm: after a stop nobody knows what of it is left. */
  enter(): void {
    const { input, output } = this.#options;
    if (!this.#isOpen) {
      output.on('resize', this.#resized);
      input.on('data', this.#typed);
    }
    this.#isOpen = true;
    if (input.isTTY === true) {
      input.setRawMode?.(true);
      input.resume();
    }
    this.#shown = [];
    output.write(ENTER);
  }

  leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { input, output } = this.#options;
    output.off('resize', this.#resized);
    input.off('data', this.#typed);
    if (input.isTTY === true) {
      input.setRawMode?.(false);
      input.pause();
    }
    output.write(LEAVE);
  }

  /** Writes what differs from the lines that are there. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    let text = '';
    lines.forEach((line, at) => {
      if (line !== this.#shown[at]) text += `\u001b[${at + 1};1H\u001b[2K${line}\u001b[0m`;
    });
    for (let at = lines.length; at < this.#shown.length; at++) text += `\u001b[${at + 1};1H\u001b[2K`;
    this.#shown = [...lines];
    if (text !== '') this.#options.output.write(BEGIN_FRAME + text + END_FRAME);
  }

  /** The terminal has moved the lines itself, each in its own way: all are written anew. */
  readonly #resized = (): void => {
    this.#shown = [];
    this.#options.output.write('\u001b[2J');
    this.#options.onResize();
  };

  readonly #typed = (data: Buffer): void => {
    for (const key of keysOf(data.toString('latin1'))) this.#options.onKey(key);
  };
}

function orElse(size: number | undefined, fallback: number): number {
  return size === undefined || size === 0 ? fallback : size;
}

const SEQUENCE = /\u001b\[[0-9;]*[A-Za-z~]|\u001bO[A-Z]|[^]/g;

const KEYS: Readonly<Record<string, Key>> = {
  q: 'quit',
  Q: 'quit',
  '\u0004': 'quit',
  '\u0003': 'interrupt',
  '\u001a': 'suspend',
  h: 'help',
  '?': 'help',
  k: 'up',
  j: 'down',
  b: 'page_up',
  ' ': 'page_down',
  g: 'home',
  G: 'end',
  '\u001b[A': 'up',
  '\u001bOA': 'up',
  '\u001b[B': 'down',
  '\u001bOB': 'down',
  '\u001b[5~': 'page_up',
  '\u001b[6~': 'page_down',
  '\u001b[H': 'home',
  '\u001bOH': 'home',
  '\u001b[1~': 'home',
  '\u001b[F': 'end',
  '\u001bOF': 'end',
  '\u001b[4~': 'end',
};

/** Keys among what came in one piece: when many are pressed, or with a slow line, it is more than one. */
function keysOf(text: string): Key[] {
  return [...text.matchAll(SEQUENCE)].flatMap(([sequence]) => KEYS[sequence] ?? []);
}
