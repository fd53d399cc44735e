/**
 * What a command that was stopped leaves behind: what goes on at the API and is billed, and how to stop that.
 */
import { plural } from '../../base/units.ts';
import type { RunView } from '../../engine/views/status.ts';

/** How to go on, what goes on being billed, and how to stop that. */
export function stoppedText(views: readonly RunView[]): string {
  const open = views.flatMap((view) =>
    view.batches.filter((batch) => batch.status !== 'ended').map((batch) => ({ view, batch })),
  );
  const lines = ['Stopped; the state is kept.', 'Go on with: batchrun collect'];
  if (open.length > 0) {
    const rows = open.reduce((sum, { batch }) => sum + batch.rows, 0);
    const ids = open
      .slice(0, 3)
      .map(({ batch }) => batch.id)
      .join(', ');
    lines.push(
      `${plural(open.length, 'batch', 'batches')} (${ids}${open.length > 3 ? ', …' : ''}) with ${plural(rows, 'row')} ${open.length === 1 ? 'goes' : 'go'} on at the API and will be billed.`,
      cancelText(open.length, [...new Set(open.map(({ view }) => view.id))]),
    );
  }
  const doubtful = views.reduce(
    (sum, view) => sum + (view.chunks['uncertain'] ?? 0) + (view.chunks['submitting'] ?? 0),
    0,
  );
  if (doubtful > 0) {
    lines.push(`In doubt: ${plural(doubtful, 'chunk')} got no clear answer; batches of them may go on and be billed.`);
  }
  return lines.join('\n');
}

/** So many commands can be looked through; the rest is in the table of the runs. */
const CANCELS_MAX = 5;

/**
 * A command for each run, on a line of its own, to be pasted: who pastes one and believes that all has stopped pays for
 * the rest.
 */
function cancelText(batches: number, runIds: readonly string[]): string {
  const it = batches === 1 ? 'it' : 'them';
  const [first = '', ...others] = runIds;
  if (others.length === 0) return `To stop ${it}: batchrun cancel ${first}`;
  const lines = runIds.slice(0, CANCELS_MAX).map((runId) => `  batchrun cancel ${runId}`);
  const more = runIds.length - lines.length;
  if (more > 0) lines.push(`  … and ${more} more: batchrun status`);
  return [`To stop ${it}:`, ...lines].join('\n');
}
