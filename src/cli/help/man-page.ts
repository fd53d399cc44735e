/**
 * The manual page, in roff, from the program's own tables: the build writes it to dist/batchrun.1, where `npm install -g`
 * makes it `man batchrun`.
 */
import type { Command, Option } from 'commander';
import { optionsOf } from '../completions/shape.ts';
import type { Context } from '../context.ts';
import { EXAMPLES, EXITS, type Example } from './examples.ts';
import { FLAG_GROUPS } from '../flags/flag-groups.ts';
import { EXIT_CODES, FIRST_EXAMPLES, SOURCES } from './help-text.ts';
import { COMMAND_FLAGS, FLAG_SPECS, type FlagSpec } from '../flags/option-table.ts';
import { EXIT } from '../drive/outcome.ts';
import { folded } from '../terminal/symbols.ts';

export async function runMan({ terminal }: Context, program: Command | null): Promise<number> {
  if (program) await terminal.data(manPage(program));
  return EXIT.ok;
}

function manPage(program: Command): string {
  const commands = program.createHelp().visibleCommands(program);
  const lines = [
    `.TH BATCHRUN 1 "" "batchrun ${program.version() ?? ''}" "User Commands"`,
    // Lines end where they end, and words are not cut: names of flags must be found.
    '.nh',
    '.ad l',
    ...section('NAME', `batchrun \\- ${escaped('many rows through Claude: Message Batches at half price')}`),
    ...section('SYNOPSIS', `${bold('batchrun')} \\fIcommand\\fR [\\fIflags\\fR] [\\fIarguments\\fR]`),
    ...section('DESCRIPTION', text(program.description()), '.PP', text(ABOUT)),
    ...section('COMMANDS', ...commands.flatMap(commandLines)),
    ...section('FLAGS', text('Behind each flag stand the commands that take it, unless all do.'), ...flagLines()),
    ...section('EXIT STATUS', ...EXIT_CODES.flatMap(([code, what]) => item(bold(code), text(what)))),
    ...section(
      'ENVIRONMENT',
      text(SOURCES[0] ?? ''),
      ...VARIABLES.flatMap(([name, what]) => item(bold(name), text(what))),
    ),
    ...section('FILES', ...FILES.flatMap(([name, what]) => item(`\\fI${escaped(name)}\\fR`, text(what)))),
    ...section('EXAMPLES', ...exampleLines(FIRST_EXAMPLES)),
  ];
  return `${lines.join('\n')}\n`;
}

const ABOUT =
  'Rows come from CSV, JSON Lines or JSON arrays, plain or packed with gzip. Every row ends in exactly one line of the output. Each command can be stopped at any instant and run again: it goes on where it was, and nothing is paid twice.';

const VARIABLES: readonly (readonly [string, string])[] = [
  ['ANTHROPIC_API_KEY', 'the key. It is never written to disk.'],
  ['ANTHROPIC_API_KEYS', 'several keys, separated by commas: a pool (--api-keys-env names other variables).'],
  ['ANTHROPIC_ADMIN_KEY', 'an admin key: the limits of the account are read with it.'],
  ['ANTHROPIC_BASE_URL', 'where the API is; a simulator, for example.'],
  ['BATCHRUN_STATE', 'the state folder, as --state; so for every flag.'],
  ['BATCHRUN_NOTIFY_SECRET', 'what messages of --notify are signed with.'],
  ['NO_COLOR', 'no colours. FORCE_COLOR and CLICOLOR_FORCE ask for them where there is no terminal.'],
  ['LC_ALL, LC_CTYPE, LANG', 'whether the terminal takes UTF-8; else text is ASCII.'],
  ['TMPDIR', 'where large inputs are sorted.'],
];

const FILES: readonly (readonly [string, string])[] = [
  [
    '.batchrun/',
    'the state of the runs, for the owner alone: prompts and answers, no keys. Removed by batchrun prune.',
  ],
  ['batchrun.config.yaml, .yml, .json', 'values for flags, and profiles of them.'],
  ['<input>.results.<ext>', 'the results, unless --output says otherwise.'],
];

