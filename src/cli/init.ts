/**
 * `batchrun init`: writes batchrun.config.yaml by asking a few questions on a terminal; with --yes, or where nobody can
 * be asked, with the defaults. A file that exists is never overwritten unless --overwrite was typed.
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatchrunError, messageOf } from '../base/errors.ts';
import { formatUsd } from '../base/units.ts';
import type { OutputFormat } from '../domain/model.ts';
import { modelFacts } from '../domain/models.ts';
import { PRICES_AS_OF, pricedModels, priceOf } from '../domain/pricing.ts';
import { CONFIG_FILES } from './files/config-file.ts';
import { systemNow, type Context } from './context.ts';
import { initFile, schemaRef, type InitAnswers } from './files/init-file.ts';
import { cap, count } from './flags/option-readers.ts';
import { EXIT } from './drive/outcome.ts';
import type { Conversation, Terminal } from './terminal/terminal.ts';
import { table } from './terminal/ui.ts';

const DEFAULT_FILE = 'batchrun.config.yaml';
const FORMATS: readonly OutputFormat[] = ['jsonl', 'flat', 'csv'];

/** The build puts it beside the program. */
const SCHEMA = fileURLToPath(new URL('../config.schema.json', import.meta.url));

/** The cheapest of the current ones, and room for a short answer. */
const DEFAULTS: Omit<InitAnswers, 'priceText' | 'schemaRef'> = {
  model: 'claude-haiku-5-5',
  rows: 'columns',
  prompt: 'Classify this text: {{text}}',
  maxTokens: 1024,
  format: 'jsonl',
  maxCostUsd: 10,
  nightly: false,
};

/** `overwrite` is what was typed: the environment must not replace a file that somebody wrote. */
export async function runInit(context: Context, overwrite: boolean): Promise<number> {
  const { flags, terminal } = context;
  const file = resolve(flags.config ?? DEFAULT_FILE);
  refuseExisting(file, { overwrite, named: flags.config !== undefined });
  const asks = flags.yes !== true && terminal.interactive;
  const answers = asks ? await ask(context) : DEFAULTS;
  const text = initFile({
    ...answers,
    priceText: priceText(answers.model),
    schemaRef: schemaRef(dirname(file), SCHEMA),
  });
  write(file, text, overwrite);
  await terminal.data(`${file}\n`);
  if (flags.quiet !== true) for (const line of nextSteps(answers, flags.config)) terminal.talk(line);
  return EXIT.ok;
}

function refuseExisting(
  file: string,
  { overwrite, named }: { readonly overwrite: boolean; readonly named: boolean },
): void {
  if (!overwrite && existsSync(file)) throw taken(file);
  if (/\.json$/i.test(file)) {
    throw new BatchrunError('E_USAGE', `init writes YAML, with comments, and ${basename(file)} is called JSON`, {
      hint: 'Give a name that ends in .yaml with --config.',
    });
  }
  // With two of them no command would know which one counts.
  const others = CONFIG_FILES.map((name) => resolve(name)).filter((one) => one !== file && existsSync(one));
  const [other] = others;
  if (named || other === undefined) return;
  throw new BatchrunError('E_OUTPUT_TAKEN', `${other} is here already, and only one configuration file may be`, {
    hint: 'Edit that one, take it away first, or name a new one with --config.',
  });
}

function taken(file: string): BatchrunError {
  return new BatchrunError('E_OUTPUT_TAKEN', `${file} exists already; nothing was written`, {
    hint: 'Edit it, name another file with --config, or replace it with --overwrite.',
  });
}

