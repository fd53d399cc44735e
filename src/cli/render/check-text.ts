/**
 * What `batchrun check` shows of an input.
 */
import { formatBytes, formatCount, plural } from '../../base/units.ts';
import type { ShownProblem } from '../../engine/ingest/problems.ts';
import type { CheckReport } from '../../tools/check/check-rows.ts';
import { createPaint, table } from '../terminal/ui.ts';
import { noticesText, problemsText } from './problems-text.ts';

export interface CheckView extends CheckReport {
  readonly ok: boolean;
  readonly inputs: readonly string[];
  /** Flags without which what is sent could not be checked. */
  readonly not_given: readonly string[];
}

export function checkText(
  view: CheckView,
  shown: readonly ShownProblem[],
  { color }: { readonly color: boolean },
): string {
  const paint = createPaint(color);
  const { rows, bad_rows: bad, inputs, kinds } = view;
  const names = inputs.length > 3 ? `${inputs.slice(0, 3).join(', ')}, …` : inputs.join(', ');
  const head = view.ok
    ? `${names}: ${plural(rows, 'row')}, ${paint.green('nothing is wrong')}`
    : `${names}: ${plural(rows, 'row')}, ${paint.red(`${formatCount(bad)} cannot be sent`)}`;
  const kindRows = kinds.map(({ code, count, first }) => [code, formatCount(count), `${first.file}:${first.line}`]);
  const blocks = [
    [head, ...sizeLines(view)].join('\n'),
    view.ok ? '' : `${paint.bold('by kind, with the first of each')}\n${table(kindRows)}`,
    view.ok ? '' : problemsText(shown, view.problem_count),
    [...noteLines(view), ...hintLines(view)].join('\n'),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function sizeLines({ models, request_bytes: bytes, largest, not_given: missing }: CheckView): string[] {
  // Of stand-ins there is nothing to tell.
  if (largest === null || missing.length > 0) return [];
  const list = Object.entries(models)
    .slice(0, 5)
    .map(([model, rows]) => `${model} ${formatCount(rows)}`);
  const more = Object.keys(models).length - list.length;
  return [
    `  ${formatBytes(bytes)} of requests (${list.join(', ')}${more > 0 ? `, and ${plural(more, 'model')} more` : ''}); the largest is ${formatBytes(largest.bytes)}, ${largest.file}:${largest.line}`,
  ];
}

function noteLines({ notices, not_given: missing }: CheckView): string[] {
  const lines = notices.length === 0 ? [] : [noticesText(notices)];
  if (missing.length === 0) return lines;
  const last = missing.length > 1 ? `${missing.slice(0, -1).join(', ')} and ` : '';
  const verb = missing.length > 1 ? 'are' : 'is';
  return [
    ...lines,
    `note: ${last}${missing.at(-1) ?? ''} ${verb} not given: the file and its ids were checked, not all that would be sent`,
  ];
}

function hintLines({ kinds }: CheckView): string[] {
  const codes = new Set(kinds.map(({ code }) => code));
  if (!codes.has('no_prompt') && !codes.has('no_model')) return [];
  return ['Rows without params of their own need --model, --max-tokens and --prompt here, as with submit.'];
}
