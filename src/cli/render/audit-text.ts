/**
 * An audit in text: a line for each check, and a paragraph for each finding with what to do about it. The JSON twin is
 * the report itself.
 */
import { formatUsd, plural } from '../../base/units.ts';
import type { AuditReport, Check, Finding, RunAudit } from '../../engine/audit/report.ts';
import { createPaint, type Paint } from '../terminal/ui.ts';

/** Paragraphs of one kind in a run; the others are counted. */
const SHOWN_MAX = 5;
const NAME_CHARS = 7;

export function auditText(report: AuditReport, color: boolean): string {
  const paint = createPaint(color);
  const parts = report.runs.map((run) => runText(run, paint));
  parts.unshift(...report.findings.map((one) => paragraph(one, paint.red)));
  const { error } = report.api;
  if (error !== null) parts.push(`${paint.yellow('Not compared with the API')}: ${error.message}\n${error.hint}`);
  parts.push(summary(report, paint));
  return `${parts.join('\n\n')}\n`;
}

function runText(run: RunAudit, paint: Paint): string {
  const name = run.name === null ? '' : ` "${run.name}"`;
  const state = run.ok ? run.state : paint.red(`${run.state}, ${plural(run.findings.length, 'finding')}`);
  const lines = [`${paint.bold(run.id)}${name}  ${state}`, ...run.checks.map((check) => checkLine(check, paint))];
  const findings = shown(run.findings).map((text) => paragraph(text, paint.red));
  const notes = shown(run.notes).map((text) => paragraph(text, paint.dim, 'note'));
  return [lines.join('\n'), ...findings, ...notes].join('\n\n');
}

function checkLine({ name, ok, found }: Check, paint: Paint): string {
  const sign = ok === null ? paint.yellow('?  ') : ok ? paint.green('ok ') : paint.red('off');
  return `  ${sign}  ${name.padEnd(NAME_CHARS)}  ${found}`;
}

function paragraph(one: Finding | string, paint: (text: string) => string, word?: string): string {
  if (typeof one === 'string') return `  ${one}`;
  return `  ${paint(word ?? one.kind.replaceAll('_', ' '))}: ${one.message}.\n    ${one.hint}`;
}

/** A thousand missing files are one fault: the first few of a kind are enough for a person. */
function shown(findings: readonly Finding[]): (Finding | string)[] {
  const seen = new Map<string, number>();
  const list: (Finding | string)[] = [];
  for (const one of findings) {
    const count = (seen.get(one.kind) ?? 0) + 1;
    seen.set(one.kind, count);
    if (count <= SHOWN_MAX) list.push(one);
  }
  for (const [kind, count] of seen) {
    if (count > SHOWN_MAX)
      list.push(`… and ${count - SHOWN_MAX} more of "${kind.replaceAll('_', ' ')}": all with --json`);
  }
  return list;
}

function summary({ ok, complete, runs, findings, cost_usd: cost }: AuditReport, paint: Paint): string {
  const count = findings.length + runs.reduce((sum, run) => sum + run.findings.length, 0);
  const of = plural(runs.length, 'run');
  if (ok) return `${paint.green('In order')}: ${of}.`;
  const unused =
    cost.unused === null
      ? `; paid for nothing: ${cost.unused_known > 0 ? `at least ${formatUsd(cost.unused_known)}` : 'an unknown sum'}`
      : cost.unused > 0
        ? `; paid for nothing: ${formatUsd(cost.unused)}`
        : '';
  const open = complete ? '' : ' Not everything could be checked.';
  if (count === 0) return `Nothing is off as far as it could be checked: ${of}.${open}`;
  return `${paint.red(plural(count, 'finding'))} in ${of}${unused}.${open}`;
}
