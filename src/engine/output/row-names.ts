/**
 * How its user calls a row: its custom_id and where it stood in the input, from the row file beside the chunk. For the few
 * rows that are named in a message.
 */
import { paths } from '../../domain/ids.ts';
import { decodeRequestIndex, type RequestIndex } from '../../domain/packed-index.ts';
import type { FileReader, Files } from '../../domain/ports.ts';
import { decodeRowEntry, type RowEntry } from '../../domain/row-file.ts';
import type { Store } from '../../domain/store.ts';

interface Opened {
  readonly chunkNo: number;
  readonly index: RequestIndex;
  readonly rows: FileReader;
}

export class RowNames {
  readonly #ports: { readonly store: Pick<Store, 'chunkIndex'>; readonly files: Files };
  readonly #runId: string;
  /** Rows that are named together lie close together: one chunk is kept open. */
  #opened: Opened | undefined;

  constructor(ports: { readonly store: Pick<Store, 'chunkIndex'>; readonly files: Files }, runId: string) {
    this.#ports = ports;
    this.#runId = runId;
  }

  async of(chunkNo: number, index: number): Promise<RowEntry> {
    const opened = this.#opened?.chunkNo === chunkNo ? this.#opened : await this.#open(chunkNo);
    const { rowOffset, rowBytes } = opened.index.at(index);
    const path = paths.rows(this.#runId, chunkNo);
    return decodeRowEntry((await opened.rows.read(rowOffset, rowBytes)).toString(), path);
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.rows.close();
  }

  async #open(chunkNo: number): Promise<Opened> {
    await this.close();
    const { store, files } = this.#ports;
    const index = decodeRequestIndex((await store.chunkIndex(this.#runId, chunkNo)).requests);
    const rows = await files.open(paths.rows(this.#runId, chunkNo));
    this.#opened = { chunkNo, index, rows };
    return this.#opened;
  }
}
