/**
 * How `batchrun advise` says what it found: the dearest first, each with the flag or command that does something about it.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { Advice, AdviceReport, ColumnView } from '../../tools/advise/advice.ts';
import type { LaneUsd } from '../../tools/advise/by-model.ts';
import { shellQuote } from '../../base/shell.ts';
import { table } from '../terminal/ui.ts';

export interface AdviceInput {
  readonly isCsv: boolean;
  readonly input: string;
}

const COLUMNS_SHOWN = 8;
const CUTS_SHOWN = 4;

export function adviseText(report: AdviceReport, input: AdviceInput): string {
  const { rows, invalid, tokens, usd, advice, columns } = report;
  const skipped = invalid > 0 ? ` (${formatCount(invalid)} more cannot be sent: \`batchrun check\`)` : '';
  const lines = [
    `${plural(rows, 'row')}${skipped}, about ${formatCount(tokens)} input tokens: ${costText(usd)}; answers are not in it (\`batchrun plan\`).`,
    '',
  ];
  if (advice.length === 0) lines.push('Nothing was found that would make the prompts noticeably shorter.');
  advice.forEach((one, at) => {
    lines.push(`${at + 1}. ${titleOf(one)}`);
    const saving = savingText(one, tokens);
    if (saving !== '') lines.push(`   ${saving}`);
    lines.push(`   ${applyOf(one, input).replaceAll('\n', '\n   ')}`);
  });
  lines.push('', 'Where the tokens are:', columnsTable(columns));
  const cuts = cutsTable(columns);
  if (cuts !== '') lines.push('', 'What a cut of a column would save (--truncate):', cuts);
  lines.push(
    '',
    'Tokens are estimated by kinds of text, as in plan. Savings do not add up where they are about the same text.',
  );
  return lines.join('\n');
}

function costText({ batch, realtime }: LaneUsd): string {
  if (batch === null && realtime === null) return 'cost unknown (a model without a known price)';
  return `${usdText(batch)} in the batch lane, ${usdText(realtime)} realtime`;
}

function usdText(usd: number | null): string {
  if (usd === null) return 'unknown';
  return usd < 0 ? `-${formatUsd(-usd)}` : formatUsd(usd);
}

function savingText({ rows, tokens, usd, kind, details }: Advice, all: number): string {
  if (kind === 'max_tokens') {
    const { batch, realtime } = details['budget_usd'] as LaneUsd;
    return `costs nothing by itself; frees ${usdText(batch)} (realtime ${usdText(realtime)}) of what --max-cost sets aside`;
  }
  if (tokens === 0 || tooShort(details) !== null) return '';
  const share = all === 0 ? 0 : (100 * tokens) / all;
  const what = kind === 'cache_system' || kind === 'cache_lead' ? 'read from the cache' : 'not sent';
  const percent = share >= 10 ? share.toFixed(0) : share.toFixed(1);
  return `saves ${usdText(usd.batch)} (realtime ${usdText(usd.realtime)}): about ${formatCount(tokens)} tokens (${percent} %) of ${plural(rows, 'row')} ${what}`;
}

function partText({ part }: Advice): string {
  if (part === null) return 'the requests';
  if (part.kind === 'column') return `column ${part.name}`;
  return part.kind === 'template' ? part.name : `${part.name} of the rows`;
}

export function titleOf(advice: Advice): string {
  const { kind, rows, details } = advice;
  const where = partText(advice);
  switch (kind) {
    case 'cache_system':
      return `${plural(rows, 'row')} have the same system text (${formatCount(details['tokens_each'] as number)} tokens, "${quoted(details['begins'])}")`;
    case 'cache_lead':
      return `${plural(rows, 'message')} begin with the same text (${formatCount(details['tokens_each'] as number)} tokens, "${quoted(details['begins'])}")`;
    case 'truncate':
      return `${plural(rows, 'value')} of ${where} are longer than ${formatCount(details['chars'] as number)} characters`;
    case 'shared_end':
      return `${plural(rows, 'value')} of ${where} end with the same ${formatCount(details['chars'] as number)} characters ("${quoted(details['ends'])}")`;
    case 'dedupe':
      return `${details['exact'] === true ? '' : 'about '}${plural(rows, 'row')} ask exactly what a row before asks`;
    case 'blank':
      return `${where}: blanks at the ends of lines, runs of blanks, and empty lines`;
    case 'indent':
      return `${where}: JSON that is written over many lines`;
    case 'html':
      return `${where}: HTML tags`;
    case 'base64':
      return `${where}: encoded data (base64) in the text`;
    case 'max_tokens':
      return `max_tokens of ${String(details['model'])} is ${formatCount(details['max_tokens'] as number)}; ${formatCount(details['answers'] as number)} answers of earlier runs had ${formatCount(details['mean_answer'] as number)} tokens on average`;
    case 'unused_columns':
      return `no template uses ${(details['columns'] as string[]).slice(0, 10).join(', ')}: carried to the output, and not sent`;
  }
}

function quoted(text: unknown): string {
  return String(text).replace(/\s+/g, ' ').trim();
}

/** The flag or command; for what no command can do, a sentence. */
export function applyOf(advice: Advice, input: AdviceInput): string {
  const { kind, part, details } = advice;
  switch (kind) {
    case 'cache_system':
      return tooShort(details) ?? 'apply: --cache auto (a batch finds the cache as a rule, not always)';
    case 'cache_lead':
      return (
        tooShort(details) ??
        'apply: move it into a file of its own, --system-file FILE, and add --cache auto (a batch finds the cache as a rule, not always)'
      );
    case 'truncate':
      return `apply: --truncate ${shellQuote(`${part?.name ?? ''}=${String(details['chars'])}`)}`;
    case 'dedupe':
      return 'apply: --dedupe (their answers are not paid again either)';
    case 'max_tokens':
      return `apply: --max-tokens ${String(details['enough'])} (with --retry-truncated 2 an answer that is cut all the same is asked for again)`;
    case 'unused_columns':
      return 'nothing to do, unless the output shall be without them';
    default:
      return part?.kind === 'column' ? editOf(advice, input) : handOf(advice);
  }
}

