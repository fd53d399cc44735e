/**
 * What became of the rows whose answers other rows take, and where these answers lie. Asked for a million rows, so the
 * indexes of a few chunks are kept, and an outcome in its chunk is believed without a look at the records.
 */
import { BatchrunError } from '../../base/errors.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import type { ChunkRecord, ResultLocation } from '../../domain/model.ts';
import { decodeRequestIndex, decodeResultIndex, OUTCOME, type ResultIndex } from '../../domain/packed-index.ts';
import { wireId } from '../../domain/result-line.ts';
import type { Store } from '../../domain/store.ts';
import { OPEN_CHUNK_STATES, OPEN_ROW_STATES } from '../../domain/transitions.ts';
import { REALTIME_CHUNK_NO } from '../realtime/realtime-settle.ts';

/** How a leader ended. */
export interface LeaderEnd {
  readonly to: 'succeeded' | 'failed' | 'expired' | 'canceled';
  readonly errorType: string | null;
  readonly attempts: number;
  /** Its line, and the wire id that this must bear; null for the id where only the beginning of it is known. */
  readonly result: (ResultLocation & { readonly wireId: string | null }) | null;
}

interface KeptChunk {
  readonly seqs: Float64Array;
  readonly outcomes: Uint8Array | null;
  readonly results: ResultIndex | null;
  readonly state: ChunkRecord['state'];
}

/** Rows of chunks that are kept decoded: 25 bytes each. */
const KEPT_ROWS_MAX = 1_000_000;

export class Leaders {
  readonly #store: Store;
  readonly #runId: string;
  readonly #tag: string;
  /** By betas and priority, because such chunks lie one behind the other; in the order of their rows. */
  #classes: readonly (readonly ChunkRecord[])[] = [];
  readonly #kept = new Map<number, KeptChunk>();
  #keptRows = 0;

  constructor(store: Store, runId: string) {
    this.#store = store;
    this.#runId = runId;
    this.#tag = tagOf(runId);
  }

  /** Takes the states of the chunks as they are now. */
  async look(): Promise<void> {
    const classes = new Map<string, ChunkRecord[]>();
    for (const chunk of await this.#store.chunks(this.#runId, { kind: 'input' })) {
      if (chunk.state === 'split' || chunk.answers === 'rows') continue;
      const key = `${chunk.betas.join(',')}|${chunk.priority ?? ''}|${chunk.answers}`;
      const list = classes.get(key);
      if (list) list.push(chunk);
      else classes.set(key, [chunk]);
    }
    this.#classes = [...classes.values()].map((list) => list.sort((one, other) => one.firstSeq - other.firstSeq));
  }

  /** Null while it has something ahead of it. */
  async endOf(seq: number): Promise<LeaderEnd | null> {
    const { chunk, kept, at } = await this.#find(seq);
    if (OPEN_CHUNK_STATES.includes(chunk.state)) return null;
    if (chunk.state === 'collected' && ((kept.outcomes?.[at] ?? OUTCOME.pending) & 15) === OUTCOME.succeeded) {
      const place = kept.results?.at(at);
      if (!place) throw damaged(chunk.chunkNo, `row ${seq} succeeded, and its answer is nowhere`);
      // An adopted chunk has no copies: the ids are ours.
      const result = { chunkNo: chunk.chunkNo, ...place, wireId: wireId(this.#tag, chunk.chunkNo, at) };
      return { to: 'succeeded', errorType: null, attempts: 1, result };
    }
    return this.#endOfRecord(seq, chunk);
  }

  async #endOfRecord(seq: number, chunk: ChunkRecord): Promise<LeaderEnd | null> {
    const row = await this.#store.rowRecord(this.#runId, seq);
    if (!row && chunk.state === 'canceled') {
      return { to: 'canceled', errorType: 'batchrun_canceled', attempts: 0, result: null };
    }
    if (!row) throw damaged(chunk.chunkNo, `row ${seq} came to no end`);
    const { state, errorType, attempts, result } = row;
    if (OPEN_ROW_STATES.includes(state)) return null;
    const to = state as LeaderEnd['to'];
    return { to, errorType, attempts, result: result && { ...result, wireId: this.#wireIdAt(result.chunkNo, row) } };
  }

  #wireIdAt(
    chunkNo: number,
    row: { readonly seq: number; readonly homeChunkNo: number; readonly homeIndex: number },
  ): string | null {
    if (chunkNo === REALTIME_CHUNK_NO) return wireId(this.#tag, chunkNo, row.seq);
    return chunkNo === row.homeChunkNo ? wireId(this.#tag, chunkNo, row.homeIndex) : null;
  }

  async #find(seq: number): Promise<{ chunk: ChunkRecord; kept: KeptChunk; at: number }> {
    for (const list of this.#classes) {
      // Of a chunk that was split the parts may lie between each other: then it is in one of those before.
      for (let nth = lastBefore(list, seq); nth >= 0; nth--) {
        const chunk = list[nth];
        if (!chunk) break;
        const kept = await this.#open(chunk);
        const at = indexIn(kept.seqs, seq);
        if (at !== -1) return { chunk, kept, at };
        if (chunk.parentNo === null) break;
      }
    }
    throw new BatchrunError(
      'E_STATE_CORRUPT',
      `state.db: row ${seq} of ${this.#runId} is in no chunk, and others take its answer`,
    );
  }

  async #open(chunk: ChunkRecord): Promise<KeptChunk> {
    const known = this.#kept.get(chunk.chunkNo);
    if (known?.state === chunk.state) return known;
    if (known) this.#forget(chunk.chunkNo, known);
    const blobs = await this.#store.chunkIndex(this.#runId, chunk.chunkNo);
    const kept = {
      seqs: decodeRequestIndex(blobs.requests).seqs,
      outcomes: blobs.outcomes,
      results: blobs.results === null ? null : decodeResultIndex(blobs.results),
      state: chunk.state,
    };
    for (const [oldest, one] of this.#kept) {
      if (this.#keptRows + kept.seqs.length <= KEPT_ROWS_MAX) break;
      this.#forget(oldest, one);
    }
    this.#kept.set(chunk.chunkNo, kept);
    this.#keptRows += kept.seqs.length;
    return kept;
  }

  #forget(chunkNo: number, { seqs }: KeptChunk): void {
    this.#kept.delete(chunkNo);
    this.#keptRows -= seqs.length;
  }
}

/** The file in which a line lies. */
export function resultPath(runId: string, chunkNo: number): string {
  return chunkNo === REALTIME_CHUNK_NO ? paths.realtime(runId) : paths.results(runId, chunkNo);
}

function damaged(chunkNo: number, what: string): BatchrunError {
  return new BatchrunError('E_STATE_CORRUPT', `state.db: chunk ${chunkNo} is not as it should be: ${what}`);
}

/** The last chunk that begins at this row or before it; -1 where all begin behind it. */
function lastBefore(chunks: readonly ChunkRecord[], seq: number): number {
  let [low, high] = [0, chunks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunks[middle]?.firstSeq ?? Infinity) <= seq) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function indexIn(seqs: Float64Array, seq: number): number {
  let [low, high] = [0, seqs.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = seqs[middle] ?? 0;
    if (found === seq) return middle;
    if (found < seq) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