function write(file: string, text: string, overwrite: boolean): void {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  try {
    // `wx` also where it was looked for before: between the look and the write somebody may have made one.
    if (!overwrite) return writeFileSync(file, text, { flag: 'wx' });
    writeFileSync(temporary, text, { flag: 'wx' });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (!overwrite && existsSync(file)) throw taken(file);
    throw new BatchrunError('E_FILE', `${file} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

type Answers = Omit<InitAnswers, 'priceText' | 'schemaRef'>;

async function ask({ terminal, signal }: Context): Promise<Answers> {
  terminal.talk('A few questions; Enter takes what stands in brackets, Ctrl-C writes nothing.\n');
  const conversation = await terminal.converse();
  signal.addEventListener('abort', () => conversation.close());
  try {
    return await answersOf(new Questions(terminal, conversation));
  } finally {
    conversation.close();
  }
}

async function answersOf(question: Questions): Promise<Answers> {
  const model = await question.model();
  const rows = await question.oneOf(
    'Your rows: columns that a prompt is filled with, or whole requests with params',
    ['columns', 'requests'],
    DEFAULTS.rows,
  );
  const prompt =
    rows === 'columns'
      ? await question.text('The prompt, with {{column}} for a column', DEFAULTS.prompt)
      : DEFAULTS.prompt;
  const maxTokens = await question.read('The most tokens of an answer', String(DEFAULTS.maxTokens), count(1));
  const format = await question.oneOf('Results as', FORMATS, DEFAULTS.format);
  const budget = await question.read('The most that a run may cost in USD, or none', String(DEFAULTS.maxCostUsd), cap);
  const nightly = await question.oneOf('A profile for a nightly job, too', ['yes', 'no'], 'no');
  return {
    model,
    rows,
    prompt,
    maxTokens,
    format,
    maxCostUsd: budget === 'none' ? null : budget,
    nightly: nightly === 'yes',
  };
}

/** Asks until there is an answer that can be used. */
class Questions {
  readonly #terminal: Terminal;
  readonly #conversation: Conversation;

  constructor(terminal: Terminal, conversation: Conversation) {
    this.#terminal = terminal;
    this.#conversation = conversation;
  }

  async text(question: string, fallback: string): Promise<string> {
    const answer = await this.#conversation.ask(`${question} [${fallback}]: `);
    if (answer === null) throw new BatchrunError('E_NOT_CONFIRMED', 'nothing was written', { hint: YES_HINT });
    return answer.trim() === '' ? fallback : answer.trim();
  }

  async read<T>(question: string, fallback: string, read: (text: string) => T): Promise<T> {
    for (;;) {
      try {
        return read(await this.text(question, fallback));
      } catch (error) {
        if (error instanceof BatchrunError) throw error;
        this.#terminal.talk(messageOf(error));
      }
    }
  }

  oneOf<T extends string>(question: string, choices: readonly T[], fallback: T): Promise<T> {
    return this.read(`${question} (${choices.join(', ')})`, fallback, (text) => {
      const word = text.toLowerCase();
      const found = choices.filter((choice) => choice.startsWith(word));
      if (found.length === 1 && found[0] !== undefined) return found[0];
      throw new Error(`Choose one of ${choices.join(', ')}.`);
    });
  }

  async model(): Promise<string> {
    const models = currentModels();
    this.#terminal.talk(`USD per million tokens in batches (half of realtime), as of ${PRICES_AS_OF}:`);
    const rows = models.map((model, at) => [`${at + 1})`, model, ...priceCells(model)]);
    this.#terminal.talk(table(rows));
    return this.read('The model: a number, or any id', DEFAULTS.model, (text) => {
      if (!/^\d+$/.test(text)) return text;
      const chosen = models[Number(text) - 1];
      if (chosen !== undefined) return chosen;
      throw new Error(`There are 1 to ${models.length}.`);
    });
  }
}

const YES_HINT = 'Run it again, or take the defaults with --yes.';

/** The newest of each line (opus, sonnet, …) that is served and has a price. */
export function currentModels(): readonly string[] {
  const nowMs = systemNow();
  const lines = new Map<string, string>();
  for (const model of pricedModels()) {
    const line = /^claude-([a-z]+)-\d/.exec(model)?.[1];
    if (line === undefined || lines.has(line) || modelFacts(model, nowMs).status !== 'active') continue;
    lines.set(line, model);
  }
  return [...lines.values()];
}

/** What goes in and what comes out, per million tokens in batches. */
function batchPrices(model: string): readonly [string, string] | null {
  const price = priceOf(model);
  if (typeof price?.batchInput !== 'number' || typeof price.batchOutput !== 'number') return null;
  return [formatUsd(price.batchInput), formatUsd(price.batchOutput)];
}

function priceCells(model: string): string[] {
  const prices = batchPrices(model);
  return prices === null ? ['price unknown'] : [prices[0], 'in', prices[1], 'out'];
}

function priceText(model: string): string | null {
  const prices = batchPrices(model);
  return prices && `${prices[0]} in, ${prices[1]} out per million tokens in batches, as of ${PRICES_AS_OF}`;
}

function nextSteps({ rows, nightly }: Answers, config: string | undefined): string[] {
  const input = rows === 'columns' ? 'rows.csv' : 'requests.jsonl';
  const flag = config === undefined ? '' : ` --config ${config}`;
  return [
    'Next:',
    '  export ANTHROPIC_API_KEY=…          (batchrun doctor checks it)',
    `  batchrun check ${input}${flag}`,
    `  batchrun submit ${input}${flag} --dry-run`,
    ...(nightly ? [`  batchrun run ${input}${flag} --profile nightly     (cron)`] : [`  batchrun run ${input}${flag}`]),
  ];
}
