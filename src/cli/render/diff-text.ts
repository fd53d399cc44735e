/**
 * What `batchrun diff` shows of two results files.
 */
import { formatCount, formatUsd, plural } from '../../base/units.ts';
import type { Difference, DiffReport, Sums } from '../../tools/diff/diff-report.ts';
import type { BrokenLines } from '../../tools/results/read-results.ts';
import { createPaint, table } from '../terminal/ui.ts';

export interface DiffFile {
  readonly file: string;
  readonly rows: number;
  /** Rows whose id came before in the same file: the first counts. */
  readonly duplicates: number;
  readonly broken: { readonly count: number; readonly shown: BrokenLines['shown'] };
}

export interface DiffView extends DiffReport {
  readonly file_a: DiffFile;
  readonly file_b: DiffFile;
}

const FIELDS_SHOWN_MAX = 20;
const FIELDS_OF_ROW_MAX = 4;

export function diffText(view: DiffView, { color }: { readonly color: boolean }): string {
  const paint = createPaint(color);
  const block = (title: string, lines: readonly string[]): string =>
    lines.length === 0 ? '' : [paint.bold(title), ...lines].join('\n');
  const blocks = [
    table([fileRow('a', view.file_a), fileRow('b', view.file_b)], ''),
    table(countRows(view)),
    block('outcomes that changed', tallied(view.outcomes)),
    block('stop reasons that changed', tallied(view.stop_reasons)),
    block('fields that differ', tallied(view.fields)),
    block(`tokens and cost of the ${plural(view.both, 'row')} in both`, sumLines(view)),
    block(`the first ${plural(view.differences.length, 'difference')}`, view.differences.flatMap(differenceLines)),
    block('lines that cannot be read', [...brokenLines(view.file_a), ...brokenLines(view.file_b)]),
  ];
  return blocks.filter((text) => text !== '').join('\n\n');
}

function fileRow(name: string, { file, rows, duplicates }: DiffFile): string[] {
  const twice = duplicates === 0 ? '' : `${plural(duplicates, 'row')} with an id that came before: left out`;
  return [name, file, plural(rows, 'row'), twice];
}

function countRows(view: DiffView): string[][] {
  const layout = view.layout_changed === 0 ? '' : `${formatCount(view.layout_changed)} of them JSON written otherwise`;
  const json = view.answer_changed_json === 0 ? '' : `${formatCount(view.answer_changed_json)} of them JSON in both`;
  return [
    ['same', formatCount(view.same), layout],
    ['answer changed', formatCount(view.answer_changed), json],
    ['outcome changed', formatCount(view.outcome_changed)],
    ['only in a', formatCount(view.only_in_a)],
    ['only in b', formatCount(view.only_in_b)],
  ];
}

function tallied(names: Readonly<Record<string, number>>): string[] {
  const entries = Object.entries(names);
  if (entries.length === 0) return [];
  const rows = entries.slice(0, FIELDS_SHOWN_MAX).map(([name, count]) => [name, formatCount(count)]);
  const more = entries.length - rows.length;
  return [table(rows), ...(more > 0 ? [`  … and ${formatCount(more)} more`] : [])];
}

function sumLines({ both, a, b }: DiffView): string[] {
  if (both === 0) return [];
  const rows = SUMS.filter(([key]) => (a[key] ?? 0) > 0 || (b[key] ?? 0) > 0).map(([key, name]) => {
    const show = (value: number | null): string =>
      value === null ? 'unknown' : key === 'cost_usd' ? formatUsd(value) : formatCount(value);
    return [name, show(a[key]), show(b[key]), changeText(a[key], b[key])];
  });
  return rows.length === 0 ? [] : [table(rows)];
}

const SUMS: readonly (readonly [keyof Sums, string])[] = [
  ['input_tokens', 'input'],
  ['output_tokens', 'output'],
  ['cache_creation_input_tokens', 'cache writes'],
  ['cache_read_input_tokens', 'cache reads'],
  ['cost_usd', 'cost'],
];

function changeText(a: number | null, b: number | null): string {
  if (a === null || b === null || a === 0) return '';
  const percent = (b / a - 1) * 100;
  return `(${percent >= 0 ? '+' : ''}${percent.toFixed(1)} %)`;
}

function differenceLines(one: Difference): string[] {
  const places = [one.line_a === null ? '' : `a:${one.line_a}`, one.line_b === null ? '' : `b:${one.line_b}`];
  const where = places.filter((place) => place !== '').join(', ');
  const head = `  ${shortened(one.id)} (${where})`;
  if (one.a === null || one.b === null) return [`${head}: only in ${one.a === null ? 'b' : 'a'}`];
  if (one.kind === 'outcome') return [`${head}: ${one.a} -> ${one.b}`];
  return [`${head}${fieldsText(one.fields)}`, `    a  ${one.a}`, `    b  ${one.b}`];
}

function fieldsText(fields: readonly string[] | null): string {
  if (fields === null) return '';
  const shown = fields.slice(0, FIELDS_OF_ROW_MAX).map(shortened);
  const more = fields.length - shown.length;
  return `: ${shown.join(', ')}${more > 0 ? ` and ${plural(more, 'field')} more` : ''}`;
}

function brokenLines({ file, broken }: DiffFile): string[] {
  const shown = broken.shown.map(({ line, message }) => `  ${file}:${line}: ${message}`);
  const more = broken.count - shown.length;
  return more > 0 ? [...shown, `  … and ${formatCount(more)} more of ${file}`] : shown;
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
