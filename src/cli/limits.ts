/**
 * `batchrun limits`: what is known of the account's limits, from where and how fresh, and how much of them is used.
 * From the ledger alone: works offline and beside a driver.
 */
import { viewLimits } from '../engine/views/limits-view.ts';
import { hasState, openReading, systemNow, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { limitsText } from './render/limits-text.ts';
import { jsonText } from './terminal/ui.ts';

export async function runLimits(context: Context): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  const pools = await knownPools(stateFolder);
  const nowMs = systemNow();
  const views = viewLimits(pools, nowMs);
  if (flags.json === true) {
    await terminal.data(jsonText({ limits: views, state: stateFolder }));
  } else if (views.length === 0) {
    await terminal.text(`Nothing is known of limits in ${stateFolder} yet: they are learnt while a command drives.\n`);
  } else {
    const color = terminal.dataColor;
    await terminal.text(`${limitsText(views, { color, nowMs })}\n`);
  }
  return EXIT.ok;
}

async function knownPools(stateFolder: string): ReturnType<Awaited<ReturnType<typeof openReading>>['pools']> {
  if (!hasState(stateFolder)) return [];
  const store = await openReading(stateFolder);
  try {
    return await store.pools();
  } finally {
    await store.close();
  }
}
