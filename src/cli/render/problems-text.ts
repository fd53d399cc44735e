/**
 * The rows that cannot be sent, and what is worth knowing about those that can: with file, line, id and reason.
 */
import { formatCount, plural } from '../../base/units.ts';
import type { RowNotice } from '../../domain/source.ts';
import type { ShownProblem } from '../../engine/ingest/problems.ts';

export function problemsText(problems: readonly ShownProblem[], count: number): string {
  const lines = problems.map(({ file, line, id, message }) => {
    const row = id === String(line) ? '' : ` (row ${shortened(id)})`;
    return `  ${file}:${line}${row}: ${message}`;
  });
  const more = count - problems.length;
  if (more > 0) lines.push(`  … and ${formatCount(more)} more`);
  return `${plural(count, 'problem')}:\n${lines.join('\n')}`;
}

export function noticesText(notices: readonly (RowNotice & { readonly rows: number })[]): string {
  return notices.map((notice) => `note: ${notice.message} (${plural(notice.rows, 'row')})`).join('\n');
}

function shortened(id: string): string {
  return id.length > 40 ? `${id.slice(0, 40)}…` : id;
}
