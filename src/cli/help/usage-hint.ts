/**
 * What to type next where commander has refused a command line: how the command is called, and where its flags are.
 */
import { COMMANDS } from '../flags/command-table.ts';
import { withOwners } from '../program.ts';
import { withoutSecrets } from './typed-secrets.ts';

/** `argv` is what was typed after `batchrun`. */
export function usageHint([name = '']: readonly string[]): string {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return 'See `batchrun --help`, or `batchrun <command> --help`.';
  const called = `batchrun ${name} ${command.usage}`.trim();
  return `Usage: ${called}\n\`batchrun ${name} --help\` has its flags and examples.`;
}

/** What commander has against the command line, in the words of an error. */
export function usageMessage({ code, message }: Error & { readonly code: unknown }): string {
  // Where there is no command it shows the help, and its message is a name for that.
  if (code === 'commander.help') return 'no command was given';
  return withoutSecrets(withOwners(message).replace(/^error: /, ''));
}
