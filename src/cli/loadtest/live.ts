/**
 * A load test on the terminal while it runs: one line that is written over each second, or a line every few seconds where
 * nobody looks at a terminal.
 */
import { formatCount, formatDuration, formatUsd, plural } from '../../base/units.ts';
import type { LoadControl, LoadPoint, LoadSnapshot } from '../../tools/loadtest/live.ts';
import { milliseconds } from '../../tools/loadtest/words.ts';
import type { Terminal } from '../terminal/terminal.ts';

const TALK_EVERY_SECONDS = 5;

/** Gives what ends it. */
export function showLive(control: LoadControl, terminal: Terminal): () => void {
  let talkedAt = 0;
  const show = (): void => {
    const snapshot = control.snapshot();
    if (terminal.live) {
      terminal.line(liveLine(snapshot).slice(0, terminal.columns - 1));
      return;
    }
    if (snapshot.state === 'done' || snapshot.elapsed_seconds < talkedAt + TALK_EVERY_SECONDS) return;
    talkedAt = snapshot.elapsed_seconds;
    terminal.talk(liveLine(snapshot));
  };
  const forget = control.onChange(show);
  return () => {
    forget();
    terminal.line('');
  };
}

function liveLine(snapshot: LoadSnapshot): string {
  const { settings, state, latency, points } = snapshot;
  const now = formatDuration(snapshot.elapsed_seconds * 1_000);
  const wanted = snapshot.wanted_per_second;
  const load =
    settings.load === 'closed'
      ? plural(snapshot.users, 'user')
      : `${wanted === null ? '' : `${Number(wanted.toPrecision(3))}/s wanted, `}${formatCount(snapshot.in_flight)} under way`;
  const bad = [
    ...(snapshot.rate_limited > 0 ? [`429 ${formatCount(snapshot.rate_limited)}`] : []),
    ...(snapshot.failed > 0 ? [`failed ${formatCount(snapshot.failed)}`] : []),
  ];
  const parts = [
    state === 'stopping' ? `${now}, stopping` : `${now} of ${formatDuration(settings.duration_seconds * 1_000)}`,
    load,
    `${snapshot.requests_per_second}/s`,
    [`ok ${formatCount(snapshot.succeeded)}`, ...bad].join(', '),
    timesOf(points, latency.total === null ? null : latency.total.p99_ms),
    ...(snapshot.cost_usd !== null && settings.target !== 'sim' ? [formatUsd(snapshot.cost_usd)] : []),
  ];
  return parts.filter((part) => part !== '').join(' | ');
}

/** The last second in which something ended, and the tail of the whole test. */
function timesOf(points: readonly LoadPoint[], p99: number | null): string {
  const p50 = points.findLast((point) => point.p50_ms !== null)?.p50_ms ?? null;
  return p50 === null || p99 === null ? '' : `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}`;
}
