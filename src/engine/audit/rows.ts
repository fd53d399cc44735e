/**
 * Where every row of a run is, counted anew: from the outcome bytes of its chunks, from the rows with records of their
 * own, and from the lists of skipped rows. Each row must be in exactly one of these places, and the sums must be the
 * counters that the ledger keeps. Two bits a row, whatever the run holds.
 */
import { plural } from '../../base/units.ts';
import { ROW_STATES, type ChunkRecord, type RowRecord, type RowState, type RunRecord } from '../../domain/model.ts';
import { OUTCOME } from '../../domain/packed-index.ts';
import { OPEN_ROW_STATES, rowStateOfChunk } from '../../domain/transitions.ts';
import { finding, type Finding, type FindingList } from './report.ts';

const NAMED_MAX = 5;

export class RowAudit {
  readonly #run: RunRecord;
  readonly #found: FindingList;
  readonly #hint: string;
  readonly #recorded: Bits;
  readonly #placed: Bits;
  /** Rows whose answers others take, and these others; only where there are some. */
  #copies: { readonly leaders: Bits; readonly followers: Bits } | null = null;
  readonly #counts = Object.fromEntries(ROW_STATES.map((state) => [state, 0])) as Record<RowState, number>;
  readonly #twice: number[] = [];
  #twiceCount = 0;
  /** Records of rows that are in a chunk of retries, and the rows of such chunks. */
  #waiting = { records: 0, rows: 0 };
  #damaged = false;

  constructor(run: RunRecord, found: FindingList, hint: string) {
    this.#run = run;
    this.#found = found;
    this.#hint = hint;
    this.#recorded = new Bits(run.totalRows);
    this.#placed = new Bits(run.totalRows);
  }

  /** First all records, then the chunks, then the skipped rows. */
  record({ seq, state, result }: RowRecord): void {
    this.#recorded.set(seq);
    if (state === 'waiting') this.#waiting.records++;
    else this.#counts[state]++;
    if (state === 'succeeded' && result === null) {
      this.#add('row_unaccounted', `row ${seq} succeeded, and the ledger does not know where its answer lies`, 1);
    }
  }

  /** A chunk of retries: its rows have records. */
  retryChunk({ state, rowCount }: ChunkRecord): void {
    const rows = rowStateOfChunk(state);
    if (rows === null) return;
    this.#counts[rows] += rowCount;
    this.#waiting.rows += rowCount;
  }

