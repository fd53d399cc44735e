/**
 * `--notify-cmd COMMAND`: a line for the shell, with the notice as JSON on its stdin and the most of it in its
 * environment. It gets no key, runs in a group of its own (Ctrl-C is not meant for it), and does not run for ever.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { redact, type Logger } from '../../base/log.ts';
import type { Rng } from '../../base/random.ts';
import { plainJson } from '../../base/units.ts';
import type { NoticeBody } from '../../domain/notice-body.ts';
import { NotTaken, PATIENCE, withPatience, type Patience } from './patience.ts';

export interface NoticeCommandParts {
  readonly command: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Variables that it must not see. */
  readonly hidden: readonly string[];
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly patience?: Patience;
  readonly timeoutMs?: number;
}

export interface NoticeCommand {
  readonly name: 'command';
  deliver(body: NoticeBody, options: { readonly signal: AbortSignal; readonly patient: boolean }): Promise<void>;
}

const TIMEOUT_MS = 60_000;
/** Of what it prints so much is logged. */
const OUTPUT_CHARS_MAX = 2_000;

export function createNoticeCommand(parts: NoticeCommandParts): NoticeCommand {
  const { clock, rng, patience = PATIENCE } = parts;
  return {
    name: 'command',
    deliver: (body, options) =>
      withPatience(() => run(parts, body, options.signal), { ...options, clock, rng, patience }),
  };
}

/** Everything but keys: those by name, and whatever looks like one. */
export function environmentOf(parts: Pick<NoticeCommandParts, 'env' | 'hidden'>, body: NoticeBody): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(parts.env)) {
    if (value !== undefined && !parts.hidden.includes(name) && redact(value) === value) env[name] = value;
  }
  return {
    ...env,
    BATCHRUN_EVENT: body.event,
    BATCHRUN_NOTICE: body.id,
    BATCHRUN_RUN: body.run.id,
    BATCHRUN_RUN_NAME: body.run.name ?? '',
    BATCHRUN_RUN_STATE: body.run.state ?? '',
    BATCHRUN_MESSAGE: body.message,
    BATCHRUN_TEXT: body.text,
    BATCHRUN_HINT: body.hint ?? '',
    BATCHRUN_EXIT: body.exit === null ? '' : String(body.exit),
    BATCHRUN_STATE: body.state,
  };
}

async function run(parts: NoticeCommandParts, body: NoticeBody, signal: AbortSignal): Promise<void> {
  const { command, log, timeoutMs = TIMEOUT_MS } = parts;
  refuseLate(signal);
  const timeout = AbortSignal.timeout(timeoutMs);
  // Where no file can be opened any more it has no pipes, and says so in an event that must have a listener by then.
  const child: ChildProcess = spawn('sh', ['-c', command], { env: environmentOf(parts, body), detached: true });
  const ended = endOf(child, AbortSignal.any([signal, timeout]));
  let output = '';
  const hear = (text: string): void => void (output = (output + text).slice(-OUTPUT_CHARS_MAX));
  child.stdout?.setEncoding('utf8').on('data', hear);
  child.stderr?.setEncoding('utf8').on('data', hear);
  // A command that does not read its stdin is none the worse.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(`${plainJson(body)}\n`);
  const end = await ended;
  if (output !== '') log.debug('notify.output', { notice: body.id, output: redact(output.trim()) });
  if (timeout.aborted) throw new NotTaken(`the command did not end within ${timeoutMs / 1_000} s`, false);
  if (signal.aborted && end.why !== 'exit 0') throw new NotTaken('the command was stopped', false);
  if (!end.ran) throw new NotTaken(`the command could not be started (${end.why})`, false);
  if (end.why !== 'exit 0') throw new NotTaken(`the command ended with ${end.why}`, true);
}

/** Where nobody waits any more it would be killed as it begins. */
function refuseLate({ aborted }: AbortSignal): void {
  if (aborted) throw new NotTaken('the command was not started: batchrun ends', false);
}

const READ_MS_MAX = 500;

interface CommandEnd {
  readonly why: string;
  readonly ran: boolean;
}

/** Ends when it does, or when it has been made to. */
function endOf(child: ChildProcess, over: AbortSignal): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const stop = (): void => {
      killGroup(child);
      resolve({ why: 'a stop', ran: true });
    };
    if (over.aborted) stop();
    over.addEventListener('abort', stop, { once: true });
    child.on('error', (error) => resolve({ why: messageOf(error), ran: false }));
    child.on('exit', (code, signal) => {
      over.removeEventListener('abort', stop);
      const end = { why: code === null ? String(signal) : `exit ${code}`, ran: true };
      // What it has said is read to its end, unless something that it left running holds on to the pipes.
      const patience = setTimeout(() => resolve(end), READ_MS_MAX);
      child.on('close', () => {
        clearTimeout(patience);
        resolve(end);
      });
    });
  });
}

/** With everything that it has started. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    // The group of the command that was started here, never this process.
    // eslint-disable-next-line no-restricted-properties
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
