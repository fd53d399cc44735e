/**
 * The command line as shells need it: commands, their flags and what may follow each, read from the program itself. No
 * value of anything is in it, only names.
 */
import { Command, type Option } from 'commander';
import { listedModels } from '../../domain/models.ts';
import { addFlags } from '../flags/options.ts';
import { addSimFlags } from '../flags/sim-flags.ts';

/** What may be typed: one of these words, a file, a folder, a run of the state, or anything. */
export type Values =
  | { readonly kind: 'none' | 'file' | 'folder' | 'run' | 'any' }
  | { readonly kind: 'words'; readonly words: readonly string[] };

export interface FlagShape {
  readonly long: string;
  readonly short: string | undefined;
  readonly text: string;
  readonly values: Values;
}

export interface CommandShape {
  readonly name: string;
  readonly text: string;
  readonly flags: readonly FlagShape[];
  readonly words: readonly { readonly name: string; readonly many: boolean; readonly values: Values }[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** How runs are asked for: a command that help does not show. */
export const ASK_RUNS = 'batchrun complete runs';

export function shapeOf(program: Command): CommandShape[] {
  const shown = program.createHelp().visibleCommands(program);
  const names = shown.map((command) => command.name());
  return shown.map((command): CommandShape => {
    const name = command.name();
    const flags = name === 'help' ? [] : [...flagsOf(name), HELP];
    const words = command.registeredArguments.map((argument) => ({
      name: argument.name(),
      many: argument.variadic,
      values: valuesOfWord(argument.name(), names),
    }));
    return { name, text: command.description(), flags, words };
  });
}

const HELP: FlagShape = { long: '--help', short: '-h', text: 'show this help', values: { kind: 'none' } };

/** The program has the flags of the command that was called alone. */
export function optionsOf(name: string): readonly Option[] {
  const command = new Command(name);
  addFlags(command, name);
  if (name === 'sim') addSimFlags(command);
  return command.options;
}

function flagsOf(name: string): FlagShape[] {
  return optionsOf(name).map((option) => ({
    long: option.long ?? '',
    short: option.short,
    text: brief(option.description),
    values: valuesOfFlag(option),
  }));
}

function valuesOfFlag(option: Option): Values {
  if (!option.required && !option.optional) return { kind: 'none' };
  if (option.argChoices) return { kind: 'words', words: option.argChoices };
  const placeholder = /<([a-z]+)>/.exec(option.flags)?.[1] ?? '';
  if (option.long === '--model' || option.long === '--models') return { kind: 'words', words: listedModels() };
  if (placeholder === 'file') return { kind: 'file' };
  return { kind: placeholder === 'dir' ? 'folder' : 'any' };
}

function valuesOfWord(name: string, commands: readonly string[]): Values {
  if (name === 'run') return { kind: 'run' };
  if (name === 'shell') return { kind: 'words', words: SHELLS };
  if (name === 'command') return { kind: 'words', words: commands };
  if (name === 'what') return { kind: 'words', words: ['run'] };
  return { kind: name === 'batch' ? 'any' : 'file' };
}

/** In a menu there is room for a few words. */
function brief(text: string): string {
  return (/^.{12,}?(?=[;:(]| - |, for example)/.exec(text)?.[0] ?? text).trim().replace(/,$/, '');
}
