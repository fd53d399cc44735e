/**
 * `batchrun log <run>`: what happened when, from the event table.
 */
import { BatchrunError } from '../base/errors.ts';
import type { EventRecord } from '../domain/store-steps.ts';
import { hasState, openReading, type Context } from './context.ts';
import { EXIT } from './drive/outcome.ts';
import { selectRun } from './drive/select-run.ts';

const PAGE_EVENTS = 1_000;

export async function runLog(context: Context, wanted: string): Promise<number> {
  const { flags, terminal, stateFolder } = context;
  if (!hasState(stateFolder)) throw new BatchrunError('E_RUN_UNKNOWN', `there is no state in ${stateFolder}`);
  const store = await openReading(stateFolder);
  const print = (events: readonly EventRecord[]): Promise<void> =>
    flags.json === true ? terminal.data(events.map(jsonLine).join('')) : terminal.text(events.map(textLine).join(''));
  try {
    const run = await selectRun(store, wanted, stateFolder);
    if (flags.tail !== undefined) {
      const events = await store.events(run.id, { limit: flags.tail, newest: true });
      await print(events);
      return EXIT.ok;
    }
    for (let afterId = 0; !context.signal.aborted;) {
      const events = await store.events(run.id, { afterId, limit: PAGE_EVENTS });
      const last = events.at(-1);
      if (!last) break;
      afterId = last.id;
      await print(events);
    }
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

function jsonLine(event: EventRecord): string {
  const { id, atMs, kind, runId, chunkNo, seq, data } = event;
  return `${JSON.stringify({ id, time: new Date(atMs).toISOString(), event: kind, run: runId, chunk: chunkNo, row: seq, ...data })}\n`;
}

function textLine(event: EventRecord): string {
  const chunk = event.chunkNo === null ? '' : ` chunk ${event.chunkNo}`;
  const row = event.seq === null ? '' : ` row ${event.seq}`;
  const data = Object.entries(event.data).map(dataText).join('');
  return `${new Date(event.atMs).toISOString()}  ${event.kind}${chunk}${row}${data}\n`;
}

/** ` name=value`. Of counts by name those that are not 0: `{succeeded: 3, errored: 0}` is ` counts.succeeded=3`. */
function dataText([name, value]: readonly [string, unknown]): string {
  if (Array.isArray(value)) return value.length === 0 ? '' : ` ${name}=${value.map(valueText).join(',')}`;
  if (typeof value !== 'object' || value === null) return ` ${name}=${valueText(value)}`;
  const parts = Object.entries(value).filter(([, part]) => part !== 0);
  return parts.map(([part, inner]) => ` ${name}.${part}=${valueText(inner)}`).join('');
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
