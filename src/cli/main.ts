#!/usr/bin/env node
/**
 * The way in and the only way out: signals, the one place that turns errors into exit codes, and the only
 * `process.exit` of batchrun.
 */
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { BatchrunError, isBatchrunError, messageOf } from '../base/errors.ts';
import { armFailpoints, FAILPOINTS, type FailpointName } from '../base/failpoint.ts';
import { redact } from '../base/log.ts';
import { problemsText } from './render/problems-text.ts';
import type { ShownProblem } from '../engine/problems.ts';
import { apiFailureOf } from '../engine/session.ts';
import type { Flags } from './options.ts';
import { createProgram } from './program.ts';
import { withState } from './state-hints.ts';

const SIGNAL_EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

async function main(): Promise<number> {
  // Talk that nobody can hear (a log pipe that died, a log on a full disk) must not end paid work, and whoever writes
  // data is told by the write: without a listener either would end the process.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const stop = new AbortController();
  let signalExit: number | undefined;
  for (const [name, code] of Object.entries(SIGNAL_EXITS)) {
    process.on(name, () => {
      // The second one means it: at once, the state is safe at any instant.
      if (signalExit !== undefined) process.exit(signalExit);
      signalExit = code;
      stop.abort();
      process.stderr.write('\nStopping after the step in hand; once more to stop at once.\n');
    });
  }
  let flags: Flags | undefined;
  let code = 0;
  const program = createProgram({
    version: readVersion(),
    argv: process.argv.slice(2),
    signal: stop.signal,
    started: (given) => (flags = given),
    finished: (given) => (code = given),
  });
  try {
    armFromEnvironment();
    await program.parseAsync(process.argv);
  } catch (error) {
    const json = flags === undefined ? process.argv.includes('--json') : flags.json === true;
    code = report(unanswered(error), { json, state: flags?.state });
  }
  return signalExit ?? code;
}

/** Says what happened and what to do next, and gives the exit code. */
function report(
  error: unknown,
  { json, state }: { readonly json: boolean; readonly state?: string | undefined },
): number {
  if (error instanceof CommanderError) {
    // Commander has said it already, on stderr; asking for help or the version is no error.
    if (error.exitCode === 0) return 0;
    if (json) {
      const { code, hint, exit } = new BatchrunError('E_USAGE', error.message);
      process.stdout.write(`${redact(JSON.stringify({ error: { code, message: error.message, hint, exit } }))}\n`);
    }
    return 2;
  }
  const known = isBatchrunError(error) ? error : new BatchrunError('E_BUG', messageOf(error), { cause: error });
  if (json) {
    const { code, hint, exit, details } = known;
    const problems = 'problems' in details ? { problems: details['problems'], count: details['count'] } : {};
    process.stdout.write(
      `${redact(JSON.stringify({ error: { code, message: known.message, hint, exit, ...problems } }))}\n`,
    );
  }
  const { problems, count } = known.details;
  const shown =
    Array.isArray(problems) && problems.length > 0
      ? `${problemsText(problems as ShownProblem[], Number(count))}\n`
      : '';
  const text = `${shown}batchrun: ${known.message}\n${known.hint}\n`;
  process.stderr.write(redact(state === undefined ? text : withState(text, state)));
  // A bug is worth its stack; an operating error has all in its message.
  if (known.code === 'E_BUG') process.stderr.write(redact(`${stackOf(error)}\n`));
  return known.exit;
}

/** A single call that got no answer, or a passing one: there is nothing wrong with the command. */
function unanswered(error: unknown): unknown {
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

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/**
 * BATCHRUN_FAILPOINT=submit.answered (or `submit.answered:3` for the third time) kills the process there, as a power cut
 * would: so that the tests can do it to the built program.
 */
function armFromEnvironment(): void {
  const wanted = process.env['BATCHRUN_FAILPOINT'];
  if (wanted === undefined || wanted === '') return;
  const [name = '', times = '1'] = wanted.split(':');
  if (!(name in FAILPOINTS)) throw new BatchrunError('E_USAGE', `there is no failpoint "${name}"`);
  let left = Number(times);
  armFailpoints((reached: FailpointName) => {
    if (reached === name && --left === 0) process.kill(process.pid, 'SIGKILL');
  });
}

process.exit(await main());