function tooShort(details: Advice['details']): string | null {
  const { too_short_for: model } = details;
  if (typeof model !== 'string') return null;
  return `too short to be cached: ${model} keeps prefixes from ${formatCount(details['tokens_min'] as number)} tokens on`;
}

function handOf({ part }: Advice): string {
  return part?.kind === 'template' ? `apply: shorten ${part.name}` : 'apply: clean the texts where the file is made';
}

const PATTERNS = { html: '<[^<>]+>', base64: '[A-Za-z0-9+/]{200,}={0,2}', blank: '[ \\t]{2,}' } as const;

/** With the tools that people have for such files. */
function editOf({ kind, part, details }: Advice, { isCsv, input }: AdviceInput): string {
  const column = part?.name ?? '';
  const file = shellQuote(input);
  if (isCsv) {
    const value = `\${${column}}`;
    const made =
      kind === 'shared_end'
        ? `substr(${value}, 0, strlen(${value}) - ${Number(details['chars']) + 1})`
        : kind === 'indent'
          ? `json_encode(json_decode(${value}))`
          : kind === 'blank'
            ? `clean_whitespace(${value})`
            : `gsub(${value}, "${PATTERNS[kind as 'html' | 'base64']}", "")`;
    const only = kind === 'shared_end' ? ' (for the rows that end so)' : '';
    return `apply: mlr --csv put ${shellQuote(`${value} = ${made}`)} ${file} > shorter.csv${only}`;
  }
  const path = `.[${JSON.stringify(column)}]`;
  const made =
    kind === 'shared_end'
      ? `.[:-${String(details['chars'])}]`
      : kind === 'indent'
        ? 'fromjson | tojson'
        : kind === 'blank'
          ? 'gsub("[ \\t]+(?<end>\\n|$)"; "\\(.end)") | gsub("[ \\t]{2,}"; " ") | gsub("\\n{3,}"; "\\n\\n")'
          : `gsub("${PATTERNS[kind as 'html' | 'base64']}"; "")`;
  const only = kind === 'shared_end' ? ' (for the rows that end so)' : '';
  return `apply: jq -c ${shellQuote(`${path} |= (${made})`)} ${file} > shorter.jsonl${only}`;
}

function columnsTable(columns: readonly ColumnView[]): string {
  const rows = columns
    .slice(0, COLUMNS_SHOWN)
    .map(({ name, share, chars }) => [
      name,
      `${(100 * share).toFixed(1)} %`,
      ...[chars.p50, chars.p90, chars.p99, chars.max].map(formatCount),
    ]);
  return table([['part', 'share', 'p50', 'p90', 'p99', 'longest (characters)'], ...rows]);
}

function cutsTable(columns: readonly ColumnView[]): string {
  const rows = columns.flatMap(({ name, cuts }) =>
    cuts
      .slice(-CUTS_SHOWN)
      .map(({ chars, rows: touched, tokens, usd }) => [
        `${name}=${chars}`,
        plural(touched, 'row'),
        `${formatCount(tokens)} tokens`,
        usdText(usd.batch),
        `realtime ${usdText(usd.realtime)}`,
      ]),
  );
  return rows.length === 0 ? '' : table(rows);
}

export function viewAdvice(report: AdviceReport, input: AdviceInput): Record<string, unknown> {
  return {
    rows: report.rows,
    invalid: report.invalid,
    input_tokens: report.tokens,
    cost_usd: report.usd,
    advice: report.advice.map((one) => ({
      kind: one.kind,
      part: one.part,
      text: titleOf(one),
      rows: one.rows,
      saves: { input_tokens: one.tokens, cost_usd: one.usd },
      apply: applyOf(one, input).replace(/^apply: /, ''),
      details: one.details,
    })),
    columns: report.columns.map(({ name, kind, share, tokens, chars, cuts }) => ({
      ...{ name, kind, share, input_tokens: tokens, characters: chars },
      cuts: cuts.map((cut) => ({
        ...{ characters: cut.chars, rows: cut.rows },
        saves: { input_tokens: cut.tokens, cost_usd: cut.usd },
      })),
    })),
  };
}
