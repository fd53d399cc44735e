/**
 * `--metrics-port` and `--metrics-file` while a command drives. They only look: what goes wrong with them once the work
 * has begun is logged and stops nothing. Without these flags nothing is loaded.
 */
import { resolve } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { MeteredLedger } from '../../engine/views/metrics.ts';
import { loadMetrics, type Context } from '../context.ts';

export interface Metrics {
  readonly observe: (event: EngineEvent) => void;
  /** Writes the file for the last time and closes the port. */
  stop(): Promise<void>;
}

export const NO_METRICS: Metrics = { observe: () => undefined, stop: () => Promise.resolve() };

/** Prometheus looks every 15 s or more rarely. */
const FILE_INTERVAL_MS = 10_000;

/** Throws where the port is taken or the file cannot be written: that is known before anything is sent. */
export async function startMetrics(context: Context, ledger: MeteredLedger, origin: string): Promise<Metrics> {
  const { metricsPort: port, metricsFile } = context.flags;
  if (port === undefined && metricsFile === undefined) return NO_METRICS;
  const { Meter } = await import('../../engine/views/metrics.ts');
  const { toPrometheus, serveMetrics, writeMetrics } = await loadMetrics();
  const meter = new Meter(() => systemClock.now());
  const text = async (): Promise<string> => toPrometheus(await meter.read(ledger, origin));
  const file = metricsFile === undefined ? null : resolve(metricsFile);
  const write = async (): Promise<void> => {
    if (file !== null) await writeMetrics(file, await text());
  };
  await write();
  const server = port === undefined ? null : await serveMetrics(port, text);
  if (server && context.flags.quiet !== true) context.terminal.talk(`Metrics: ${server.url}`);
  const over = new AbortController();
  const writing = file === null ? Promise.resolve() : writeOften(context, write, over.signal);
  return {
    observe: (event) => meter.observe(event),
    stop: async () => {
      over.abort();
      await writing;
      await server?.close();
    },
  };
}

/** Every few seconds, and once more at the end. Of failures in a row the first is told. */
async function writeOften(context: Context, write: () => Promise<void>, over: AbortSignal): Promise<void> {
  let isFailing = false;
  for (let isLast = false; !isLast;) {
    await systemClock.sleep(FILE_INTERVAL_MS, over);
    isLast = over.aborted;
    try {
      await write();
      isFailing = false;
    } catch (error) {
      if (!isFailing) context.log.warn('metrics.not_written', { why: messageOf(error) });
      isFailing = true;
    }
  }
}
