/**
 * What a person may do with a run from the page, and what it would cost: said before anything is done.
 */
import { plural, formatUsd } from '../../base/units.ts';
import type { RunView } from '../../engine/views/status.ts';
import type { DriverView } from '../progress/view.ts';
import { RETRY_STATES } from './tasks.ts';

export interface ActionView {
  readonly possible: boolean;
  /** Why not, or what it does and costs, sentence by sentence. */
  readonly says: readonly string[];
}

export interface PossibleView {
  readonly cancel: ActionView;
  readonly collect: ActionView;
  readonly retry: ActionView & { readonly rows: Readonly<Record<string, number>> };
}

export interface Circumstances {
  readonly driver: DriverView | null;
  /** Why commands cannot be started; null where they can. */
  readonly missing: string | null;
}

export function possibleFor(run: RunView, circumstances: Circumstances): PossibleView {
  return {
    cancel: cancel(run, circumstances),
    collect: collect(run, circumstances),
    retry: retry(run, circumstances),
  };
}

function cancel(run: RunView, { driver, missing }: Circumstances): ActionView {
  if (run.state === 'done') return no('It is done already.');
  if (run.state === 'canceling') return no('It is being canceled.');
  if (missing !== null) return no(missing);
  const open = run.batches.filter(({ status }) => status !== 'ended');
  const unsent = (run.rows['waiting'] ?? 0) + (run.rows['retry'] ?? 0);
  return yes(
    unsent > 0 ? `${plural(unsent, 'row')} that were not sent yet are dropped, at no cost.` : '',
    open.length > 0
      ? `${plural(open.length, 'batch', 'batches')} under way are stopped. What they have finished is paid, collected and kept.`
      : '',
    `${plural(run.rows['succeeded'] ?? 0, 'row')} with answers stay as they are. Canceled rows can be sent again later with a retry.`,
    driver === null
      ? 'Nobody drives this state: `batchrun cancel` is started here and runs until the batches have stopped.'
      : `\`batchrun cancel\` asks for it here; ${driver.command} (process ${driver.pid}) drives this state and does it, or this command once that is over.`,
  );
}

function collect(run: RunView, { driver, missing }: Circumstances): ActionView {
  if (run.state === 'done') return no('It is done.');
  if (driver !== null) return no(`${driver.command} (process ${driver.pid}) drives this state already.`);
  if (missing !== null) return no(missing);
  const { spent, estimated_total: estimate } = run.cost_usd;
  return yes(
    '`batchrun collect` is started here: it sends what waits, polls, collects, retries and writes the output.',
    spent !== null && estimate !== null && estimate > spent
      ? `What is left costs about ${formatUsd(estimate - spent)} as it looks.`
      : 'What is left to send costs money.',
    "It ends with this page's server, and can be stopped at any time; nothing is lost.",
  );
}

function retry(run: RunView, { driver, missing }: Circumstances): PossibleView['retry'] {
  const rows = Object.fromEntries(RETRY_STATES.map((state) => [state, run.rows[state] ?? 0]));
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  if (run.state !== 'done') return { ...no('Its rows are still being tried.'), rows };
  if (total === 0) return { ...no('Every row succeeded, or was refused when the input was read.'), rows };
  if (driver !== null)
    return { ...no(`${driver.command} (process ${driver.pid}) drives this state: wait for it.`), rows };
  if (missing !== null) return { ...no(missing), rows };
  const { spent } = run.cost_usd;
  const answered = Object.values(run.lanes).reduce((sum, lane) => sum + lane.rows, 0);
  const each = spent !== null && answered > 0 ? spent / answered : null;
  const says = yes(
    `Up to ${plural(total, 'row')} are sent again with fresh attempts. Rows that succeeded stay as they are.`,
    each === null
      ? 'They cost what their requests cost.'
      : `At the average of this run a row costs ${formatUsd(each)}: about ${formatUsd(each * total)} for all of them.`,
    'The output is written anew at the end.',
  );
  return { ...says, rows };
}

function yes(...says: readonly string[]): ActionView {
  return { possible: true, says: says.filter((sentence) => sentence !== '') };
}

function no(why: string): ActionView {
  return { possible: false, says: [why] };
}
