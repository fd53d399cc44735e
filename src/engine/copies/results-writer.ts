/**
 * Writes a result file of lines that we have already: those of copy chunks. In the API's shape and with the wire ids of
 * the chunk, so that whatever reads results reads these as well.
 */
import { encodeResultIndex } from '../../domain/packed-index.ts';
import { paths } from '../../domain/ids.ts';
import type { Files, FileWriter } from '../../domain/ports.ts';

/** Bytes gathered before they are written. */
const BLOCK_BYTES = 512 * 1024;

export class ResultsWriter {
  readonly #writer: FileWriter;
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #bytes = 0;

  private constructor(writer: FileWriter) {
    this.#writer = writer;
  }

  static async create(files: Files, runId: string, chunkNo: number): Promise<ResultsWriter> {
    return new ResultsWriter(await files.create(paths.results(runId, chunkNo)));
  }

  /** The line of this row. Gives a promise only when something has to be written now. */
  add(index: number, line: string): Promise<void> | undefined {
    const bytes = Buffer.from(`${line}\n`);
    this.#offsets[index] = this.#bytes;
    this.#lengths[index] = bytes.length - 1;
    this.#bytes += bytes.length;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    return this.#pendingBytes < BLOCK_BYTES ? undefined : this.#flush();
  }

  /** Where the line of each of so many rows lies: rows without one have length 0. */
  placeOf(index: number): { readonly offset: number; readonly length: number } | null {
    const length = this.#lengths[index] ?? 0;
    return length === 0 ? null : { offset: this.#offsets[index] ?? 0, length };
  }

  /** Makes it durable; gives the packed index of its lines. */
  async commit(rowCount: number, permit?: () => Promise<void>): Promise<Uint8Array> {
    await this.#flush();
    await this.#writer.commit(permit);
    const column = (of: readonly number[]): Float64Array =>
      Float64Array.from({ length: rowCount }, (_, at) => of[at] ?? 0);
    return encodeResultIndex(column(this.#offsets), column(this.#lengths));
  }

  abort(): Promise<void> {
    return this.#writer.abort();
  }

  async #flush(): Promise<void> {
    const pending = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (pending.length > 0) await this.#writer.write(pending);
  }
}
