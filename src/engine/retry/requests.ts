/**
 * Finds the request of a row again: in the chunk file that it was sealed into, by the packed index. A few decoded
 * indexes and open files are kept, because rows that are needed again lie close together.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import { paramsOf } from '../../domain/chunk-text.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import type { ChunkRecord, RowMedia } from '../../domain/model.ts';
import { decodeRequestIndex, type RequestIndex } from '../../domain/packed-index.ts';
import type { FileReader, Files } from '../../domain/ports.ts';
import type { Ledger } from '../../domain/ledger.ts';
import { wireId } from '../../domain/result-line.ts';
import { sizeOfParams } from '../upload/split.ts';

/** An index of a chunk of 100,000 rows takes 4 MB decoded. */
const KEPT_MAX = 4;
/** Sizes of requests with images or PDFs: looking for the pages of a large one takes a second, and it is asked for often. */
const SIZES_KEPT_MAX = 4_096;

export interface OpenedChunk {
  readonly chunk: ChunkRecord;
  readonly index: RequestIndex;
}

/** Where the request of a row lies. */
export interface HomePlace {
  readonly homeChunkNo: number;
  readonly homeIndex: number;
  /** Of its next try, where that is not what the request says. */
  readonly maxTokens?: number | null;
}

export interface SizedRequest {
  readonly paramsJson: string;
  readonly betas: readonly string[];
  readonly model: string;
  readonly maxTokens: number;
  readonly caches: boolean;
  /** Tokens that the API puts before it at most. */
  readonly addedTokens: number;
  /** Its images and PDFs; null or missing: none. */
  readonly media?: RowMedia | null;
}

interface Kept extends OpenedChunk {
  readonly body: FileReader;
}

interface Slot {
  readonly opened: Promise<Kept>;
  /** Reads under way: a file in use is not closed. */
  users: number;
}

export class RequestReader {
  readonly #store: Pick<Ledger, 'chunk' | 'chunkIndex'>;
  readonly #files: Files;
  /** By chunk, the one that was asked for longest ago first. */
  readonly #slots = new Map<string, Slot>();
  readonly #sizes = new Map<string, ReturnType<typeof sizeOfParams>>();

  constructor(store: Pick<Ledger, 'chunk' | 'chunkIndex'>, files: Files) {
    this.#store = store;
    this.#files = files;
  }

  chunk(runId: string, chunkNo: number): Promise<OpenedChunk> {
    return this.#with(runId, chunkNo, (kept) => Promise.resolve(kept));
  }

  /** The params of a row as JSON text, and the betas of its chunk. */
  params(runId: string, place: HomePlace): Promise<{ readonly paramsJson: string; readonly betas: readonly string[] }> {
    return this.#with(runId, place.homeChunkNo, async ({ body, index, chunk }) => {
      const { requestOffset, requestBytes } = index.at(place.homeIndex);
      const request = (await body.read(requestOffset, requestBytes)).toString();
      const id = chunk.wire === 'own' ? null : wireId(tagOf(runId), chunk.chunkNo, place.homeIndex);
      return { paramsJson: withMaxTokens(paramsOf(request, id), place.maxTokens ?? null), betas: chunk.betas };
    });
  }

  /** Also the model and the length of its answer. E_STATE_CORRUPT where what lies there is no request. */
  async sized(runId: string, place: HomePlace): Promise<SizedRequest> {
    const request = await this.params(runId, place);
    const key = `${runId}:${place.homeChunkNo}:${place.homeIndex}:${place.maxTokens ?? ''}`;
    const known = this.#sizes.get(key);
    if (known) return { ...request, ...known };
    try {
      const size = sizeOfParams(request.paramsJson);
      if (size.media && this.#sizes.size < SIZES_KEPT_MAX) this.#sizes.set(key, size);
      return { ...request, ...size };
    } catch (cause) {
      const file = this.#files.locate(paths.body(runId, place.homeChunkNo));
      const details = { file };
      throw new BatchrunError('E_STATE_CORRUPT', `${file}: a request is not as it was written`, { cause, details });
    }
  }

  /** Closes all files. Reads must have come back. */
  async close(): Promise<void> {
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    for (const slot of slots) await closeSlot(slot);
  }

  async #with<T>(runId: string, chunkNo: number, work: (kept: Kept) => Promise<T>): Promise<T> {
    const key = `${runId}:${chunkNo}`;
    let slot = this.#slots.get(key);
    if (slot) this.#slots.delete(key);
    else slot = { opened: this.#open(runId, chunkNo), users: 0 };
    this.#slots.set(key, slot);
    slot.users++;
    try {
      return await work(await slot.opened);
    } catch (error) {
      // A chunk that could not be opened is tried anew the next time.
      if (this.#slots.get(key) === slot) this.#slots.delete(key);
      throw error;
    } finally {
      slot.users--;
      if (this.#slots.get(key) === slot) await this.#closeOldest();
      // One that was given up is closed by the last who reads in it.
      else if (slot.users === 0) await closeSlot(slot);
    }
  }

  async #closeOldest(): Promise<void> {
    for (const [key, slot] of this.#slots) {
      if (this.#slots.size <= KEPT_MAX) return;
      if (slot.users > 0) continue;
      this.#slots.delete(key);
      await closeSlot(slot);
    }
  }

  async #open(runId: string, chunkNo: number): Promise<Kept> {
    const chunk = await this.#store.chunk(runId, chunkNo);
    invariant(chunk, `chunk ${chunkNo} of ${runId} exists`);
    const index = decodeRequestIndex((await this.#store.chunkIndex(runId, chunkNo)).requests);
    const body = await this.#files.open(paths.body(runId, chunkNo));
    return { chunk, index, body };
  }
}

/** An answer that was cut by max_tokens is asked for again with more. */
function withMaxTokens(paramsJson: string, maxTokens: number | null): string {
  if (maxTokens === null) return paramsJson;
  const params = JSON.parse(paramsJson) as Record<string, unknown>;
  params['max_tokens'] = maxTokens;
  return JSON.stringify(params);
}

async function closeSlot(slot: Slot): Promise<void> {
  // One that never opened has nothing to close, and whoever asked for it has heard why.
  const kept = await slot.opened.catch(() => null);
  await kept?.body.close();
}
