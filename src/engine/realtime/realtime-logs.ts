/**
 * The append logs of the realtime lane, one for each run, opened when the first of its rows is about to be called.
 *
 * Opening a log cuts what lies beyond its committed length. A driver that was stopped and fenced must not do that: what
 * lies there may be an answer that the next driver has synced and not committed yet.
 */
import { paths } from '../../domain/ids.ts';
import type { AppendLog } from '../../domain/ports.ts';
import type { Session } from '../session.ts';

export class RealtimeLogs {
  readonly #session: Session;
  readonly #open = new Map<string, AppendLog>();

  constructor(session: Session) {
    this.#session = session;
  }

  async of(runId: string): Promise<AppendLog> {
    let log = this.#open.get(runId);
    if (!log) {
      const { engine, driver } = this.#session;
      const committed = (await engine.store.run(runId))?.realtimeLogBytes ?? 0;
      await driver.assertDriving();
      log = await engine.files.openAppend(paths.realtime(runId), committed);
      this.#open.set(runId, log);
    }
    return log;
  }

  async close(): Promise<void> {
    for (const log of this.#open.values()) await log.close();
    this.#open.clear();
  }
}
