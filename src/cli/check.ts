/**
 * `batchrun check <input...>`: everything that is wrong with an input, row by row, and nothing else: no run, no state
 * folder, no key, nothing is sent. What is needed on the way lies in a temporary folder and goes away with the command.
 */
import { BatchrunError } from '../base/errors.ts';
import { PROBLEMS_SHOWN_MAX } from '../domain/limits.ts';
import type { RowSource } from '../domain/source.ts';
import type { ShownProblem } from '../engine/ingest/problems.ts';
import { checkRows } from '../tools/check/check-rows.ts';
import { openInput, type Context } from './context.ts';
import type { Flags } from './flags/options.ts';
import { EXIT } from './drive/outcome.ts';
import { everyRowReading, readTexts, type Texts } from './submit/prepare.ts';
import { checkText, type CheckView } from './render/check-text.ts';
import { withScratch } from './files/scratch.ts';
import type { Terminal } from './terminal/terminal.ts';
import { jsonText } from './terminal/ui.ts';

const PENDING_CHARS_MAX = 256 * 1024;

export async function runCheck(context: Context, inputs: readonly string[], argv: readonly string[]): Promise<number> {
  const { flags, terminal, signal } = context;
  const source = await openInput(inputs, flags);
  const { missing, ...given } = withStandIns(source, flags, readTexts(flags));
  const read = everyRowReading(source, { ...given, argv });
  const shown: ShownProblem[] = [];
  const json = flags.json === true ? new JsonProblems(terminal) : null;
  const report = await withScratch((files) =>
    checkRows({
      ...{ source, read, inputs, files, signal, limit: flags.limit ?? null },
      onProblem: (problem) => {
        if (json) return json.add(problem);
        if (shown.length < PROBLEMS_SHOWN_MAX) shown.push(problem);
        return undefined;
      },
    }),
  );
  if (report.rows === 0) throw new BatchrunError('E_INPUT_EMPTY', `there are no rows in ${inputs.join(', ')}`);
  const ok = report.problem_count === 0;
  const view: CheckView = { ok, inputs, ...report, not_given: missing };
  if (json) await json.end(view);
  else await terminal.text(`${checkText(view, shown, { color: terminal.dataColor })}\n`);
  return ok ? EXIT.ok : EXIT.usage;
}

/** They pass every check of a row, so that what is found lies in the file. */
const STAND_INS = { model: 'claude-haiku-5-5', maxTokens: 1, prompt: 'x' };

/**
 * A CSV says nothing of what is sent: without these flags its form and its ids can be checked all the same. Rows of JSON
 * may bring their own params: one that does not, and finds no flag, cannot be sent.
 */
function withStandIns(
  { columns }: RowSource,
  flags: Flags,
  texts: Texts,
): { readonly flags: Flags; readonly texts: Texts; readonly missing: readonly string[] } {
  if (columns.length === 0) return { flags, texts, missing: [] };
  const hasModel = flags.model !== undefined || texts.params?.['model'] !== undefined;
  const hasMaxTokens = flags.maxTokens !== undefined || texts.params?.['max_tokens'] !== undefined;
  const missing = [
    ...(texts.prompt === undefined ? ['--prompt'] : []),
    ...(hasModel ? [] : ['--model']),
    ...(hasMaxTokens ? [] : ['--max-tokens']),
  ];
  return {
    flags: {
      ...flags,
      ...(hasModel ? {} : { model: STAND_INS.model }),
      ...(hasMaxTokens ? {} : { maxTokens: STAND_INS.maxTokens }),
    },
    texts: texts.prompt === undefined ? { ...texts, prompt: STAND_INS.prompt } : texts,
    missing,
  };
}

/** All problems in one JSON object that is never in memory as a whole. */
class JsonProblems {
  readonly #terminal: Terminal;
  #pending = '{"problems":[';
  #isFirst = true;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  add(problem: ShownProblem): Promise<void> | undefined {
    this.#pending += `${this.#isFirst ? '' : ','}${JSON.stringify(problem)}`;
    this.#isFirst = false;
    return this.#pending.length > PENDING_CHARS_MAX ? this.#flush() : undefined;
  }

  async end(view: CheckView): Promise<void> {
    this.#pending += `],${jsonText(view).slice(1)}`;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = '';
    await this.#terminal.data(text);
  }
}
