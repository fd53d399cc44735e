/**
 * The built program in a real terminal, which Python's pty makes, with a screen in memory that shows what a person would
 * see. Waits for what stands on the screen, never for time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { PROGRAM } from './cli.ts';
import { Vt } from './vt.mjs';

const PTY = fileURLToPath(new URL('terminal.py', import.meta.url));

export interface PtyOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly columns?: number;
  readonly rows?: number;
}

export class Pty {
  readonly screen: Vt;
  /** All that was written, with every sequence. */
  raw = '';
  readonly #child;
  readonly #heard = new EventTarget();
  #said = '';
  readonly #ended: Promise<unknown>;
  #over = false;

  constructor(command: readonly string[], { cwd, env, columns = 80, rows = 24 }: PtyOptions) {
    this.screen = new Vt(columns, rows);
    // Python would tell its children that the locale C is UTF-8.
    const python = { PYTHONCOERCECLOCALE: '0' };
    const clean = {
      ...python,
      PATH: process.env['PATH'],
      HOME: cwd,
      TZ: 'UTC',
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
    };
    this.#child = spawn('python3', [PTY, String(columns), String(rows), ...command], {
      cwd,
      env: { ...clean, ...env },
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.raw += text;
      this.screen.write(text);
      this.#heard.dispatchEvent(new Event('heard'));
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    this.#child.stdin.on('error', () => undefined);
    this.#ended = once(this.#child, 'close').then(() => {
      this.#over = true;
      this.#heard.dispatchEvent(new Event('heard'));
    });
    onTestFinished(async () => {
      this.#child.stdin.end();
      this.#child.kill('SIGKILL');
      await this.#ended;
    });
  }

  /** Waits until this stands on the screen. */
  async shows(pattern: RegExp): Promise<void> {
    await this.until(() => pattern.test(this.screen.text), `showing ${String(pattern)}`);
  }

  async until(isSo: () => boolean, what: string): Promise<void> {
    while (!isSo()) {
      if (this.#over) throw new Error(`ended without ${what}:\n${this.screen.text}\n${this.#said}`);
      await once(this.#heard, 'heard');
    }
  }

  type(text: string): void {
    this.#order({ type: text });
  }

  resize(columns: number, rows: number): void {
    this.screen.resize(columns, rows);
    this.#order({ size: [columns, rows] });
  }

  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGTSTP' | 'SIGCONT'): void {
    this.#order({ signal: constants.signals[name] });
  }

  /** Its exit code; below 0 the signal that ended it. */
  async exit(): Promise<number> {
    await this.#ended;
    return Number(this.#said.trim().split('\n').at(-1));
  }

  #order(order: object): void {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
  }
}

export function inTerminal(args: readonly string[], options: PtyOptions): Pty {
  return new Pty([process.execPath, PROGRAM, ...args], options);
}
