/** What is said of a deadline while a run goes on: what will be late, when it will be done, and what would help. */
import { formatCount, plural } from '../../base/units.ts';
import type { EngineEvent } from '../../engine/events.ts';

export function deadlineText(event: Extract<EngineEvent, { kind: 'deadline.late' }>): string {
  const { runId, deadlineMs, lateRows, missed, doneAtMs, rowsPerMinute } = event;
  const by = minuteText(deadlineMs);
  if (missed && lateRows > 0) {
    return `the deadline of ${runId}, ${by}, is over: ${plural(lateRows, 'row')} still ${lateRows === 1 ? 'has' : 'have'} no answer. They go on in the cheap lane, to about ${minuteText(doneAtMs)}`;
  }
  if (lateRows === 0) return `${runId} makes its deadline, ${by}, after all as it looks`;
  return [
    `${plural(lateRows, 'row')} of ${runId} will miss the deadline, ${by}: the last will be done at about ${minuteText(doneAtMs)}`,
    `  the realtime lane does ${formatCount(rowsPerMinute)} rows a minute of this run. Raise --concurrency or the limits (\`batchrun limits\`), or give a later --deadline`,
  ].join('\n');
}

function minuteText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
