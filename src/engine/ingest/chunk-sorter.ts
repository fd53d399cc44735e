/**
 * Sorts prepared rows into chunks: by betas, because they are one header of a whole batch; by their own priority and
 * the lane of their route, because a batch goes as a whole; up to so many rows and bytes; each chunk a little smaller than asked for, so that other people's batches rarely have the same count.
 */
import { CHUNK_JITTER, OPEN_CHUNKS_MAX } from '../../domain/limits.ts';
import type { WireIds } from '../../domain/model.ts';
import { mayPilot } from '../../domain/lanes.ts';
import type { BlockRow } from '../../domain/row/row-block.ts';
import type { NewChunk } from '../../domain/store-steps.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { worstCostUsd } from '../../domain/reserve.ts';
import type { Engine } from '../engine.ts';

export interface SorterOptions {
  readonly runId: string;
  readonly tag: string;
  readonly chunkRows: number;
  readonly chunkBytes: number;
  readonly wire: WireIds;
  /** What one chunk may cost at most; null: as much as it likes. */
  readonly chunkUsdMax: number | null;
  /** So many rows go into chunks of their own, which are called before anything else is sent (pilot.ts). */
  readonly pilotRows?: number;
  readonly onSealed: (chunk: NewChunk) => Promise<void>;
  /** The number of the next chunk; 1, 2, 3 … unless given. */
  readonly nextNo?: () => number;
}

/** Rows between two looks at what a chunk may cost. */
const DEAR_LOOK_ROWS = 50;

/** No name of a beta begins like this. */
const PILOT_KEY = '*pilot*';

interface OpenChunk {
  readonly writer: ChunkWriter;
  readonly rowsMax: number;
}

export class ChunkSorter {
  readonly #engine: Engine;
  readonly #options: SorterOptions;
  /** By betas, priority and lane, oldest first. */
  readonly #open = new Map<string, OpenChunk>();
  /** The chunk that is being made durable while the next one is filled. */
  #sealing: { readonly writer: ChunkWriter; readonly done: Promise<void> } | undefined;
  #nextNo = 1;
  #pilotLeft: number;
  readonly #pilotChunks: number[] = [];

  constructor(engine: Engine, options: SorterOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#pilotLeft = options.pilotRows ?? 0;
  }

  /** Numbers of the chunks that hold the pilot. */
  get pilotChunks(): readonly number[] {
    return this.#pilotChunks;
  }

  /** Gives a promise only when something has to be written now. */
  add(row: BlockRow): Promise<void> | undefined {
    const { betas, priority = null, lane = null } = row.kind;
    const isPlain = betas.length === 0 && priority === null && lane === null;
    let key = isPlain ? '' : `${betas.join(',')}|${priority ?? ''}|${lane ?? ''}`;
    if (this.#pilotLeft > 0 && mayPilot({ paramsBytes: row.params.length, betas })) {
      this.#pilotLeft--;
      key = `${PILOT_KEY}${key}`;
    }
    const open = this.#open.get(key);
    if (open && this.#hasRoom(open, row)) return open.writer.add(row);
    return this.#addToNew(key, open, row);
  }

  async sealAll(): Promise<void> {
    for (const [key, open] of this.#open) await this.#seal(key, open);
    await this.#sealing?.done;
  }

  async abort(): Promise<void> {
    await this.#sealing?.done.catch(() => undefined);
    await this.#sealing?.writer.abort();
    for (const open of this.#open.values()) await open.writer.abort();
    this.#open.clear();
  }

  #hasRoom({ writer, rowsMax }: OpenChunk, row: BlockRow): boolean {
    if (writer.rowCount >= rowsMax || this.#isDear(writer)) return false;
    return writer.bytes + writer.requestBytes(row.params.length) <= this.#options.chunkBytes;
  }

  /** A batch goes as a whole: with a budget each may take only a small part of it. Looked at now and then. */
  #isDear({ rowCount, mix }: ChunkWriter): boolean {
    const { chunkUsdMax } = this.#options;
    if (chunkUsdMax === null || rowCount === 0 || rowCount % DEAR_LOOK_ROWS !== 0) return false;
    return (worstCostUsd(mix, 'batch') ?? 0) >= chunkUsdMax;
  }

  async #addToNew(key: string, full: OpenChunk | undefined, row: BlockRow): Promise<void> {
    if (full) await this.#seal(key, full);
    const [oldest] = this.#open;
    if (this.#open.size >= OPEN_CHUNKS_MAX && oldest) await this.#seal(...oldest);
    const { runId, tag, chunkRows, wire } = this.#options;
    const chunkNo = this.#options.nextNo?.() ?? this.#nextNo++;
    if (key.startsWith(PILOT_KEY)) this.#pilotChunks.push(chunkNo);
    const { betas, priority = null, lane = null } = row.kind;
    const target = { runId, tag, chunkNo, kind: 'input', betas, priority, lane, parentNo: null, wire } as const;
    // An adopted batch has the size that it has.
    const jitter = wire === 'own' ? 0 : CHUNK_JITTER * this.#engine.rng.next();
    const rowsMax = Math.max(1, Math.ceil(chunkRows * (1 - jitter)));
    const fresh = { writer: new ChunkWriter(this.#engine.files, target), rowsMax };
    this.#open.set(key, fresh);
    await fresh.writer.add(row);
  }

  /** Begins to seal it, once the one before is sealed. */
  async #seal(key: string, { writer }: OpenChunk): Promise<void> {
    await this.#sealing?.done;
    this.#open.delete(key);
    const done = writer.seal().then((chunk) => this.#options.onSealed(chunk));
    // It is met where it is waited for; this only keeps it from counting as unhandled until then.
    done.catch(() => undefined);
    this.#sealing = { writer, done };
  }
}
