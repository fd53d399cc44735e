/**
 * The text that `batchrun init` writes: YAML with a word about each value, and the flags that people look for next, as
 * comments. Pure: from answers to text.
 */
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { OutputFormat } from '../../domain/model.ts';

export interface InitAnswers {
  readonly model: string;
  /** `2.00 in, 10.00 out …`; null where the price is not known. */
  readonly priceText: string | null;
  /** Rows are columns that a prompt is filled with, or whole requests with params of their own. */
  readonly rows: 'columns' | 'requests';
  /** Where rows are columns. */
  readonly prompt: string;
  readonly maxTokens: number;
  readonly format: OutputFormat;
  readonly maxCostUsd: number | null;
  readonly nightly: boolean;
  /** What an editor finds the schema by. */
  readonly schemaRef: string;
}

export function initFile(answers: InitAnswers): string {
  const { model, priceText, format, maxCostUsd, schemaRef } = answers;
  const price = priceText ?? 'a model without a known price';
  return `# yaml-language-server: $schema=${schemaRef}
#
# Values for the flags of batchrun, by their long names. A flag on the command line goes first, then the environment
# (BATCHRUN_MAX_TOKENS=512), then a profile, then what stands here. \`batchrun config submit\` shows what counts and why.
# Keys do not belong here: set ANTHROPIC_API_KEY in the environment.

# The model of rows that name none (${price}).
model: ${scalar(model)}

${rowsPart(answers)}
# How results are written: jsonl is the API's own line shape, flat and csv are one record a row.
format: ${format}

${budgetPart(maxCostUsd)}
# Others that people set (\`batchrun submit --help\` has all):
# on-invalid: skip          # leave out rows that cannot be sent, instead of refusing all
# fail-if: 'failed>0.5%'    # when a finished run counts as failed (exit 3)
# chunk-size: 10000         # rows in one batch
# deadline: '06:00'         # rows that would be late in batches go realtime, at the full price
${profilesPart(answers.nightly)}`;
}

function rowsPart({ rows, prompt, maxTokens }: InitAnswers): string {
  if (rows === 'requests') {
    return `# Rows bring their own params: what follows is for those that lack one.
# The most tokens of an answer.
max-tokens: ${maxTokens}
`;
  }
  return `# The message of a row; {{column}} is filled in from its columns.
prompt: ${scalar(prompt)}
# The most tokens of an answer.
max-tokens: ${maxTokens}
# id-column: id             # the column with the row ids (default: custom_id, else the line number)
`;
}

function budgetPart(maxCostUsd: number | null): string {
  const what = '# A run stops before it has cost more (exit 5), in USD; "none" for no cap.';
  return maxCostUsd === null ? `${what}\n# max-cost: 10\n` : `${what}\nmax-cost: ${maxCostUsd}\n`;
}

function profilesPart(nightly: boolean): string {
  if (nightly) {
    return `
# Values that go before those above: --profile nightly, or BATCHRUN_PROFILE=nightly.
profiles:
  nightly:
    # {date} is the day of the submit: each night has a file of its own.
    output: 'results-{date}.jsonl'
    format: jsonl
    # For cron: only errors are said, and a night that is still under way is left alone.
    quiet: true
    yes: true
    skip-if-locked: true
    fail-if: 'failed>0.5%'
`;
  }
  return `
# Values that go before those above where --profile NAME or BATCHRUN_PROFILE asks for them:
# profiles:
#   nightly:
#     output: 'results-{date}.jsonl'
#     quiet: true
`;
}

/** How a file in a folder names the schema: below it by a path that holds wherever the same packages are installed. */
export function schemaRef(folder: string, schema: string): string {
  const path = relative(folder, schema);
  return path.startsWith('..') ? pathToFileURL(schema).href : `./${path}`;
}

/** A text as YAML takes it: JSON strings are YAML. */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z][\w./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
