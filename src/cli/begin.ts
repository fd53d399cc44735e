/**
 * What every command begins with: its flags, filled in from the environment and the configuration file, and with them
 * the terminal, the log and the state folder. Loaded when a command is called, not for help.
 */
import type { Command } from 'commander';
import { createLog, stateFolderOf, type Context } from './context.ts';
import type { Flags } from './flags/options.ts';
import { applySettings } from './flags/settings.ts';
import { withState } from './help/state-hints.ts';
import { createTerminal } from './terminal/terminal.ts';

export interface BeginParts {
  readonly signal: AbortSignal;
  /** Told what the flags come to. */
  readonly started: (flags: Flags) => void;
}

/** These write the configuration file, or say what may stand in one. */
function ignoresFile(command: Command): boolean {
  return command.name() === 'init' || command.opts<Flags>().jsonSchema === true;
}

export async function contextOf(command: Command, { signal, started }: BeginParts): Promise<Context> {
  const from = { env: process.env, cwd: process.cwd(), ignoresFile: ignoresFile(command) };
  applySettings(command, from);
  const flags = command.opts<Flags>();
  started(flags);
  const complete = (text: string): string => withState(text, flags.state);
  const parts = { color: flags.color, quiet: flags.quiet === true, complete };
  const terminal = createTerminal(flags.logFormat === 'json' ? { ...parts, told: await jsonTold(flags) } : parts);
  return { flags, terminal, signal, stateFolder: stateFolderOf(flags), log: createLog(flags, terminal) };
}

async function jsonTold(flags: Flags): Promise<(text: string) => string | null> {
  const { messageLine } = await import('./terminal/json-telling.ts');
  return (text) => messageLine(text, flags);
}
