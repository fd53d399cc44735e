/**
 * Writes one chunk: the body file that will go over the wire as it is, the row file beside it, and the packed index
 * that finds every row in both again. Nothing is held but a few hundred kilobytes and the index.
 *
 * Proof: test/unit/engine/chunk-writer.test.ts parses what was written and compares every row.
 */
import { createHash } from 'node:crypto';
import { invariant } from '../base/errors.ts';
import { TextBlock } from '../base/text-block.ts';
import { bodyBytes, requestHead, REQUEST_TAIL, type MixSums } from '../domain/chunk-text.ts';
import { paths } from '../domain/ids.ts';
import { BODY_HEAD, BODY_TAIL } from '../domain/limits.ts';
import type { ChunkKind, WireIds } from '../domain/model.ts';
import { RequestIndexBuilder } from '../domain/packed-index.ts';
import type { Files, FileWriter } from '../domain/ports.ts';
import { CUSTOM_ID, wireId } from '../domain/result-line.ts';
import type { NewChunk } from '../domain/store-steps.ts';

export interface ChunkTarget {
  readonly runId: string;
  readonly tag: string;
  readonly chunkNo: number;
  readonly kind: ChunkKind;
  readonly betas: readonly string[];
  readonly parentNo: number | null;
  /** `tag` where it is left out. */
  readonly wire?: WireIds;
}

export interface ChunkRow {
  readonly seq: number;
  readonly paramsJson: string;
  readonly model: string;
  readonly maxTokens: number;
  /** The line for the row file with its line end; '' in retry chunks. */
  readonly rowLine: string;
  /** The user's id: the custom_id of an adopted batch. */
  readonly id?: string;
}

/** Bytes gathered before they are written: large writes, flat memory. */
const BODY_BLOCK_BYTES = 512 * 1024;
const ROWS_BLOCK_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

export class ChunkWriter {
  readonly target: ChunkTarget;
  readonly #files: Files;
  readonly #index = new RequestIndexBuilder();
  readonly #sha256 = createHash('sha256');
  readonly #mix: MixSums = {};
  readonly #bodyBlock = new TextBlock(BODY_BLOCK_BYTES);
  readonly #rowsBlock: TextBlock | null;
  #body: FileWriter | undefined;
  #rows: FileWriter | undefined;
  #requestBytes = 0;
  #firstSeq = 0;

  constructor(files: Files, target: ChunkTarget) {
    this.#files = files;
    this.target = target;
    this.#rowsBlock = target.kind === 'retry' ? null : new TextBlock(ROWS_BLOCK_BYTES);
    this.#bodyBlock.append(BODY_HEAD);
  }

  get rowCount(): number {
    return this.#index.rowCount;
  }

  /** Bytes of the body if it were closed now. */
  get bytes(): number {
    return bodyBytes(this.#requestBytes, this.rowCount);
  }

  /** Bytes that a row of these params will add to the body. */
  requestBytes(paramsBytes: number): number {
    const head = requestHead(wireId(this.target.tag, this.target.chunkNo, this.rowCount));
    return head.length + paramsBytes + REQUEST_TAIL.length + 1;
  }

  /** Gives a promise only when something has to be written now, so that the common row costs no turn of the loop. */
  add(row: ChunkRow): Promise<void> | undefined {
    const head = requestHead(this.#customId(row));
    const chars = 1 + head.length + row.paramsJson.length + REQUEST_TAIL.length;
    if (!this.#bodyBlock.hasRoom(chars) || this.#rowsBlock?.hasRoom(row.rowLine.length) === false) {
      return this.#addAfterFlush(row, head, chars);
    }
    if (this.rowCount > 0) this.#bodyBlock.append(',');
    const bytes =
      this.#bodyBlock.append(head) + this.#bodyBlock.append(row.paramsJson) + this.#bodyBlock.append(REQUEST_TAIL);
    this.#count(row, bytes, this.#rowsBlock?.append(row.rowLine) ?? 0);
    return undefined;
  }

  async #addAfterFlush(row: ChunkRow, head: string, chars: number): Promise<void> {
    await this.#flush();
    if (this.#bodyBlock.hasRoom(chars) && this.#rowsBlock?.hasRoom(row.rowLine.length) !== false) {
      await this.add(row);
      return;
    }
    // One that is larger than the blocks goes past them.
    const request = Buffer.from(`${this.rowCount > 0 ? ',' : ''}${head}${row.paramsJson}${REQUEST_TAIL}`);
    const line = Buffer.from(this.#rowsBlock ? row.rowLine : '');
    const bytes = request.length - (this.rowCount > 0 ? 1 : 0);
    this.#count(row, bytes, line.length);
    await this.#write(request, line);
  }

  #count(row: ChunkRow, requestBytes: number, rowBytes: number): void {
    if (this.rowCount === 0) this.#firstSeq = row.seq;
    this.#index.append({ seq: row.seq, requestBytes, rowBytes });
    this.#requestBytes += requestBytes;
    const part = (this.#mix[row.model] ??= { rows: 0, bytes: 0, maxTokens: 0 });
    part.rows += 1;
    part.bytes += requestBytes;
    part.maxTokens += row.maxTokens;
  }

  #customId(row: ChunkRow): string {
    if (this.target.wire !== 'own') return wireId(this.target.tag, this.target.chunkNo, this.rowCount);
    invariant(
      row.id !== undefined && CUSTOM_ID.test(row.id),
      'the rows of an adopted batch have ids that the API takes',
    );
    return row.id;
  }

  /** Closes both files durably and gives what the ledger needs. A driver is asked whether it still is one. */
  async seal(permit?: () => Promise<void>): Promise<NewChunk> {
    await this.#flush();
    await this.#write(Buffer.from(BODY_TAIL), NOTHING);
    const bytes = this.#body?.bytes ?? 0;
    await this.#rows?.commit(permit);
    await this.#body?.commit(permit);
    const { chunkNo, kind, betas, parentNo, wire = 'tag' } = this.target;
    return {
      chunkNo,
      kind,
      betas,
      parentNo,
      wire,
      rowCount: this.rowCount,
      bytes,
      sha256: this.#sha256.digest('hex'),
      firstSeq: this.#firstSeq,
      mix: this.#mix,
      requestIndex: this.#index.finish(),
    };
  }

  async abort(): Promise<void> {
    await this.#body?.abort();
    await this.#rows?.abort();
  }

  #flush(): Promise<void> {
    return this.#write(this.#bodyBlock.take(), this.#rowsBlock?.take() ?? NOTHING);
  }

  async #write(body: Buffer, rows: Buffer): Promise<void> {
    const { runId, chunkNo, kind } = this.target;
    this.#body ??= await this.#files.create(paths.body(runId, chunkNo));
    this.#sha256.update(body);
    await this.#body.write(body);
    if (kind === 'retry') return;
    this.#rows ??= await this.#files.create(paths.rows(runId, chunkNo));
    await this.#rows.write(rows);
  }
}
