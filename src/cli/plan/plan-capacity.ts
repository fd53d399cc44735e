/**
 * `batchrun plan` without an input: a load in numbers. Says which flag is missing, with a whole command that works.
 */
import { BatchrunError } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import { defaultModels } from '../../tools/plan/models.ts';
import { capacityReport } from '../../tools/plan/capacity-report.ts';
import { planCapacity, type CapacityQuestion, type CapacityView } from '../../tools/plan/capacity.ts';
import { hasState, openReading, systemNow, type Context } from '../context.ts';
import { EXIT } from '../drive/outcome.ts';
import { accountFor } from './plan-account.ts';
import type { Flags } from '../flags/options.ts';
import { capacityText } from '../render/capacity-text.ts';
import { writeReport } from '../files/report-file.ts';
import { correctedCommand } from '../help/corrected-command.ts';
import { jsonText } from '../terminal/ui.ts';

/** What a call of a load is taken to be where nobody says: the request of the documentation's own example of a price. */
const ASSUMED_CALL = { inputTokens: 1_000, outputTokens: 300 } as const;

/** What a missing number is in a corrected command. */
const EXAMPLES = { '--rows': '100000', '--input-tokens': '500', '--output-tokens': '200' } as const;

export async function runCapacity(context: Context, argv: readonly string[]): Promise<number> {
  const { flags, terminal } = context;
  const question = await questionOf(context, argv);
  const { inputTokens, outputTokens } = question;
  const assumed = [
    ...(flags.inputTokens === undefined ? ['input_tokens'] : []),
    ...(flags.outputTokens === undefined ? ['output_tokens'] : []),
  ];
  if (assumed.length > 0 && flags.quiet !== true) {
    terminal.talk(
      `Assumed: ${formatCount(inputTokens)} tokens in and ${formatCount(outputTokens)} out a call; --input-tokens and --output-tokens say what yours are.`,
    );
  }
  const view = { ...planCapacity(question), assumed };
  if (flags.html !== undefined) terminal.talk(`The report is in ${writeReport(flags.html, capacityReport(view))}`);
  if (flags.json === true) await terminal.data(jsonText(view));
  else await terminal.text(`${capacityText(view, { color: terminal.dataColor })}\n`);
  return EXIT.ok;
}

async function questionOf(context: Context, argv: readonly string[]): Promise<CapacityQuestion> {
  const { flags } = context;
  const { rows, rpm, model, models, deadline } = flags;
  const { inputTokens, outputTokens } = rpm === undefined ? flags : { ...ASSUMED_CALL, ...givenTokens(flags) };
  if (rows === undefined && rpm === undefined) throw missing(['--rows'], argv, inputTokens, outputTokens);
  if (rows !== undefined && rpm !== undefined) {
    throw new BatchrunError('E_USAGE', '--rows and --rpm cannot both be given', {
      hint: 'Rows are a job that ends; requests a minute are a load that does not.',
    });
  }
  if (inputTokens === undefined || outputTokens === undefined) throw missing([], argv, inputTokens, outputTokens);
  if (rows !== undefined && rows < 1) throw new BatchrunError('E_USAGE', '--rows must be at least 1');
  const nowMs = systemNow();
  const withinMs = deadline === undefined || deadline === 'none' ? null : Math.max(0, deadline - nowMs);
  const account = await known(context);
  return {
    load: rows === undefined ? { kind: 'rate', rpm: rpm ?? 0 } : { kind: 'rows', rows: Math.round(rows) },
    ...{ inputTokens, outputTokens, withinMs, nowMs },
    models: models ?? (model === undefined ? defaultModels(nowMs) : [model]),
    batchesMax: flags.maxBatches,
    ...account,
  };
}

function givenTokens({ inputTokens, outputTokens }: Flags): Partial<Pick<Flags, 'inputTokens' | 'outputTokens'>> {
  return {
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
  };
}

/** What earlier runs of this state learnt; nothing is asked. */
async function known(context: Context): Promise<Pick<CapacityQuestion, 'tier' | 'batchMs'>> {
  const store = hasState(context.stateFolder) ? await openReading(context.stateFolder) : null;
  try {
    const { tier, batchMs } = await accountFor(context, store, null);
    return { tier, batchMs: batchMs.batches > 0 ? batchMs.ms.expected : null };
  } finally {
    await store?.close();
  }
}

function missing(
  first: readonly (keyof typeof EXAMPLES)[],
  argv: readonly string[],
  inputTokens: CapacityView['input_tokens'] | undefined,
  outputTokens: CapacityView['output_tokens'] | undefined,
): BatchrunError {
  const flags = [
    ...first,
    ...(inputTokens === undefined ? (['--input-tokens'] as const) : []),
    ...(outputTokens === undefined ? (['--output-tokens'] as const) : []),
  ];
  const command = correctedCommand(
    argv,
    flags.flatMap((flag) => [flag, EXAMPLES[flag]]),
  );
  const what = first.length > 0 ? 'there is no input, and no load is described: ' : '';
  const names =
    flags.length > 1 ? `${flags.slice(0, -1).join(', ')} and ${flags.at(-1) ?? ''} are` : `${flags[0] ?? ''} is`;
  return new BatchrunError('E_USAGE', `${what}${names} missing`, {
    hint: `For example:\n  ${command}\nor with a file:\n  batchrun plan input.jsonl`,
  });
}
