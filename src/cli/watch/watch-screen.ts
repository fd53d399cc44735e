/**
 * `status --watch` on a terminal: looks at the ledger once a second and draws what has changed, until all runs are done
 * or somebody leaves. It only reads: whether anybody watches makes no difference to the work.
 */
import type { Clock } from '../../base/clock.ts';
import type { ProgressView } from '../../tools/progress/view.ts';
import type { Symbols } from '../terminal/symbols.ts';
import { createPaint } from '../terminal/ui.ts';
import { drawFrame, type FrameOptions } from './frame.ts';
import { inked } from './line.ts';
import { Screen, type Key, type KeyInput, type ScreenOutput } from './screen.ts';

/** The process as far as a screen needs it. */
export interface ScreenHost {
  /** Called when the process ends in a hurry; gives what takes the listener away. */
  onExit(listener: () => void): () => void;
  /** Called when a stopped process goes on; likewise. */
  onContinue(listener: () => void): () => void;
  /** Stops the process as Ctrl-Z does. */
  stop(): void;
}

export interface WatchScreenOptions {
  readonly read: () => Promise<ProgressView>;
  readonly input: KeyInput;
  readonly output: ScreenOutput;
  readonly host: ScreenHost;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly color: boolean;
  readonly symbols: Symbols;
  readonly frame: Pick<FrameOptions, 'stateFolder' | 'driveCommand' | 'timeText'>;
}

/** `over`: all runs are done; `quit`: somebody has seen enough; `interrupted`: Ctrl-C or a signal. */
export type WatchEnd = 'over' | 'quit' | 'interrupted';

const LOOK_INTERVAL_MS = 1_000;
/** However fast keys come, there are no more frames than this. */
const FRAME_INTERVAL_MS = 100;
/** A process that is not stopped by then is one that nobody can stop. */
const STOP_MS = 200;

export async function watchOnScreen(options: WatchScreenOptions): Promise<WatchEnd> {
  const watcher = new Watcher(options);
  const off = [options.host.onExit(() => watcher.close()), options.host.onContinue(() => watcher.resume())];
  try {
    return await watcher.run();
  } finally {
    watcher.close();
    for (const one of off) one();
  }
}

class Watcher {
  readonly #options: WatchScreenOptions;
  readonly #screen: Screen;
  #scroll = 0;
  #scrollMax = 0;
  #help = false;
  #end: WatchEnd | undefined;
  #isStopping = false;
  /** Aborted when there is something to draw before the next look. */
  #nap = new AbortController();

  constructor(options: WatchScreenOptions) {
    this.#options = options;
    const { input, output } = options;
    this.#screen = new Screen({ input, output, onKey: (key) => this.#press(key), onResize: () => this.#nap.abort() });
  }

  async run(): Promise<WatchEnd> {
    const { clock, read, signal } = this.#options;
    // Read before the screen is taken: what is wrong with the state is said as anywhere else.
    let view = await read();
    if (isOver(view)) return 'over';
    this.#screen.enter();
    signal.addEventListener('abort', () => this.#nap.abort());
    for (let lookAtMs = clock.monotonicMs() + LOOK_INTERVAL_MS; !signal.aborted && this.#end === undefined;) {
      this.#draw(view);
      await clock.sleep(FRAME_INTERVAL_MS, signal);
      await clock.sleep(lookAtMs - clock.monotonicMs(), this.#nap.signal);
      this.#nap = new AbortController();
      if (this.#isStopping) await this.#stop();
      if (clock.monotonicMs() < lookAtMs) continue;
      view = await read();
      lookAtMs = clock.monotonicMs() + LOOK_INTERVAL_MS;
      if (isOver(view)) return 'over';
    }
    return this.#end ?? 'interrupted';
  }

  close(): void {
    this.#screen.leave();
  }

  /** Shells take the terminal back while a process is stopped, each leaving it in its own way. */
  resume(): void {
    this.#isStopping = false;
    if (this.#end !== undefined || this.#options.signal.aborted) return;
    this.#screen.enter();
    this.#nap.abort();
  }

  #draw(view: ProgressView): void {
    const { color, symbols, frame } = this.#options;
    const { columns, rows } = this.#screen.size;
    const look = { ...frame, columns, rows, symbols, scroll: this.#scroll, help: this.#help };
    const { lines, scrollMax } = drawFrame(view, look);
    this.#scrollMax = scrollMax;
    this.#scroll = Math.min(this.#scroll, scrollMax);
    const ink = { columns, symbols, paint: createPaint(color) };
    this.#screen.draw(lines.map((line) => inked(line, ink)));
  }

  #press(key: Key): void {
    const page = Math.max(1, this.#screen.size.rows - 3);
    const by = { up: -1, down: 1, page_up: -page, page_down: page, home: -Infinity, end: Infinity } as const;
    if (key === 'quit') this.#end ??= 'quit';
    else if (key === 'interrupt') this.#end ??= 'interrupted';
    else if (key === 'suspend') this.#isStopping = true;
    else if (key === 'help') {
      this.#help = !this.#help;
      this.#scroll = 0;
    } else this.#scroll = Math.min(this.#scrollMax, Math.max(0, this.#scroll + by[key]));
    this.#nap.abort();
  }

  async #stop(): Promise<void> {
    this.#isStopping = false;
    this.#screen.leave();
    this.#options.host.stop();
    // Here it goes on when it is continued, or where there is no shell that could stop it.
    await this.#options.clock.sleep(STOP_MS, this.#options.signal);
    if (!this.#screen.isOpen) this.resume();
  }
}

function isOver({ runs }: ProgressView): boolean {
  return runs.every((run) => run.state === 'done');
}
