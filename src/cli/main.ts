#!/usr/bin/env node
/**
 * The way in and the only way out: signals, the one place that turns errors into exit codes, and the only
 * `process.exit` of batchrun.
 */
import { systemClock } from '../base/clock.ts';
import { BatchrunError, isBatchrunError, messageOf } from '../base/errors.ts';
import type { FailpointName } from '../base/failpoint.ts';
import { jsonLine, LOG_LEVELS, redact, type LogLevel } from '../base/log.ts';
import type { ShownProblem } from '../engine/ingest/problems.ts';
import type { Flags } from './flags/options.ts';
import { withState } from './help/state-hints.ts';

const SIGNAL_EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** What these have sent goes on without them. */
const DRIVING: ReadonlySet<string> = new Set(['submit', 'run', 'collect', 'cancel', 'retry', 'resolve', 'adopt']);
const STOPPED_AT_ONCE =
  'Stopped at once; the state is kept. What was sent goes on at the API and will be billed: `batchrun status` names it.\n';

async function main(): Promise<number> {
  // Talk that nobody can hear (a log pipe that died, a log on a full disk) must not end paid work, and whoever writes
  // data is told by the write: without a listener either would end the process.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const stop = new AbortController();
  const argv = process.argv.slice(2);
  let flags: Flags | undefined;
  let signalExit: number | undefined;
  tellWarnings(() => flags);
  // What nobody has caught, promises among it, ends the process at once, as it would without this: only its words differ.
  process.on('uncaughtException', (error) => process.exit(tellCrash(error, flags)));
  for (const [name, code] of Object.entries(SIGNAL_EXITS)) {
    process.on(name, () => {
      // The second one means it: at once, the state is safe at any instant.
      if (signalExit !== undefined) {
        if (DRIVING.has(argv[0] ?? '') && !isJsonLog(flags))
          process.stderr.write(completed(STOPPED_AT_ONCE, flags?.state));
        process.exit(signalExit);
      }
      signalExit = code;
      stop.abort();
      const text = 'Stopping after the step in hand; once more to stop at once.';
      if (isJsonLog(flags)) saysJson('warn', 'stopping', { signal: name, message: text });
      else process.stderr.write(`\n${text}\n`);
    });
  }
  let code = 0;
  try {
    await armFromEnvironment();
    const { packageVersion } = await import('./help/version.ts');
    if (isVersionAsked(argv)) {
      process.stdout.write(`${packageVersion()}\n`);
      return 0;
    }
    const { createProgram } = await import('./program.ts');
    const program = createProgram({
      version: packageVersion(),
      argv,
      signal: stop.signal,
      silent: isJsonLog(undefined),
      started: (given) => (flags = given),
      finished: (given) => (code = given),
    });
    await program.parseAsync(process.argv);
  } catch (error) {
    const json = flags === undefined ? process.argv.includes('--json') : flags.json === true;
    code = await report(await unanswered(error), { json, jsonLog: isJsonLog(flags), state: flags?.state });
  }
  return signalExit ?? code;
}

/** Scripts ask for nothing but the version often: then no command is loaded. Beside other words commander answers. */
function isVersionAsked(argv: readonly string[]): boolean {
  return argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V');
}

/** Says what happened and what to do next, and gives the exit code. */
async function report(
  error: unknown,
  { json, jsonLog, state }: { readonly json: boolean; readonly jsonLog: boolean; readonly state?: string | undefined },
): Promise<number> {
  if (isCommanders(error)) {
    // Commander has said it already, on stderr; asking for help or the version is no error.
    if (error.exitCode === 0) return 0;
    const { usageHint, usageMessage } = await import('./help/usage-hint.ts');
    const hint = usageHint(process.argv.slice(2));
    const { code, exit } = new BatchrunError('E_USAGE', error.message);
    const message = usageMessage(error);
    if (jsonLog) saysJson('error', 'error', { code, message, hint, exit });
    // Where it has said which word was meant there is no need of more.
    else if (!error.message.includes('\n')) process.stderr.write(`${hint}\n`);
    if (json) printsError({ code, message, hint, exit });
    return 2;
  }
  const known = isBatchrunError(error) ? error : new BatchrunError('E_BUG', messageOf(error), { cause: error });
  if (json) {
    const { code, message, hint, exit, details } = known;
    const problems = 'problems' in details ? { problems: details['problems'], count: details['count'] } : {};
    printsError({ code, message, hint, exit, ...problems });
  }
  const { problems, count } = known.details;
  if (jsonLog) {
    const { code, message, hint, exit } = known;
    const more = Array.isArray(problems) ? { problems: problems as unknown[], count } : {};
    const stack = code === 'E_BUG' ? { stack: stackOf(error) } : {};
    saysJson('error', 'error', { code, message, hint: completed(hint, state), exit, ...more, ...stack });
    return known.exit;
  }
  const shown =
    Array.isArray(problems) && problems.length > 0
      ? `${(await import('./render/problems-text.ts')).problemsText(problems as ShownProblem[], Number(count))}\n`
      : '';
  const text = `${shown}batchrun: ${known.message}\n${known.hint}\n`;
  const { folded, harmless, takesUnicode } = await import('./terminal/symbols.ts');
  const signs = harmless(takesUnicode(process.env) ? text : folded(text));
  process.stderr.write(redact(completed(signs, state)));
  // A bug is worth its stack; an operating error has all in its message.
  if (known.code === 'E_BUG') process.stderr.write(redact(`${stackOf(error)}\n`));
  return known.exit;
}

