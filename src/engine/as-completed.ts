/**
 * `--as-completed`: lines on stdout as rows are settled, in no order. What was printed is remembered in memory only, one
 * bit a row: a restart prints from the start, so a reader gets every line at least once.
 */
import type { RunRecord } from '../domain/model.ts';
import type { RecordFormatter } from '../domain/output-record.ts';
import type { Engine } from './engine.ts';
import { formatterOptions, toOutputRecord } from './output.ts';
import { walkRows, type WalkedRow } from './walk.ts';
import { OPEN_ROW_STATES } from '../domain/transitions.ts';

export class AsCompleted {
  readonly #engine: Engine;
  readonly #write: (text: string) => Promise<void>;
  readonly #printed = new Map<string, Uint8Array>();
  readonly #settledBefore = new Map<string, number>();

  constructor(engine: Engine, write: (text: string) => Promise<void>) {
    this.#engine = engine;
    this.#write = write;
  }

  /** Prints what has been settled since the last time. */
  async print(runIds: readonly string[]): Promise<void> {
    for (const runId of runIds) {
      const run = await this.#engine.store.run(runId);
      if (run) await this.#printRun(run);
    }
  }

  async #printRun(run: RunRecord): Promise<void> {
    const settled = run.totalRows - OPEN_ROW_STATES.reduce((sum, state) => sum + run.rows[state], 0);
    // Nothing new: the walk would read every row file for nothing.
    if (this.#settledBefore.get(run.id) === settled) return;
    this.#settledBefore.set(run.id, settled);
    const formatter = this.#engine.formats.formatter(formatterOptions(run));
    let printed = this.#printed.get(run.id);
    if (!printed) {
      printed = new Uint8Array(Math.ceil(run.totalRows / 8));
      this.#printed.set(run.id, printed);
      const header = formatter.header();
      if (header !== null) await this.#write(header);
    }
    for await (const row of walkRows(this.#engine, run)) await this.#printRow(formatter, printed, row);
  }

  async #printRow(formatter: RecordFormatter, printed: Uint8Array, row: WalkedRow): Promise<void> {
    const at = row.seq >> 3;
    const bit = 1 << (row.seq & 7);
    const before = printed[at] ?? 0;
    if ((before & bit) !== 0 || OPEN_ROW_STATES.includes(row.state)) return;
    printed[at] = before | bit;
    await this.#write(formatter.format(toOutputRecord(row)));
  }
}
