/**
 * Sorts prepared rows into chunks: by betas, because they are one header of a whole batch; up to so many rows and
 * bytes; each chunk a little smaller than asked for, so that other people's batches rarely have the same count.
 */
import { CHUNK_JITTER, OPEN_CHUNKS_MAX } from '../domain/limits.ts';
import type { WireIds } from '../domain/model.ts';
import type { PreparedRow } from '../domain/source.ts';
import type { NewChunk } from '../domain/store-steps.ts';
import { ChunkWriter, type ChunkRow } from './chunk-writer.ts';
import type { Engine } from './engine.ts';

export interface SorterOptions {
  readonly runId: string;
  readonly tag: string;
  readonly chunkRows: number;
  readonly chunkBytes: number;
  readonly wire: WireIds;
  readonly onSealed: (chunk: NewChunk) => Promise<void>;
}

export interface RowPlace {
  readonly seq: number;
  readonly rowLine: string;
  /** The user's id. */
  readonly id: string;
}

interface OpenChunk {
  readonly writer: ChunkWriter;
  readonly rowsMax: number;
}

export class ChunkSorter {
  readonly #engine: Engine;
  readonly #options: SorterOptions;
  /** By betas, oldest first. */
  readonly #open = new Map<string, OpenChunk>();
  #nextNo = 1;

  constructor(engine: Engine, options: SorterOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  add(row: PreparedRow, place: RowPlace): Promise<void> | undefined {
    const key = row.betas.length === 0 ? '' : row.betas.join(',');
    const open = this.#open.get(key);
    if (open && this.#hasRoom(open, row)) return open.writer.add(placed(row, place));
    return this.#addToNew(key, open, row, place);
  }

  async sealAll(): Promise<void> {
    for (const [key, open] of this.#open) await this.#seal(key, open);
  }

  async abort(): Promise<void> {
    for (const open of this.#open.values()) await open.writer.abort();
    this.#open.clear();
  }

  #hasRoom({ writer, rowsMax }: OpenChunk, row: PreparedRow): boolean {
    if (writer.rowCount >= rowsMax) return false;
    // Exact bytes matter only near the limit: a character is at most three bytes in UTF-8.
    const upper = writer.bytes + writer.requestBytes(row.paramsJson.length * 3);
    if (upper <= this.#options.chunkBytes) return true;
    return writer.bytes + writer.requestBytes(Buffer.byteLength(row.paramsJson)) <= this.#options.chunkBytes;
  }

  async #addToNew(key: string, full: OpenChunk | undefined, row: PreparedRow, place: RowPlace): Promise<void> {
    if (full) await this.#seal(key, full);
    const [oldest] = this.#open;
    if (this.#open.size >= OPEN_CHUNKS_MAX && oldest) await this.#seal(...oldest);
    const { runId, tag, chunkRows, wire } = this.#options;
    const chunkNo = this.#nextNo++;
    const target = { runId, tag, chunkNo, kind: 'input', betas: row.betas, parentNo: null, wire } as const;
    // An adopted batch has the size that it has.
    const jitter = wire === 'own' ? 0 : CHUNK_JITTER * this.#engine.rng.next();
    const rowsMax = Math.max(1, Math.ceil(chunkRows * (1 - jitter)));
    const fresh = { writer: new ChunkWriter(this.#engine.files, target), rowsMax };
    this.#open.set(key, fresh);
    await fresh.writer.add(placed(row, place));
  }

  async #seal(key: string, open: OpenChunk): Promise<void> {
    this.#open.delete(key);
    await this.#options.onSealed(await open.writer.seal());
  }
}

/** Written out: the hot path, where spreading two objects costs a microsecond. */
function placed({ paramsJson, model, maxTokens }: PreparedRow, { seq, rowLine, id }: RowPlace): ChunkRow {
  return { seq, paramsJson, model, maxTokens, rowLine, id };
}
