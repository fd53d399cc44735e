/**
 * Writes one chunk: the body file that will go over the wire as it is, the row file beside it, and the packed index
 * that finds every row in both again. Nothing is held but a few hundred kilobytes and the index.
 *
 * Proof: test/unit/engine/chunk-writer.test.ts parses what was written and compares every row.
 */
import { createHash } from 'node:crypto';
import { invariant } from '../base/errors.ts';
import { bodyBytes, requestText, type MixSums } from '../domain/chunk-text.ts';
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

/** Text gathered before it is encoded and written: large writes, flat memory. */
const PENDING_CHARS_MAX = 512 * 1024;

export class ChunkWriter {
  readonly target: ChunkTarget;
  readonly #files: Files;
  readonly #index = new RequestIndexBuilder();
  readonly #sha256 = createHash('sha256');
  readonly #mix: MixSums = {};
  #body: FileWriter | undefined;
  #rows: FileWriter | undefined;
  #bodyPending = BODY_HEAD;
  #rowsPending = '';
  #requestBytes = 0;
  #firstSeq = 0;

  constructor(files: Files, target: ChunkTarget) {
    this.#files = files;
    this.target = target;
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
    return paramsBytes + requestText(wireId(this.target.tag, this.target.chunkNo, this.rowCount), '').length + 1;
  }

  /** Gives a promise only when something has to be written now, so that the common row costs no turn of the loop. */
  add(row: ChunkRow): Promise<void> | undefined {
    const request = requestText(this.#customId(row), row.paramsJson);
    const bytes = Buffer.byteLength(request);
    if (this.rowCount === 0) this.#firstSeq = row.seq;
    else this.#bodyPending += ',';
    this.#bodyPending += request;
    this.#rowsPending += row.rowLine;
    this.#index.append({ seq: row.seq, requestBytes: bytes, rowBytes: Buffer.byteLength(row.rowLine) });
    this.#requestBytes += bytes;
    const part = (this.#mix[row.model] ??= { rows: 0, bytes: 0, maxTokens: 0 });
    part.rows += 1;
    part.bytes += bytes;
    part.maxTokens += row.maxTokens;
    if (this.#bodyPending.length + this.#rowsPending.length < PENDING_CHARS_MAX) return undefined;
    return this.#flush();
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
    this.#bodyPending += BODY_TAIL;
    await this.#flush();
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

  async #flush(): Promise<void> {
    const { runId, chunkNo, kind } = this.target;
    this.#body ??= await this.#files.create(paths.body(runId, chunkNo));
    const body = Buffer.from(this.#bodyPending);
    this.#bodyPending = '';
    this.#sha256.update(body);
    await this.#body.write(body);
    if (kind === 'retry') return;
    this.#rows ??= await this.#files.create(paths.rows(runId, chunkNo));
    const rows = Buffer.from(this.#rowsPending);
    this.#rowsPending = '';
    await this.#rows.write(rows);
  }
}
