/**
 * `--as-completed`: lines on stdout as rows are settled, in no order. What was printed is remembered in memory only, one
 * bit a row: a restart prints from the start, so a reader gets every line at least once.
 */
import { ROW_STATES, type RunRecord } from '../../domain/model.ts';
import type { RecordFormatter } from '../../domain/output-record.ts';
import type { Engine } from '../engine.ts';
import { formatterOptions, toOutputRecord } from './output.ts';
import { walkRows } from './walk.ts';
import { toSkipped, type WalkedRow } from './walked-row.ts';
import { skippedRows } from './walk-sources.ts';
import { OPEN_ROW_STATES } from '../../domain/transitions.ts';

/** Chunks in these states have brought what they will ever bring. */
const SETTLED_CHUNKS = ['collected', 'refused', 'canceled', 'lost'] as const;
const SETTLED_ROWS = ROW_STATES.filter((state) => !OPEN_ROW_STATES.includes(state));
const PAGE_ROWS = 1_000;

interface Printed {
  readonly formatter: RecordFormatter;
  /** One bit a row. */
  readonly rows: Uint8Array;
  readonly chunks: Set<number>;
  settled: number;
}

export class AsCompleted {
  readonly #engine: Engine;
  readonly #write: (text: string) => Promise<void>;
  readonly #printed = new Map<string, Printed>();

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
    const before = this.#printed.get(run.id);
    const printed = before ?? (await this.#begin(run));
    const settled = SETTLED_ROWS.reduce((sum, state) => sum + run.rows[state], 0);
    // Nothing new: looking at the chunks would be for nothing.
    if (before?.settled === settled) return;
    printed.settled = settled;
    const chunkNos = await this.#chunksWithNews(run, printed);
    for await (const row of walkRows(this.#engine, run, chunkNos)) await this.#printRow(printed, row);
  }

  /** The header, and the rows that were never sent. */
  async #begin(run: RunRecord): Promise<Printed> {
    const formatter = this.#engine.formats.formatter(formatterOptions(run));
    const rows = new Uint8Array(Math.ceil(run.totalRows / 8));
    const printed: Printed = { formatter, rows, chunks: new Set(), settled: -1 };
    this.#printed.set(run.id, printed);
    const header = formatter.header();
    if (header !== null) await this.#write(header);
    for await (const entry of skippedRows(this.#engine, run)) await this.#printRow(printed, toSkipped(entry));
    return printed;
  }

  /** Chunks that were settled since, and chunks of which a row was settled elsewhere, by a retry. */
  async #chunksWithNews(run: RunRecord, printed: Printed): Promise<ReadonlySet<number>> {
    const { store } = this.#engine;
    const news = new Set<number>();
    for (const { chunkNo } of await store.chunks(run.id, { kind: 'input', states: SETTLED_CHUNKS })) {
      if (printed.chunks.has(chunkNo)) continue;
      printed.chunks.add(chunkNo);
      news.add(chunkNo);
    }
    for (let afterSeq = -1; ;) {
      const records = await store.rowRecords(run.id, { states: SETTLED_ROWS, afterSeq, limit: PAGE_ROWS });
      for (const record of records) if (!isPrinted(printed, record.seq)) news.add(record.homeChunkNo);
      const last = records.at(-1);
      if (!last) return news;
      afterSeq = last.seq;
    }
  }

  async #printRow(printed: Printed, row: WalkedRow): Promise<void> {
    if (isPrinted(printed, row.seq) || OPEN_ROW_STATES.includes(row.state)) return;
    printed.rows[row.seq >> 3] = (printed.rows[row.seq >> 3] ?? 0) | (1 << (row.seq & 7));
    await this.#write(printed.formatter.format(toOutputRecord(row)));
  }
}

function isPrinted(printed: Printed, seq: number): boolean {
  return ((printed.rows[seq >> 3] ?? 0) & (1 << (seq & 7))) !== 0;
}
