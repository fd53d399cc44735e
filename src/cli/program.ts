/**
 * The command line as commander sees it, made from the tables of commands and flags: each action reads its flags and calls
 * a function that gives an exit code. Nothing here exits.
 */
import { Command } from 'commander';
import { COMMAND_GROUPS, COMMANDS, type CommandSpec } from './command-table.ts';
import { examplesOf } from './examples.ts';
import type { Flags } from './options.ts';
import { COMMAND_FLAGS } from './option-table.ts';
import { addFlags } from './options.ts';
import { addSimFlags } from './sim-flags.ts';

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

const EXIT_HELP = `
Exit codes:
  0  complete, every row succeeded (or within --fail-if); submit: accepted; nothing to do
  1  a bug or an unexpected failure; the state is kept
  2  usage, configuration or input refused; nothing was sent
  3  complete, but rows did not succeed; audit: something is off; loadtest: a threshold of --fail-if is passed
  4  not finished yet (--once, --max-wait, API unreachable)
  5  blocked: a person must act; the message says how
  6  another process drives this state
  130, 143  interrupted; the state is kept

Every flag can also be set as BATCHRUN_<FLAG> in the environment, or in batchrun.config.yaml or .json
(batchrun init writes one, batchrun config shows what counts).
The API key comes from ANTHROPIC_API_KEY, as everywhere.`;

const EXAMPLES = `
Examples:
  $ batchrun submit questions.csv --model claude-haiku-5-5 --max-tokens 256 --prompt 'Classify: {{text}}'
  $ batchrun status
  $ batchrun collect
  $ batchrun run nightly.jsonl -o 'out/{date}.jsonl' --quiet        (cron)`;

export function createProgram(parts: ProgramParts): Command {
  const program = new Command('batchrun')
    .description(
      'Runs Claude over thousands to millions of rows: Message Batches at half price, nothing lost, nothing paid twice.',
    )
    .version(parts.version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText('after', EXAMPLES + EXIT_HELP);
  if (parts.silent === true) program.configureOutput({ outputError: () => undefined });
  for (const [name, spec] of Object.entries(COMMANDS)) define(program, parts, name, spec);
  return program;
}

function define(program: Command, parts: ProgramParts, name: string, spec: CommandSpec): void {
  const { usage, text, group, hidden = false, takesAnything = false, run } = spec;
  const command = program
    .command(`${name} ${usage}`.trim(), { hidden })
    .description(text)
    .helpGroup(COMMAND_GROUPS[group])
    .addHelpText('after', examplesOf(name));
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
    if (prices !== undefined) (await import('./prices-file.ts')).usePrices(prices);
    parts.finished(await run(context, args, { argv: parts.argv, command }));
  });
}

/** Four hundred flags for one command that is called take longer than its work. Only help shows those of others. */
function takesFlags([first]: readonly string[], name: string): boolean {
  return first === undefined || first === name || !Object.hasOwn(COMMAND_FLAGS, first);
}
