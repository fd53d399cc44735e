/**
 * `batchrun list`: the runs of this state folder, a line each.
 */
import { systemClock } from '../base/clock.ts';
import { formatCount, formatDuration, formatUsd } from '../base/units.ts';
import { viewRun } from '../engine/views/status.ts';
import { hasState, openReading, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { jsonText, stateWord, table } from './terminal/ui.ts';

export async function runList(context: Context): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  if (!hasState(stateFolder)) {
    await terminal.data(
      flags.json === true ? jsonText({ runs: [] }) : `No runs: there is no state in ${stateFolder}.\n`,
    );
    return EXIT.ok;
  }
  const store = await openReading(stateFolder);
  try {
    const views = [];
    for (const run of await store.runs()) views.push(await viewRun(store, run));
    if (flags.json === true) {
      await terminal.data(jsonText({ runs: views }));
      return EXIT.ok;
    }
    const lines = views.map((view) => [
      view.id,
      view.name ?? '',
      stateWord(view),
      formatCount(view.rows['total'] ?? 0),
      formatCount(view.rows['succeeded'] ?? 0),
      view.cost_usd.spent === null ? 'unknown' : formatUsd(view.cost_usd.spent),
      ago(view.created_at),
      view.output ?? '',
    ]);
    const head = ['run', 'name', 'state', 'rows', 'succeeded', 'cost', 'created', 'output'];
    await terminal.text(lines.length === 0 ? `No runs in ${stateFolder}.\n` : `${table([head, ...lines], '')}\n`);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

function ago(iso: string): string {
  return `${formatDuration(systemClock.now() - Date.parse(iso))} ago`;
}
