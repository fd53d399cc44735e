/**
 * Commands that the page starts: the same program with the same state, as a child process, so that a retry from the page
 * is the retry of the command line. They end when `serve` ends; what they had done stays done.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { redact } from '../../base/log.ts';
import type { RetryState, ServeTasks, TaskView } from '../../tools/serve/tasks.ts';
import type { Context } from '../context.ts';
import { TOKEN_VARIABLE } from './page-token.ts';

interface Task {
  readonly id: number;
  readonly command: string;
  readonly run: string;
  readonly startedMs: number;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  readonly lines: string[];
  exit: number | null;
}

const TASKS_KEPT = 20;
const LINES_KEPT = 40;
const LINE_CHARS_MAX = 500;

const OUTCOMES: Readonly<Record<number, string>> = {
  0: 'done',
  1: 'failed; the state is kept',
  2: 'refused; nothing was sent',
  3: 'done, but rows did not succeed',
  4: 'not finished yet',
  5: 'blocked: a person must act',
  6: 'another process drives this state',
};

export class CommandTasks implements ServeTasks {
  readonly missing: string | null;
  readonly #context: Context;
  readonly #tasks: Task[] = [];
  #nextId = 1;

  /** `missing`: why commands cannot be started. */
  constructor(context: Context, missing: string | null) {
    this.#context = context;
    this.missing = missing;
  }

  list(): readonly TaskView[] {
    return this.#tasks.map(viewOf);
  }

  /** The command looks whose run it is before it asks for anything, and leaves the work to whoever drives. */
  cancel(runId: string): TaskView {
    return this.#start(runId, ['cancel', runId]);
  }

  retry(runId: string, states: readonly RetryState[], drives: boolean): TaskView {
    return this.#start(runId, ['retry', runId, '--only', states.join(','), ...(drives ? ['--wait'] : [])]);
  }

  collect(runId: string): TaskView {
    return this.#start(runId, ['collect', runId]);
  }

  stop(id: number): boolean {
    const task = this.#tasks.find((one) => one.id === id && one.exit === null);
    return task?.child.kill('SIGINT') ?? false;
  }

  /** Stops all as Ctrl-C would, and waits for them. */
  async close(): Promise<void> {
    const running = this.#tasks.filter(({ exit }) => exit === null);
    for (const { child } of running) child.kill('SIGTERM');
    await Promise.all(running.map(({ ended }) => ended));
  }

  #start(run: string, args: readonly string[]): TaskView {
    const [, program = ''] = process.argv;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== TOKEN_VARIABLE));
    // A group of its own: Ctrl-C in the terminal is passed on once, by `close`. Where no file can be opened any more it
    // has no pipes, and says so in an event that must have a listener by then.
    const child: ChildProcess = spawn(process.execPath, [program, ...args, ...this.#flags()], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => note(lines, line));
    }
    const task: Task = {
      id: this.#nextId++,
      command: `batchrun ${args.join(' ')}`,
      run,
      startedMs: systemClock.now(),
      child,
      lines,
      exit: null,
      ended: closed.then(
        ([code]: unknown[]) => void (task.exit = typeof code === 'number' ? code : 130),
        (error: unknown) => {
          note(lines, messageOf(error));
          task.exit = 1;
        },
      ),
    };
    this.#tasks.push(task);
    this.#forget();
    return viewOf(task);
  }

  /** Of those that have ended, the last ones are kept. */
  #forget(): void {
    const ended = this.#tasks.filter(({ exit }) => exit !== null);
    for (const task of ended.slice(0, Math.max(0, this.#tasks.length - TASKS_KEPT))) {
      this.#tasks.splice(this.#tasks.indexOf(task), 1);
    }
  }

  /** What this command was given and the other takes too. */
  #flags(): string[] {
    const { flags, stateFolder } = this.#context;
    return [
      ...['--state', stateFolder],
      ...(flags.config === undefined ? [] : ['--config', flags.config]),
      ...(flags.profile === undefined ? [] : ['--profile', flags.profile]),
      ...(flags.apiKeysEnv === undefined ? [] : ['--api-keys-env', flags.apiKeysEnv.join(',')]),
      ...(flags.prices === undefined ? [] : ['--prices', flags.prices]),
    ];
  }
}

function viewOf({ id, command, run, startedMs, exit, lines }: Task): TaskView {
  return {
    id,
    command,
    run,
    started_at: new Date(startedMs).toISOString(),
    exit,
    outcome: exit === null ? null : (OUTCOMES[exit] ?? 'stopped; the state is kept'),
    lines: [...lines],
  };
}

function note(lines: string[], line: string): void {
  const text = redact(line.trimEnd());
  if (text === '') return;
  lines.push(text.length > LINE_CHARS_MAX ? `${text.slice(0, LINE_CHARS_MAX)}…` : text);
  if (lines.length > LINES_KEPT) lines.shift();
}
