/**
 * What the engine tells as a line of the log: the same names in `--log-format json` and in the library's `log`
 * (engine/views/log-events.ts).
 */
import type { LogFields, Logger } from '../base/log.ts';
import type { EngineEvent } from '../engine/events.ts';
import { ENGINE_EVENTS } from '../engine/views/log-events.ts';

const NAMES: Readonly<Record<string, string>> = { runId: 'run', chunkNo: 'chunk', batchId: 'batch', seq: 'row' };
/** Times since 1970; everything else in milliseconds is a duration. */
const TIMES: readonly string[] = ['untilMs', 'deadlineMs', 'doneAtMs', 'sinceMs'];

export function logEvent(log: Logger, event: EngineEvent): void {
  log[ENGINE_EVENTS[event.kind].level](event.kind, fieldsOf(event));
}

/** `waitMs` becomes `wait_ms`, `untilMs` becomes `until`, an ISO time. */
export function fieldsOf({ kind: _kind, ...rest }: EngineEvent): LogFields {
  return Object.fromEntries(
    Object.entries(rest).map(([name, value]: [string, unknown]) => {
      const plain = TIMES.includes(name) ? name.slice(0, -2) : name;
      const snake = NAMES[name] ?? plain.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const isTime = TIMES.includes(name) && typeof value === 'number' && Number.isFinite(value);
      return [snake, isTime ? new Date(value).toISOString() : value];
    }),
  );
}
