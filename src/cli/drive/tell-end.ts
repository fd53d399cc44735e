/**
 * What a run has come to, told when a command ends: a summary, a line of JSON, or with --quiet only what somebody has to
 * look at, so that a mail from cron is a reason to read it.
 */
import { systemClock } from '../../base/clock.ts';
import type { RunView } from '../../engine/views/status.ts';
import type { Context } from '../context.ts';
import { summaryFields } from '../terminal/json-telling.ts';
import { EXIT } from './outcome.ts';
import { mailText, summaryText } from '../render/run-text.ts';

export function tellEnd({ flags, terminal, log }: Context, view: RunView, exit: number): void {
  if (flags.logFormat === 'json') {
    log.info('run.summary', summaryFields(view, exit));
  } else if (flags.json !== true && flags.quiet !== true) {
    terminal.talk(summaryText(view, { color: terminal.color, nowMs: systemClock.now() }));
  } else if (flags.quiet === true && (exit === EXIT.rowsFailed || exit === EXIT.blocked)) {
    terminal.talk(mailText(view));
  }
}
