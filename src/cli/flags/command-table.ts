/**
 * Every command of batchrun in one table: its name, what it takes, what it does, where help shows it and what it calls.
 * Help, completions and the manual page are made from it; its flags are in option-table.ts.
 *
 * What a command needs is loaded when it is called: each module costs half a millisecond, and many commands are called by
 * scripts. Help loads none of them.
 */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { Flags } from './options.ts';
import type { SimFlags } from './sim-flags.ts';

/** The headings of help, in their order. */
export const COMMAND_GROUPS = {
  work: 'Send and collect:',
  look: 'See what is going on:',
  steer: 'Change a run:',
  plan: 'Before you pay:',
  test: 'Test the load:',
  files: 'Files of results:',
  setup: 'Set up and check:',
} as const;

export type CommandGroup = keyof typeof COMMAND_GROUPS;

/** What was typed, for commands that look at it. */
export interface Called {
  /** After `batchrun`, for corrected commands. */
  readonly argv: readonly string[];
  readonly command: Command;
}

export interface CommandSpec {
  readonly group: CommandGroup;
  /** Its arguments as commander reads them. */
  readonly usage: string;
  readonly text: string;
  readonly run: (context: Context, words: readonly unknown[], called: Called) => Promise<number>;
  /** Flags of other commands and further words may follow: they are read by the command itself. */
  readonly takesAnything?: boolean;
  /** Not shown in help: called by other programs. */
  readonly hidden?: boolean;
}

