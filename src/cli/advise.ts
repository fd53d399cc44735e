/**
 * `batchrun advise`: reads an input as submit would, once, and says what makes its prompts longer than they need to be,
 * what that costs, and what does something about it. Sends nothing and makes no run.
 */
import { BatchrunError } from '../base/errors.ts';
import { columnsOf } from '../domain/routing/rules.ts';
import { ID_COLUMN, PRIORITY_COLUMN } from '../domain/row/shape.ts';
import { compileTemplate } from '../domain/row/template.ts';
import type { RowSource } from '../domain/source.ts';
import { adviceOf, type AdviceOptions } from '../tools/advise/advice.ts';
import { Advisor } from '../tools/advise/advisor.ts';
import type { PartTemplate } from '../tools/advise/parts.ts';
import { arranged } from '../host/arrange.ts';
import { hasState, openInput, openReading, systemNow, type Context } from './context.ts';
import type { Flags } from './flags/options.ts';
import { EXIT } from './drive/outcome.ts';
import { readTexts, rowReading, type Texts } from './submit/prepare.ts';
import { adviseText, viewAdvice } from './render/advise-text.ts';
import { jsonText } from './terminal/ui.ts';

export async function runAdvise(context: Context, inputs: readonly string[], argv: readonly string[]): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  const texts = readTexts(flags);
  const source = arranged(await openInput(inputs, flags), flags, stateFolder);
  const templates = templatesOf(texts);
  const advisor = new Advisor({ templates, cuts: flags.truncate ?? {} });
  await readAll(context, { source, advisor, read: rowReading(source, { flags, texts, argv }) });
  if (advisor.rows === 0) {
    const some = advisor.invalid > 0;
    throw new BatchrunError(
      some ? 'E_INPUT_INVALID' : 'E_INPUT_EMPTY',
      some ? `none of the ${advisor.invalid} rows can be sent` : `there are no rows in ${inputs.join(', ')}`,
      some ? { hint: `\`batchrun check\` says what is wrong with them.` } : {},
    );
  }
  const unused = unusedColumns(source, { flags, texts, templates });
  const report = adviceOf(advisor, { nowMs: systemNow(), answers: await answersSoFar(stateFolder), unused });
  const of = { isCsv: source.columns.length > 0, input: inputs[0] ?? '-' };
  if (flags.json === true) await terminal.data(jsonText(viewAdvice(report, of)));
  else await terminal.text(`${adviseText(report, of)}\n`);
  return EXIT.ok;
}

interface Reading {
  readonly source: RowSource;
  readonly advisor: Advisor;
  readonly read: ReturnType<typeof rowReading>;
}

async function readAll({ flags, signal }: Context, { source, advisor, read }: Reading): Promise<void> {
  const { limit = Infinity } = flags;
  for await (const records of source.records()) {
    for (const record of records) {
      if (advisor.rows + advisor.invalid >= limit) return;
      advisor.add(record, read(record));
    }
    if (signal.aborted) throw new BatchrunError('E_NOT_FINISHED', 'interrupted while reading the input');
  }
}

function templatesOf({ prompt, system }: Texts): PartTemplate[] {
  const template = (flag: string, text: string | undefined): PartTemplate[] => {
    if (text === undefined) return [];
    const { placeholders } = compileTemplate(text, flag);
    // Something stands there: the blanks around it are not at the end of a line.
    return [{ flag, text: text.replace(/\{\{[^{}]*\}\}/g, 'x'), placeholders }];
  };
  return [...template('--prompt', prompt), ...template('--system', system)];
}

/** They cost nothing at the API; they are carried to the output. */
function unusedColumns(
  { columns }: RowSource,
  {
    flags,
    texts,
    templates,
  }: { readonly flags: Flags; readonly texts: Texts; readonly templates: readonly PartTemplate[] },
): readonly string[] {
  const used = new Set([
    ...templates.flatMap(({ placeholders }) => placeholders),
    ...columnsOf(texts.routes ?? []).keys(),
    flags.idColumn ?? ID_COLUMN,
    PRIORITY_COLUMN,
  ]);
  return columns.filter((column) => !used.has(column));
}

/** How long answers were in the runs of this state. A model is known by its name without a date. */
async function answersSoFar(stateFolder: string): Promise<AdviceOptions['answers']> {
  const answers = new Map<string, { rows: number; outputTokens: number; cutOff: number }>();
  if (!hasState(stateFolder)) return answers;
  const store = await openReading(stateFolder);
  try {
    for (const run of await store.runs()) {
      for (const { model, rows, outputTokens } of await store.usage(run.id)) {
        const name = model.replace(/-20\d{6}$/, '');
        const sum = answers.get(name) ?? { rows: 0, outputTokens: 0, cutOff: 0 };
        const cutOff = sum.cutOff + (run.stopReasons['max_tokens'] ?? 0);
        answers.set(name, { rows: sum.rows + rows, outputTokens: sum.outputTokens + outputTokens, cutOff });
      }
    }
    return answers;
  } finally {
    await store.close();
  }
}
