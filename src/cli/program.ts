/**
 * The command line as commander sees it: one command per room, each action parses its flags and calls a function that
 * gives an exit code. Nothing here exits.
 *
 * What a command needs is loaded when it is called: each module costs half a millisecond, and many commands are called by
 * scripts. Help loads none of them.
 */
import { Command } from 'commander';
import type { Context } from './context.ts';
import { examplesOf } from './examples.ts';
import type { Flags } from './options.ts';
import { COMMAND_FLAGS } from './option-table.ts';
import { addFlags } from './options.ts';
import { addSimFlags, type SimFlags } from './sim-flags.ts';

export interface ProgramParts {
  readonly version: string;
  /** What was typed after `batchrun`, for corrected commands. */
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
  readonly finished: (code: number) => void;
  /** Told as soon as the flags are known, so that errors come out in the right shape. */
  readonly started: (flags: Flags) => void;
}

const EXIT_HELP = `
Exit codes:
  0  complete, every row succeeded (or within --fail-if); submit: accepted; nothing to do
  1  a bug or an unexpected failure; the state is kept
  2  usage, configuration or input refused; nothing was sent
  3  complete, but rows did not succeed; audit: something is off
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
  addInputCommands(program, parts);
  addRunCommands(program, parts);
  addPlanningCommands(program, parts);
  addLedgerCommands(program, parts);
  addFileCommands(program, parts);
  addToolCommands(program, parts);
  return program;
}

function addInputCommands(program: Command, parts: ProgramParts): void {
  define(program, parts, {
    name: 'submit',
    usage: '<input...>',
    text: 'read, check, seal and upload what the caps allow; print the run id',
    run: async (context, [inputs]) =>
      (await import('./submit.ts')).runSubmit(context, words(inputs), {
        command: context.flags.wait === true ? 'run' : 'submit',
        argv: parts.argv,
        wait: context.flags.wait === true,
      }),
  });
  define(program, parts, {
    name: 'run',
    usage: '<input...>',
    text: 'submit and collect in one, for cron',
    run: async (context, [inputs]) => (await import('./run.ts')).runRun(context, words(inputs), parts.argv),
  });
}

function addRunCommands(program: Command, parts: ProgramParts): void {
  define(program, parts, {
    name: 'status',
    usage: '[run]',
    text: 'what is where; works offline and beside a driver',
    run: async (context, [run]) => (await import('./status.ts')).runStatus(context, word(run)),
  });
  define(program, parts, {
    name: 'collect',
    usage: '[run]',
    text: 'drive to the end: poll, collect, submit what waits, retry, write the output',
    run: async (context, [run]) => (await import('./collect.ts')).runCollect(context, word(run)),
  });
  define(program, parts, {
    name: 'results',
    usage: '<run>',
    text: "read a run's outcomes offline",
    run: async (context, [run]) => (await import('./results.ts')).runResults(context, word(run) ?? 'latest'),
  });
  define(program, parts, {
    name: 'log',
    usage: '<run>',
    text: 'what happened when',
    run: async (context, [run]) => (await import('./log.ts')).runLog(context, word(run) ?? 'latest'),
  });
  define(program, parts, {
    name: 'cancel',
    usage: '<run>',
    text: 'stop a run; what its batches had finished is collected',
    run: async (context, [run]) => (await import('./cancel.ts')).runCancel(context, word(run) ?? 'latest'),
  });
  define(program, parts, {
    name: 'retry',
    usage: '<run>',
    text: 'send the rows of a finished run again that did not succeed',
    run: async (context, [run]) => (await import('./retry.ts')).runRetry(context, word(run) ?? 'latest'),
  });
  define(program, parts, {
    name: 'resolve',
    usage: '<run>',
    text: 'settle a chunk in doubt: name its batch, say that none was made, or give its rows up',
    run: async (context, [run]) => (await import('./resolve.ts')).runResolve(context, word(run) ?? 'latest'),
  });
  define(program, parts, {
    name: 'adopt',
    usage: '<batch>',
    text: 'follow and collect a batch that a script made',
    run: async (context, [batch]) => (await import('./adopt.ts')).runAdopt(context, word(batch) ?? '', parts.argv),
  });
  define(program, parts, {
    name: 'list',
    usage: '',
    text: 'the runs of this state folder',
    run: async (context) => (await import('./list.ts')).runList(context),
  });
  define(program, parts, {
    name: 'limits',
    usage: '',
    text: "what is known of the account's limits, and how much of them is used",
    run: async (context) => (await import('./limits.ts')).runLimits(context),
  });
  define(program, parts, {
    name: 'prune',
    usage: '[run]',
    text: 'delete finished runs from the state folder',
    run: async (context, [run]) => (await import('./prune.ts')).runPrune(context, word(run)),
  });
}

function addLedgerCommands(program: Command, parts: ProgramParts): void {
  define(program, parts, {
    name: 'audit',
    usage: '[run]',
    text: "compare the ledger with itself, its files and the API's list of batches; changes nothing",
    run: async (context, [run]) => (await import('./audit.ts')).runAudit(context, word(run)),
  });
  define(program, parts, {
    name: 'export',
    usage: '<run>',
    text: 'write the ledger of a run as JSON lines, for inspection (--state-only)',
    run: async (context, [run], command) =>
      (await import('./export.ts')).runExport(context, word(run) ?? 'latest', typedTarget(command)),
  });
}

function addPlanningCommands(program: Command, parts: ProgramParts): void {
  const { argv } = parts;
  define(program, parts, {
    name: 'plan',
    usage: '[input...]',
    text: 'what a job will cost and how long it will take, before anything is sent',
    run: async (context, [inputs]) => (await import('./plan.ts')).runPlan(context, words(inputs), argv),
  });
  define(program, parts, {
    name: 'rehearse',
    usage: '<input...>',
    text: 'the whole job on the simulator in virtual time: when it would end, and what goes wrong',
    run: async (context, [inputs]) => (await import('./rehearse.ts')).runRehearse(context, words(inputs), argv),
  });
  define(program, parts, {
    name: 'advise',
    usage: '<input...>',
    text: 'what makes the prompts shorter, with the tokens and dollars that it saves',
    run: async (context, [inputs]) => (await import('./advise.ts')).runAdvise(context, words(inputs), argv),
  });
  define(program, parts, {
    name: 'check',
    usage: '<input...>',
    text: 'all problems of an input; makes no run and sends nothing',
    run: async (context, [inputs]) => (await import('./check.ts')).runCheck(context, words(inputs), argv),
  });
  define(program, parts, {
    name: 'sample',
    usage: '<input...>',
    text: 'some rows of an input as they are, drawn at random',
    run: async (context, [inputs], command) =>
      (await import('./sample.ts')).runSample(context, words(inputs), typedTarget(command)),
  });
}

function addFileCommands(program: Command, parts: ProgramParts): void {
  define(program, parts, {
    name: 'stats',
    usage: '<results>',
    text: 'what is in a results file: outcomes, stop reasons, tokens, lengths, cost',
    run: async (context, [results]) => (await import('./stats.ts')).runStats(context, word(results) ?? ''),
  });
  define(program, parts, {
    name: 'diff',
    usage: '<a> <b>',
    text: 'which rows differ between two results files',
    run: async (context, [a, b]) => (await import('./diff.ts')).runDiff(context, word(a) ?? '', word(b) ?? ''),
  });
  define(program, parts, {
    name: 'init',
    usage: '',
    text: 'write a configuration file by asking a few questions',
    run: async (context, _words, command) =>
      (await import('./init.ts')).runInit(context, typedTarget(command).overwrite),
  });
  define(program, parts, {
    name: 'config',
    usage: '[command]',
    text: 'the value of every flag of a command, and where it comes from',
    run: async (context, [name]) => (await import('./config.ts')).runConfig(context, word(name), parts.argv),
  })
    // The flags of the command that is asked about may follow: they are read as it would read them.
    .allowUnknownOption()
    .allowExcessArguments();
}

function addToolCommands(program: Command, parts: ProgramParts): void {
  define(program, parts, {
    name: 'doctor',
    usage: '',
    text: 'check Node, SQLite, the state folder, the clock, credentials and the model',
    run: async (context) => (await import('./doctor.ts')).runDoctor(context),
  });
  const sim = define(program, parts, {
    name: 'sim',
    usage: '',
    text: 'serve a local stand-in for the API',
    run: async (context, _words, command) =>
      (await import('./sim.ts')).runSim(command.opts<SimFlags>(), context.terminal, context.signal),
  });
  if (takesFlags(parts.argv, 'sim')) addSimFlags(sim);
  define(program, parts, {
    name: 'demo',
    usage: '',
    text: 'run 10,003 real customer messages through the simulator; no API key needed',
    run: async (context) => (await import('./demo.ts')).runDemo(context),
  });
}

interface Definition {
  readonly name: string;
  readonly usage: string;
  readonly text: string;
  readonly run: (context: Context, words: readonly unknown[], command: Command) => Promise<number>;
}

function define(program: Command, parts: ProgramParts, { name, usage, text, run }: Definition): Command {
  const command = program.command(`${name} ${usage}`.trim()).description(text).addHelpText('after', examplesOf(name));
  if (takesFlags(parts.argv, name)) addFlags(command, name);
  command.action(async (...args: unknown[]) => {
    parts.started(command.opts<Flags>());
    const { contextOf } = await import('./begin.ts');
    const context = await contextOf(command, parts);
    const { prices } = context.flags;
    if (prices !== undefined) (await import('./prices-file.ts')).usePrices(prices);
    parts.finished(await run(context, args, command));
  });
  return command;
}

/** Four hundred flags for one command that is called take longer than its work. Only help shows those of others. */
function takesFlags([first]: readonly string[], name: string): boolean {
  return first === undefined || first === name || !Object.hasOwn(COMMAND_FLAGS, first);
}

/** An output of the environment or the configuration file is where results go. */
function typedTarget(command: Command): { readonly output: string | undefined; readonly overwrite: boolean } {
  const { output, overwrite } = command.opts<Flags>();
  const typed = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  return { output: typed('output') ? output : undefined, overwrite: overwrite === true && typed('overwrite') };
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function words(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