export const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  submit: {
    group: 'work',
    usage: '<input...>',
    text: 'read, check, seal and upload what the caps allow; print the run id',
    run: async (context, [inputs], { argv }) =>
      (await import('../submit.ts')).runSubmit(context, words(inputs), {
        command: context.flags.wait === true ? 'run' : 'submit',
        argv,
        wait: context.flags.wait === true,
      }),
  },
  collect: {
    group: 'work',
    usage: '[run]',
    text: 'drive to the end: poll, collect, submit what waits, retry, write the output',
    run: async (context, [run]) => (await import('../collect.ts')).runCollect(context, word(run)),
  },
  run: {
    group: 'work',
    usage: '<input...>',
    text: 'submit and collect in one, for cron',
    run: async (context, [inputs], { argv }) => (await import('../run.ts')).runRun(context, words(inputs), argv),
  },
  status: {
    group: 'look',
    usage: '[run]',
    text: 'what is where; works offline and beside a driver',
    run: async (context, [run]) => (await import('../status.ts')).runStatus(context, word(run)),
  },
  list: {
    group: 'look',
    usage: '',
    text: 'the runs of this state folder',
    run: async (context) => (await import('../list.ts')).runList(context),
  },
  results: {
    group: 'look',
    usage: '<run>',
    text: "read a run's outcomes offline",
    run: async (context, [run]) => (await import('../results.ts')).runResults(context, word(run) ?? 'latest'),
  },
  log: {
    group: 'look',
    usage: '<run>',
    text: 'what happened when',
    run: async (context, [run]) => (await import('../log.ts')).runLog(context, word(run) ?? 'latest'),
  },
  limits: {
    group: 'look',
    usage: '',
    text: "what is known of the account's limits, and how much of them is used",
    run: async (context) => (await import('../limits.ts')).runLimits(context),
  },
  serve: {
    group: 'look',
    usage: '',
    text: 'a local web page on what this state holds',
    run: async (context) => (await import('../serve.ts')).runServe(context),
  },
  report: {
    group: 'look',
    usage: '<what> [run]',
    text: 'one HTML file on a run for people who were not there: batchrun report run',
    run: async (context, [what, run], { command }) =>
      (await import('../report.ts')).runReport(
        context,
        { what: word(what) ?? '', run: word(run) },
        typedTarget(command),
      ),
  },
  audit: {
    group: 'look',
    usage: '[run]',
    text: "compare the ledger with itself, its files and the API's list of batches; changes nothing",
    run: async (context, [run]) => (await import('../audit.ts')).runAudit(context, word(run)),
  },
  export: {
    group: 'look',
    usage: '<run>',
    text: 'write the ledger of a run as JSON lines, for inspection (--state-only)',
    run: async (context, [run], { command }) =>
      (await import('../export.ts')).runExport(context, word(run) ?? 'latest', typedTarget(command)),
  },
  cancel: {
    group: 'steer',
    usage: '<run>',
    text: 'stop a run; what its batches had finished is collected',
    run: async (context, [run]) => (await import('../cancel.ts')).runCancel(context, word(run) ?? 'latest'),
  },
  retry: {
    group: 'steer',
    usage: '<run>',
    text: 'send the rows of a finished run again that did not succeed',
    run: async (context, [run]) => (await import('../retry.ts')).runRetry(context, word(run) ?? 'latest'),
  },
  resolve: {
    group: 'steer',
    usage: '<run>',
    text: 'settle a chunk in doubt: name its batch, say that none was made, or give its rows up',
    run: async (context, [run]) => (await import('../resolve.ts')).runResolve(context, word(run) ?? 'latest'),
  },
  adopt: {
    group: 'steer',
    usage: '<batch>',
    text: 'follow and collect a batch that a script made',
    run: async (context, [batch], { argv }) => (await import('../adopt.ts')).runAdopt(context, word(batch) ?? '', argv),
  },
  prune: {
    group: 'steer',
    usage: '[run]',
    text: 'delete finished runs from the state folder',
    run: async (context, [run]) => (await import('../prune.ts')).runPrune(context, word(run)),
  },
  plan: {
    group: 'plan',
    usage: '[input...]',
    text: 'what a job will cost and how long it will take, before anything is sent',
    run: async (context, [inputs], { argv }) => (await import('../plan.ts')).runPlan(context, words(inputs), argv),
  },
  rehearse: {
    group: 'plan',
    usage: '<input...>',
    text: 'the whole job on the simulator in virtual time: when it would end, and what goes wrong',
    run: async (context, [inputs], { argv }) =>
      (await import('../rehearse.ts')).runRehearse(context, words(inputs), argv),
  },
  advise: {
    group: 'plan',
    usage: '<input...>',
    text: 'what makes the prompts shorter, with the tokens and dollars that it saves',
    run: async (context, [inputs], { argv }) => (await import('../advise.ts')).runAdvise(context, words(inputs), argv),
  },
  check: {
    group: 'plan',
    usage: '<input...>',
    text: 'all problems of an input; makes no run and sends nothing',
    run: async (context, [inputs], { argv }) => (await import('../check.ts')).runCheck(context, words(inputs), argv),
  },
  sample: {
    group: 'plan',
    usage: '<input...>',
    text: 'some rows of an input as they are, drawn at random',
    run: async (context, [inputs], { command }) =>
      (await import('../sample.ts')).runSample(context, words(inputs), typedTarget(command)),
  },
  loadtest: {
    group: 'test',
    usage: '[prompts...]',
    text: 'put realtime load on the simulator, or with --target on a real endpoint, and find its limits',
    run: async (context, [prompts], { argv }) =>
      (await import('../loadtest.ts')).runLoadtest(context, words(prompts), argv),
  },
  sim: {
    group: 'test',
    usage: '',
    text: 'serve a local stand-in for the API',
    run: async (context, _words, { command }) =>
      (await import('../sim.ts')).runSim(command.opts<SimFlags>(), context.terminal, context.signal),
  },
  demo: {
    group: 'test',
    usage: '',
    text: 'run 10,003 real customer messages through the simulator; no API key needed',
    run: async (context) => (await import('../demo.ts')).runDemo(context),
  },
  stats: {
    group: 'files',
    usage: '<results>',
    text: 'what is in a results file: outcomes, stop reasons, tokens, lengths, cost',
    run: async (context, [results]) => (await import('../stats.ts')).runStats(context, word(results) ?? ''),
  },
  diff: {
    group: 'files',
    usage: '<a> <b>',
    text: 'which rows differ between two results files',
    run: async (context, [a, b]) => (await import('../diff.ts')).runDiff(context, word(a) ?? '', word(b) ?? ''),
  },
  init: {
    group: 'setup',
    usage: '',
    text: 'write a configuration file by asking a few questions',
    run: async (context, _words, { command }) =>
      (await import('../init.ts')).runInit(context, typedTarget(command).overwrite),
  },
  config: {
    group: 'setup',
    usage: '[command]',
    text: 'the value of every flag of a command, and where it comes from',
    run: async (context, [name], { argv }) => (await import('../config.ts')).runConfig(context, word(name), argv),
    // The flags of the command that is asked about: they are read as it would read them.
    takesAnything: true,
  },
  doctor: {
    group: 'setup',
    usage: '',
    text: 'check Node, SQLite, the state folder, the clock, credentials and the model',
    run: async (context) => (await import('../doctor.ts')).runDoctor(context),
  },
  completions: {
    group: 'setup',
    usage: '<shell>',
    text: 'print the completions for bash, zsh or fish',
    run: async (context, [shell], { command }) =>
      (await import('../completions.ts')).runCompletions(context, word(shell) ?? '', command.parent),
  },
  complete: {
    group: 'setup',
    usage: '<what>',
    text: 'what may be typed, for shells',
    run: async (context, [what]) => (await import('../completions.ts')).runComplete(context, word(what) ?? ''),
    hidden: true,
  },
  man: {
    group: 'setup',
    usage: '',
    text: 'print the manual page',
    run: async (context, _words, { command }) => (await import('../help/man-page.ts')).runMan(context, command.parent),
    hidden: true,
  },
};

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