  inputChunk(chunk: ChunkRecord, seqs: Float64Array, outcomes: Uint8Array | null): void {
    const { state, chunkNo } = chunk;
    const rows = rowStateOfChunk(state);
    let none = 0;
    let first = -1;
    for (const [at, seq] of seqs.entries()) {
      const recorded = this.#recorded.has(seq);
      const succeeded = state === 'collected' && ((outcomes?.[at] ?? OUTCOME.pending) & 15) === OUTCOME.succeeded;
      const plain = rows ?? (succeeded ? 'succeeded' : state === 'canceled' ? 'canceled' : null);
      // The rows of a canceled chunk get records when they are sent again.
      if (this.#placed.set(seq) || (recorded && plain !== null && state !== 'canceled')) this.#isTwice(seq);
      if (plain !== null && !recorded) this.#counts[plain]++;
      if (plain !== null || recorded) continue;
      if (none === 0) first = seq;
      none++;
    }
    if (none === 0) return;
    const message = `${plural(none, 'row')} of chunk ${chunkNo} (${state}) came to no end: no answer and no record (the first is row ${first})`;
    this.#add('row_unaccounted', message, none, chunkNo);
  }

  /** A chunk whose rows take the answers of others. */
  followers(seqs: Float64Array, leaders: Float64Array): void {
    const { totalRows } = this.#run;
    this.#copies ??= { leaders: new Bits(totalRows), followers: new Bits(totalRows) };
    for (const seq of seqs) this.#copies.followers.set(seq);
    for (const seq of leaders) this.#copies.leaders.set(seq);
  }

  skipped(seq: number): void {
    if (this.#placed.set(seq) || this.#recorded.has(seq)) this.#isTwice(seq);
    this.#counts.invalid++;
  }

  /** Something could not be read: then the sums mean nothing. */
  damaged(): void {
    this.#damaged = true;
  }

  /** Says what does not add up. Gives a line about what was found. */
  end(): string {
    const { totalRows } = this.#run;
    if (this.#twiceCount > 0) {
      const named = this.#twice.join(', ') + (this.#twiceCount > NAMED_MAX ? ', …' : '');
      this.#add(
        'row_twice',
        `${plural(this.#twiceCount, 'row')} in two places at once (row ${named})`,
        this.#twiceCount,
      );
    }
    if (this.#damaged) return 'they could not all be counted';
    this.#endCopies();
    const holes = totalRows - this.#placed.count;
    if (holes > 0) {
      const message = `${plural(holes, 'row')} in no chunk and in no list of skipped rows (the first is row ${this.#placed.firstFree()})`;
      this.#add('row_unaccounted', message, holes);
    }
    if (this.#waiting.records !== this.#waiting.rows) {
      const { records, rows } = this.#waiting;
      this.#add(
        'counters_off',
        `${plural(rows, 'row')} in chunks of retries under way, and ${records} have a record of that`,
      );
    }
    const off = ROW_STATES.filter((state) => this.#counts[state] !== this.#run.rows[state]);
    if (off.length > 0) {
      const parts = off.map((state) => `${state} ${this.#run.rows[state]} instead of ${this.#counts[state]}`);
      this.#add('counters_off', `the counters of the run do not say what the rows say: ${parts.join(', ')}`);
    }
    const open = OPEN_ROW_STATES.reduce((sum, state) => sum + this.#counts[state], 0);
    if (this.#run.state === 'done' && open > 0) {
      this.#add('row_unaccounted', `the run is done, and ${plural(open, 'row')} of it came to no end`, open);
    }
    const ended = totalRows - open;
    return this.#run.state === 'done'
      ? `${plural(totalRows, 'row')}, each with one outcome`
      : `${plural(totalRows, 'row')}, each in one place; ${plural(ended, 'row')} at an end`;
  }

  /** Whose answer is taken must be a row that gets one itself: else the others would wait for ever. */
  #endCopies(): void {
    if (!this.#copies) return;
    const { leaders, followers } = this.#copies;
    let wrong = 0;
    let first = -1;
    for (let seq = 0; seq < this.#run.totalRows; seq++) {
      if (!leaders.has(seq) || (this.#placed.has(seq) && !followers.has(seq))) continue;
      if (wrong === 0) first = seq;
      wrong++;
    }
    if (wrong === 0) return;
    const message = `${plural(wrong, 'row')} whose answers others take, and that are not sent (the first is row ${first})`;
    this.#add('row_unaccounted', message, wrong);
  }

  #isTwice(seq: number): void {
    this.#twiceCount++;
    if (this.#twice.length < NAMED_MAX) this.#twice.push(seq);
  }

  #add(kind: Finding['kind'], message: string, rows: number | null = null, chunk: number | null = null): void {
    this.#found.add(finding(kind, { message, rows, chunk, hint: this.#hint }));
  }
}

/** A bit for each row; rows beyond the last are nobody's and are left out. */
class Bits {
  readonly #bytes: Uint8Array;
  readonly #size: number;
  #count = 0;

  constructor(size: number) {
    this.#size = size;
    this.#bytes = new Uint8Array(Math.ceil(size / 8));
  }

  get count(): number {
    return this.#count;
  }

  has(at: number): boolean {
    return ((this.#bytes[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  /** Gives true where it was set before. */
  set(at: number): boolean {
    if (at < 0 || at >= this.#size) return false;
    if (this.has(at)) return true;
    this.#bytes[at >> 3] = (this.#bytes[at >> 3] ?? 0) | (1 << (at & 7));
    this.#count++;
    return false;
  }

  firstFree(): number {
    let at = 0;
    while (at < this.#size && this.has(at)) at++;
    return at;
  }
}
