/**
 * The command line as commander sees it, made from the tables of commands and flags: each action reads its flags and calls
 * a function that gives an exit code. Nothing here exits.
 */
import { Command, Option, type OutputConfiguration } from 'commander';
import { COMMAND_GROUPS, COMMANDS, type CommandSpec } from './flags/command-table.ts';
import { COMMON_HEADING } from './flags/flag-groups.ts';
import { commandHelp, programHelp } from './help/help-text.ts';
import type { Flags } from './flags/options.ts';
import { COMMAND_FLAGS } from './flags/option-table.ts';
import { addFlags } from './flags/options.ts';
import { closest } from '../domain/row/closest.ts';
import { folded, harmless, takesUnicode } from './terminal/symbols.ts';
import { SYNONYMS } from './flags/synonyms.ts';
import { addSimFlags } from './flags/sim-flags.ts';
import { withoutSecrets } from './help/typed-secrets.ts';

export interface ProgramParts {
  readonly version: string;
  /** What was typed after `batchrun`, for corrected commands. */
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
  readonly finished: (code: number) => void;
  /** Told as soon as the flags are known, so that errors come out in the right shape. */
  readonly started: (flags: Flags) => void;
  /** Commander says nothing of mistakes itself: whoever catches its errors does. */
  readonly silent?: boolean;
}

export function createProgram(parts: ProgramParts): Command {
  const program: Command = new Command('batchrun')
    .description(
      'Runs Claude over thousands to millions of rows: Message Batches at half price, nothing lost, nothing paid twice.',
    )
    .version(parts.version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .helpOption('-h, --help', 'show this help')
    .addHelpCommand(helpCommand())
    .configureOutput(outputs())
    .addHelpText('after', () => programHelp(widthOf(program)));
  if (parts.silent === true) program.configureOutput({ ...outputs(), writeErr: () => undefined });
  for (const [name, spec] of Object.entries(COMMANDS)) define(program, parts, name, spec);
  program.on('command:*', ([name = '']: readonly string[]) => refuse(program, name));
  // Of a command that there is not, commander would show the help of all.
  const [first, asked] = parts.argv;
  if (first === 'help' && asked !== undefined && !isHelped(asked)) refuse(program, asked);
  return program;
}

function isHelped(word: string): boolean {
  return word.startsWith('-') || word === 'help' || Object.hasOwn(COMMANDS, word);
}

/** A command that there is not: which one was meant, by what it does elsewhere, else by its letters. */
function refuse(program: Command, name: string): never {
  const meant = Object.hasOwn(SYNONYMS, name) ? SYNONYMS[name] : undefined;
  const [command = ''] = meant?.split(' ') ?? [];
  const text = COMMANDS[command]?.text;
  const known = Object.entries(COMMANDS).flatMap(([one, { hidden }]) => (hidden === true ? [] : one));
  const near = closest(name, known);
  const hint =
    meant !== undefined
      ? `(Here it is batchrun ${meant}${text === undefined ? '' : `: ${text}`})`
      : near !== undefined
        ? `(Did you mean ${near}?)`
        : '(batchrun --help lists the commands)';
  return program.error(`error: unknown command '${name}'\n${hint}`, { code: 'commander.unknownCommand', exitCode: 2 });
}

function define(program: Command, parts: ProgramParts, name: string, spec: CommandSpec): void {
  const { usage, text, group, hidden = false, takesAnything = false, run } = spec;
  const command = program
    .command(`${name} ${usage}`.trim(), { hidden })
    .description(text)
    .helpGroup(COMMAND_GROUPS[group])
    .addHelpOption(new Option('-h, --help', 'show this help').helpGroup(COMMON_HEADING))
    .addHelpText('after', () => commandHelp(name, widthOf(program)));
  if (takesAnything) command.allowUnknownOption().allowExcessArguments();
  if (takesFlags(parts.argv, name)) {
    addFlags(command, name);
    if (name === 'sim') addSimFlags(command);
  }
  command.action(async (...args: unknown[]) => {
    parts.started(command.opts<Flags>());
    const { contextOf } = await import('./begin.ts');
    const context = await contextOf(command, parts);
    const { prices } = context.flags;
    if (prices !== undefined) (await import('./files/prices-file.ts')).usePrices(prices);
    parts.finished(await run(context, args, { argv: parts.argv, command }));
  });
}

/** Four hundred flags for one command that is called take longer than its work. Only help shows those of others. */
function takesFlags([first]: readonly string[], name: string): boolean {
  return first === undefined || first === name || !Object.hasOwn(COMMAND_FLAGS, first);
}

/** Of the terminal that help is shown on; in a pipe that of a usual one. */
function widthOf(program: Command): number {
  return program.configureOutput().getOutHelpWidth?.() ?? 80;
}

function helpCommand(): Command {
  const command = new Command('help').argument('[command]').description('the help of a command');
  return command.helpOption(false).helpGroup(COMMAND_GROUPS.setup);
}

/** What a terminal can show, as with all other text. */
function outputs(): OutputConfiguration {
  const shown = takesUnicode(process.env) ? (text: string): string => text : folded;
  return {
    writeOut: (text) => void process.stdout.write(shown(text)),
    writeErr: (text) => void process.stderr.write(harmless(shown(text))),
    outputError: (text, write) => write(withoutSecrets(withOwners(text))),
  };
}

/** Of a flag that the command does not take but others do: these, in place of one whose name is like it. */
export function withOwners(message: string): string {
  const [, flag = ''] = /unknown option '--([a-z][a-z-]*)/.exec(message) ?? [];
  const name = flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const owners = Object.entries(COMMAND_FLAGS).flatMap(([command, flags]) =>
    flags.some((one) => one === name) ? command : [],
  );
  if (owners.length === 0) return message;
  const [first = ''] = message.split('\n', 1);
  const [some, more] = [owners.slice(0, 4), owners.length > 4 ? ' and others' : ''];
  return `${first}\n(--${flag} is a flag of ${some.join(', ')}${more})${message.endsWith('\n') ? '\n' : ''}`;
}
