/**
 * Finds the request of a row again: in the chunk file that it was sealed into, by the packed index. A few decoded
 * indexes and open files are kept, because rows that are needed again lie close together.
 */
import { invariant } from '../base/errors.ts';
import { paramsOf } from '../domain/chunk-text.ts';
import { paths } from '../domain/ids.ts';
import type { ChunkRecord } from '../domain/model.ts';
import { decodeRequestIndex, type RequestIndex } from '../domain/packed-index.ts';
import type { FileReader, Files } from '../domain/ports.ts';
import { decodeRowEntry, type RowEntry } from '../domain/row-file.ts';
import type { Store } from '../domain/store.ts';

/** An index of a chunk of 100,000 rows takes 4 MB decoded. */
const KEPT_MAX = 4;

export interface OpenedChunk {
  readonly chunk: ChunkRecord;
  readonly index: RequestIndex;
}

interface Kept extends OpenedChunk {
  readonly body: FileReader;
  readonly rows: FileReader | null;
}

export class RequestReader {
  readonly #store: Store;
  readonly #files: Files;
  readonly #kept = new Map<string, Kept>();

  constructor(store: Store, files: Files) {
    this.#store = store;
    this.#files = files;
  }

  async chunk(runId: string, chunkNo: number): Promise<OpenedChunk> {
    return this.#open(runId, chunkNo);
  }

  /** The params of a row as JSON text, and the betas of its chunk. */
  async params(
    runId: string,
    place: { readonly homeChunkNo: number; readonly homeIndex: number },
  ): Promise<{ readonly paramsJson: string; readonly betas: readonly string[] }> {
    const { body, index, chunk } = await this.#open(runId, place.homeChunkNo);
    const { requestOffset, requestBytes } = index.at(place.homeIndex);
    const request = (await body.read(requestOffset, requestBytes)).toString();
    return { paramsJson: paramsOf(request), betas: chunk.betas };
  }

  /** The user's id, place and columns of a row of an input chunk. */
  async entry(runId: string, place: { readonly homeChunkNo: number; readonly homeIndex: number }): Promise<RowEntry> {
    const { rows, index } = await this.#open(runId, place.homeChunkNo);
    invariant(rows, 'an input chunk has a row file');
    const { rowOffset, rowBytes } = index.at(place.homeIndex);
    return decodeRowEntry((await rows.read(rowOffset, rowBytes)).toString());
  }

  async close(): Promise<void> {
    for (const kept of this.#kept.values()) await closeFiles(kept);
    this.#kept.clear();
  }

  async #open(runId: string, chunkNo: number): Promise<Kept> {
    const key = `${runId}:${chunkNo}`;
    const known = this.#kept.get(key);
    if (known) return known;
    const chunk = await this.#store.chunk(runId, chunkNo);
    invariant(chunk, `chunk ${chunkNo} of ${runId} exists`);
    const index = decodeRequestIndex((await this.#store.chunkIndex(runId, chunkNo)).requests);
    const body = await this.#files.open(paths.body(runId, chunkNo));
    const rows = chunk.kind === 'input' ? await this.#files.open(paths.rows(runId, chunkNo)) : null;
    const [oldest] = this.#kept;
    if (this.#kept.size >= KEPT_MAX && oldest) {
      this.#kept.delete(oldest[0]);
      await closeFiles(oldest[1]);
    }
    const kept = { chunk, index, body, rows };
    this.#kept.set(key, kept);
    return kept;
  }
}

async function closeFiles(kept: Kept): Promise<void> {
  await kept.body.close();
  await kept.rows?.close();
}