function commandLines(command: Command): string[] {
  const name = command.name();
  const help = command.createHelp();
  const usage = help.commandUsage(command).replace(/^batchrun /, '');
  const flags = name === 'help' ? [] : optionsOf(name);
  const own = name === 'sim' ? flags.filter(({ long }) => !COMMON_LONGS.has(long ?? '')) : [];
  const exits = EXITS[name];
  return [
    ...['.SS', `batchrun ${escaped(usage)}`],
    text(`${capital(command.description())}.`),
    ...(own.length > 0
      ? own.flatMap((option) => item(flagNames(option.flags), text(optionText(option))))
      : flags.length > 0
        ? ['.PP', `Flags: ${longsOf(flags)}.`]
        : []),
    ...(exits === undefined ? [] : ['.PP', text(`Exit status: ${exits}`)]),
    ...exampleLines(EXAMPLES[name] ?? []),
  ];
}

/** Without those that every command has. */
function longsOf(flags: readonly Option[]): string {
  const own = flags.filter(({ long }) => !COMMON_LONGS.has(long ?? '')).map(({ long }) => bold(long ?? ''));
  return own.length === 0 ? 'those of all commands' : own.join(', ');
}

const COMMON_LONGS = new Set(
  (COMMAND_FLAGS['demo'] ?? []).flatMap((flag) => /--[a-z-]+/.exec(FLAG_SPECS[flag].flags) ?? []),
);

function flagLines(): string[] {
  const all = Object.keys(COMMAND_FLAGS).length;
  return Object.entries(FLAG_GROUPS).flatMap(([heading, flags]) => [
    ...['.SS', escaped(heading.replace(/:$/, ''))],
    ...flags.flatMap((flag) => {
      const spec: FlagSpec = FLAG_SPECS[flag];
      const who = Object.keys(COMMAND_FLAGS).filter((command) => COMMAND_FLAGS[command]?.includes(flag));
      const where = who.length === all ? '' : ` (${who.join(', ')})`;
      return item(flagNames(spec.flags), text(`${specText(spec)}${where}`));
    }),
  ]);
}

function specText({ text: what, choices, default: value, defaultText }: FlagSpec): string {
  const words = choices ? `; one of ${choices.join(', ')}` : '';
  const isPlain = typeof value === 'string' || typeof value === 'number';
  const given = defaultText ?? (isPlain ? String(value) : undefined);
  return `${capital(what)}${words}${given === undefined ? '' : `; default ${given}`}.`;
}

function optionText({ description, argChoices, defaultValueDescription, defaultValue }: Option): string {
  const value: unknown = defaultValueDescription ?? defaultValue;
  const given = typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  const spec = { flags: '', text: description, ...(argChoices ? { choices: argChoices } : {}) };
  return specText(given === undefined ? spec : { ...spec, defaultText: given });
}

/** Code stands as it is: no filling of lines, no hyphens that are dashes. */
function exampleLines(examples: readonly Example[]): string[] {
  if (examples.length === 0) return [];
  const lines = examples.map(([command, note]) => escaped(`${command}${note === '' ? '' : `  # ${note}`}`));
  return ['.PP', '.nf', '.RS 4', ...lines, '.RE', '.fi'];
}

function section(title: string, ...lines: readonly string[]): string[] {
  return [`.SH ${title}`, ...lines];
}

function item(head: string, ...lines: readonly string[]): string[] {
  return ['.TP', head, ...lines];
}

function flagNames(flags: string): string {
  return escaped(flags).replaceAll(/(?:\\-){1,2}\w(?:\w|\\-)*/g, (name) => `\\fB${name}\\fR`);
}

function bold(what: string): string {
  return `\\fB${escaped(what)}\\fR`;
}

function text(what: string): string {
  return escaped(what);
}

/** Backslashes, dots at the beginning, and signs that roff would print as others: what is copied must work. */
function escaped(what: string): string {
  return folded(what)
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/^[.]/, '\\&.');
}

function capital(what: string): string {
  // Names of flags and formats are as they are.
  return /^[a-z]+ /.test(what) && !/^(jsonl|max_tokens) /.test(what)
    ? what.charAt(0).toUpperCase() + what.slice(1)
    : what;
}
