/**
 * `batchrun status`: what is where, from the ledger alone. Works offline and beside a driver; the SDK is not loaded.
 */
import { hostname } from 'node:os';
import { systemClock } from '../base/clock.ts';
import { plural } from '../base/units.ts';
import type { RunRecord } from '../domain/model.ts';
import type { DriverRecord } from '../domain/store-steps.ts';
import type { LimitsView } from '../engine/views/limits-view.ts';
import { viewRun, type RunView } from '../engine/views/status.ts';
import { BatchrunError, systemCodeOf } from '../base/errors.ts';
import { hasState, openReading, type Context, type LedgerReading } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { runText, type TextOptions } from './render/run-text.ts';
import { selectRuns } from './drive/select-run.ts';
import { jsonText } from './terminal/ui.ts';

/** Without a name, unfinished runs are shown, and the newest finished ones up to this many. */
const FINISHED_SHOWN_MAX = 3;

interface Limits {
  readonly views: readonly LimitsView[];
  readonly paragraph: (options: TextOptions) => string;
}

export async function runStatus(context: Context, wanted: string | undefined): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  if (!hasState(stateFolder)) {
    if (wanted !== undefined) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
    if (flags.json === true) await terminal.data(jsonText({ runs: [], state: stateFolder, limits: [] }));
    else await terminal.text(`No runs: there is no state in ${stateFolder}.\nStart with: batchrun submit <input>\n`);
    return EXIT.ok;
  }
  const store = await openReading(stateFolder);
  try {
    const text = (): Promise<string> => rendered(context, store, wanted);
    if (flags.watch === true) {
      const { watch } = await import('./watch/watch.ts');
      return await watch({ context, store, wanted, relevant, isDriving, rendered: text });
    }
    if (flags.json === true) await terminal.data(await text());
    else await terminal.text(await text());
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

async function rendered(context: Context, store: LedgerReading, wanted: string | undefined): Promise<string> {
  const { flags, stateFolder } = context;
  const all = await selectRuns(store, wanted, stateFolder);
  const runs = wanted === undefined && flags.json !== true ? relevant(all) : all;
  const views: RunView[] = [];
  for (const run of runs) views.push(await viewRun(store, run));
  const driver = await store.driver();
  const driving = driver && isDriving(driver) ? driver : null;
  const nowMs = systemClock.now();
  const limits = await limitsOf(store, nowMs);
  if (flags.json === true) {
    const who = driving && { pid: driving.pid, host: driving.host, command: driving.command };
    return jsonText({ runs: views, state: stateFolder, driver: who, limits: limits?.views ?? [] });
  }
  if (views.length === 0) return `No runs in ${stateFolder}.\nStart with: batchrun submit <input>\n`;
  const options = { color: context.terminal.dataColor, nowMs };
  const texts = views.map((view) => runText(view, options));
  if (runs.some(isDriven)) texts.push(drivingText(driving));
  const hidden = all.length - runs.length;
  if (hidden > 0) texts.push(`${plural(hidden, 'older finished run')}: \`batchrun list\``);
  const paragraph = limits?.paragraph(options) ?? '';
  if (paragraph !== '') texts.push(paragraph);
  return `${texts.join('\n\n')}\n`;
}

/** Does anybody go on with what is not done? After a crash that is the first thing to know. */
function drivingText(driver: DriverRecord | null): string {
  return driver === null
    ? 'No process drives this state now: `batchrun collect` goes on.'
    : `Process ${driver.pid} on ${driver.host} (\`${driver.command}\`) drives this state.`;
}

/** Reading an input needs no driver. */
function isDriven({ state }: RunRecord): boolean {
  return state !== 'done' && state !== 'ingesting';
}

/** The account's limits, where something is known of them: else nothing is loaded for it. */
async function limitsOf(store: LedgerReading, nowMs: number): Promise<Limits | null> {
  const pools = await store.pools();
  if (pools.length === 0) return null;
  const { viewLimits } = await import('../engine/views/limits-view.ts');
  const { limitsParagraph } = await import('./render/limits-text.ts');
  const views = viewLimits(pools, nowMs);
  return { views, paragraph: (options) => limitsParagraph(views, options) };
}

/** A driver that was killed cannot let go: where it was on this machine, a look tells whether it still is. */
export function isDriving(driver: DriverRecord): boolean {
  if (driver.letGoAtMs !== null) return false;
  if (driver.host !== hostname()) return true;
  try {
    // Signal 0 ends nothing: it only asks whether the process is there.
    // eslint-disable-next-line no-restricted-properties
    process.kill(driver.pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) === 'EPERM';
  }
}

function relevant(runs: readonly RunRecord[]): RunRecord[] {
  const finished = runs.filter((run) => run.state === 'done').slice(-FINISHED_SHOWN_MAX);
  return runs.filter((run) => run.state !== 'done' || finished.includes(run));
}
