/**
 * What to type next where commander has refused a command line: how the command is called, and where its flags are.
 */
import { COMMANDS } from '../flags/command-table.ts';

/** `argv` is what was typed after `batchrun`. */
export function usageHint([name = '']: readonly string[]): string {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return 'See `batchrun --help`, or `batchrun <command> --help`.';
  const called = `batchrun ${name} ${command.usage}`.trim();
  return `Usage: ${called}\n\`batchrun ${name} --help\` has its flags and examples.`;
}