/** The object of `--json` where a command has failed. */
function printsError(fields: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${redact(JSON.stringify({ error: fields }))}\n`);
}

/** In the shape of every other error, and without waiting for anything: the program is in a state that nobody knows. */
function tellCrash(error: unknown, flags: Flags | undefined): number {
  const { code, message, hint, exit } = new BatchrunError('E_BUG', messageOf(error));
  const stack = stackOf(error);
  if (flags?.json === true) printsError({ code, message, hint, exit });
  if (isJsonLog(flags)) saysJson('error', 'error', { code, message, hint, exit, stack });
  else process.stderr.write(redact(`batchrun: ${message}\n${hint}\n${stack}\n`));
  return exit;
}

/** Warnings of Node are its own words on stderr; where that is JSON they are a line of it. `--no-warnings` leaves none. */
function tellWarnings(flags: () => Flags | undefined): void {
  const usual = process.listeners('warning');
  process.removeAllListeners('warning');
  if (usual.length === 0) return;
  process.on('warning', (warning) => {
    const given = flags();
    if (!isJsonLog(given)) for (const tell of usual) tell.call(process, warning);
    else if (isLevel('warn', given)) saysJson('warn', 'node.warned', { message: String(warning) });
  });
}

/** Is the log to show what is of this level? As in cli/context.ts, which is not loaded yet. */
function isLevel(level: LogLevel, flags: Flags | undefined): boolean {
  const lowest = flags?.quiet === true ? 'error' : (flags?.logLevel ?? 'info');
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(lowest);
}

function completed(text: string, state: string | undefined): string {
  return state === undefined ? text : withState(text, state);
}

/** Is everything on stderr to be JSON? Before the flags are known the words and the environment say so. */
function isJsonLog(flags: Flags | undefined): boolean {
  if (flags !== undefined) return flags.logFormat === 'json';
  const { argv, env } = process;
  const at = argv.indexOf('--log-format');
  if (at >= 0) return argv[at + 1] === 'json';
  return argv.includes('--log-format=json') || env['BATCHRUN_LOG_FORMAT'] === 'json';
}

function saysJson(level: string, event: string, fields: Readonly<Record<string, unknown>>): void {
  process.stderr.write(`${jsonLine(new Date(systemClock.now()).toISOString(), level, event, fields)}\n`);
}

/** Commander's own errors, by their codes: to know its class it would have to be loaded by whoever does not need it. */
function isCommanders(error: unknown): error is Error & { readonly code: unknown; readonly exitCode: number } {
  return (
    error instanceof Error &&
    'code' in error &&
    String(error.code).startsWith('commander.') &&
    'exitCode' in error &&
    typeof error.exitCode === 'number'
  );
}

/** A single call that got no answer, or a passing one: there is nothing wrong with the command. */
async function unanswered(error: unknown): Promise<unknown> {
  if (!isBatchrunError(error, 'E_API')) return error;
  const { apiFailureOf } = await import('../engine/session.ts');
  const failure = apiFailureOf(error);
  if (!failure || (failure.status !== null && failure.status !== 429 && failure.status < 500)) return error;
  return new BatchrunError('E_API_UNREACHABLE', `the API did not answer: ${messageOf(error)}`, {
    cause: error,
    hint: 'Check the network and the base URL (`batchrun doctor`), then run the command again: what it has done already stays done.',
  });
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * BATCHRUN_FAILPOINT=submit.answered (or `submit.answered:3` for the third time) kills the process there, as a power cut
 * would: so that the tests can do it to the built program.
 */
async function armFromEnvironment(): Promise<void> {
  const wanted = process.env['BATCHRUN_FAILPOINT'];
  if (wanted === undefined || wanted === '') return;
  const { armFailpoints, FAILPOINTS } = await import('../base/failpoint.ts');
  const [name = '', times = '1'] = wanted.split(':');
  if (!(name in FAILPOINTS)) throw new BatchrunError('E_USAGE', `there is no failpoint "${name}"`);
  let left = Number(times);
  armFailpoints((reached: FailpointName) => {
    if (reached === name && --left === 0) process.kill(process.pid, 'SIGKILL');
  });
}

process.exit(await main());
