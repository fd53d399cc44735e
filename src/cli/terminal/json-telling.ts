/**
 * `--log-format json`: what the program tells, as one JSON object a line with a stable name in `event`
 * (engine/views/log-events.ts). No prompt, answer or key is in it, as in the text.
 */
import { systemClock } from '../../base/clock.ts';
import { jsonLine, LOG_LEVELS, type LogFields, type Logger } from '../../base/log.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Store } from '../../domain/store.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { RunView } from '../../engine/views/status.ts';
import { logEvent } from '../../host/event-fields.ts';
import type { Flags } from '../flags/options.ts';

/** Between two lines on how far a run is. */
const PROGRESS_INTERVAL_MS = 30_000;

/** What is told in words; null where the level leaves it out. Under --quiet only what matters all the same is told. */
export function messageLine(text: string, { quiet, logLevel = 'info' }: Flags): string | null {
  if (quiet !== true && LOG_LEVELS.indexOf(logLevel) > LOG_LEVELS.indexOf('info')) return null;
  return jsonLine(new Date(systemClock.now()).toISOString(), 'info', 'message', { message: text.trim() });
}

/** The twin of Progress. */
export class JsonTelling {
  readonly #log: Logger;
  #store: Store | undefined;
  #runIds: readonly string[] = [];
  #toldMs = systemClock.monotonicMs();
  #telling = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  readonly emit = (event: EngineEvent): void => {
    logEvent(this.#log, event);
    if (event.kind !== 'changed' && event.kind !== 'waiting') return;
    const nowMs = systemClock.monotonicMs();
    if (this.#telling || nowMs - this.#toldMs < PROGRESS_INTERVAL_MS) return;
    this.#toldMs = nowMs;
    void this.#progress();
  };

  follow(store: Store, runIds: readonly string[]): Promise<void> {
    this.#store = store;
    this.#runIds = runIds;
    return Promise.resolve();
  }

  stop(): void {
    this.#store = undefined;
  }

  async #progress(): Promise<void> {
    this.#telling = true;
    try {
      for (const runId of this.#runIds) {
        const run = await this.#store?.run(runId);
        if (run && run.state !== 'done') this.#log.info('run.progress', rowsOf(run));
      }
    } catch {
      // The engine meets the same ledger and reports what is wrong with it.
    } finally {
      this.#telling = false;
    }
  }
}

function rowsOf(run: RunRecord): LogFields {
  return { run: run.id, name: run.name, state: run.state, rows: { total: run.totalRows, ...run.rows } };
}

/** What a run has come to. */
export function summaryFields(view: RunView, exit: number): LogFields {
  const { id, name, state, rows, cost_usd, usage, failures, output, errors } = view;
  const blocked = view.blocked.map(({ reason }) => reason);
  return { run: id, name, state, exit, rows, cost_usd, usage, failures, blocked, output, errors };
}
