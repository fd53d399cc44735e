/**
 * Writes one chunk: the body file that will go over the wire as it is, the row file beside it, and the packed index
 * that finds every row in both again. Nothing is held but two blocks of each file and the index: while one block is
 * being written, the other is filled.
 *
 * Proof: test/unit/engine/ingest/chunk-writer.test.ts parses what was written and compares every row.
 */
import { createHash } from 'node:crypto';
import { invariant } from '../../base/errors.ts';
import { BlockPair } from '../../base/text-block.ts';
import { addRequest, bodyBytes, noSums, requestHead, REQUEST_TAIL, type MixSums } from '../../domain/chunk-text.ts';
import { paths } from '../../domain/ids.ts';
import { BODY_HEAD, BODY_TAIL } from '../../domain/limits.ts';
import { mixInLane } from '../../domain/lane-mix.ts';
import { LeadersBuilder } from '../../domain/leaders.ts';
import type { AnswerSource, ChunkKind, Lane, ModelMix, WireIds } from '../../domain/model.ts';
import type { Priority } from '../../domain/priority.ts';
import { RequestIndexBuilder } from '../../domain/packed-index.ts';
import type { Files, FileWriter } from '../../domain/ports.ts';
import { CUSTOM_ID, wireId } from '../../domain/result-line.ts';
import type { RowKind } from '../../domain/row/row-block.ts';
import type { NewChunk } from '../../domain/store-steps.ts';

export interface ChunkTarget {
  readonly runId: string;
  readonly tag: string;
  readonly chunkNo: number;
  readonly kind: ChunkKind;
  readonly betas: readonly string[];
  /** Null where it is left out: that of the run. */
  readonly priority?: Priority | null;
  /** The lane that a route has chosen for its rows. */
  readonly lane?: Lane | null;
  readonly parentNo: number | null;
  /** `tag` where it is left out. */
  readonly wire?: WireIds;
  /** `api` where it is left out. */
  readonly answers?: AnswerSource;
}

/** Its bytes are copied when it is added. */
export interface ChunkRow {
  readonly seq: number;
  /** Its params as JSON, in UTF-8. */
  readonly params: Uint8Array;
  /** The line for the row file with its line end; empty in retry chunks. */
  readonly line: Uint8Array;
  readonly kind: Pick<RowKind, 'model' | 'maxTokens' | 'caches' | 'addedTokens' | 'media'>;
  /** The user's id: the custom_id of an adopted batch. */
  readonly id?: string | undefined;
  /** Whose answer it takes, in a chunk of such rows. */
  readonly leader?: number;
}

/** Bytes gathered before they are written: large writes, flat memory. */
const BODY_BLOCK_BYTES = 512 * 1024;
const ROWS_BLOCK_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

export class ChunkWriter {
  readonly target: ChunkTarget;
  readonly #files: Files;
  readonly #index = new RequestIndexBuilder();
  readonly #leaders: LeadersBuilder | null;
  readonly #sha256 = createHash('sha256');
  readonly #mix: MixSums = {};
  readonly #bodyBlocks = new BlockPair(BODY_BLOCK_BYTES);
  readonly #rowsBlocks: BlockPair | null;
  /** A request up to the number in its wire id, and what follows that. */
  readonly #headStart: string;
  readonly #headEnd: string;
  #writing: Promise<void> = Promise.resolve();
  #body: FileWriter | undefined;
  #rows: FileWriter | undefined;
  #requestBytes = 0;
  #firstSeq = 0;

  constructor(files: Files, target: ChunkTarget) {
    this.#files = files;
    this.target = target;
    this.#leaders = target.answers === 'rows' ? new LeadersBuilder() : null;
    this.#rowsBlocks = target.kind === 'retry' ? null : new BlockPair(ROWS_BLOCK_BYTES);
    this.#bodyBlocks.current.append(BODY_HEAD);
    const head = requestHead(wireId(target.tag, target.chunkNo, 0));
    const numberAt = head.lastIndexOf('0"');
    this.#headStart = head.slice(0, numberAt);
    this.#headEnd = head.slice(numberAt + 1);
  }

  /** What its rows come to so far. */
  get mix(): ModelMix {
    return this.#mix;
  }

  get rowCount(): number {
    return this.#index.rowCount;
  }

  /** Bytes of the body if it were closed now. */
  get bytes(): number {
    return bodyBytes(this.#requestBytes, this.rowCount);
  }

  /** Bytes that a row of these params will add to the body, with the comma before it. */
  requestBytes(paramsBytes: number): number {
    const digits = String(this.rowCount).length;
    return this.#headStart.length + digits + this.#headEnd.length + paramsBytes + REQUEST_TAIL.length + 1;
  }

  /** Gives a promise only when something has to be written now, so that the common row costs no turn of the loop. */
  add(row: ChunkRow): Promise<void> | undefined {
    const comma = this.rowCount > 0 ? 1 : 0;
    const head = this.#head(row);
    const bytes = head.length + row.params.length + REQUEST_TAIL.length;
    const [body, rows] = [this.#bodyBlocks.current, this.#rowsBlocks?.current];
    if (!body.hasRoomForBytes(comma + bytes) || rows?.hasRoomForBytes(row.line.length) === false) {
      return this.#addAfterFlush(row, head);
    }
    body.appendAscii(comma === 1 ? `,${head}` : head);
    body.appendBytes(row.params);
    body.appendAscii(REQUEST_TAIL);
    rows?.appendBytes(row.line);
    this.#count(row, bytes);
    return undefined;
  }

  /** Closes both files durably and gives what the ledger needs. A driver is asked whether it still is one. */
  async seal(permit?: () => Promise<void>): Promise<NewChunk> {
    await this.#flush();
    await this.#writing;
    await this.#write(Buffer.from(BODY_TAIL), NOTHING);
    const bytes = this.#body?.bytes ?? 0;
    await this.#rows?.commit(permit);
    await this.#body?.commit(permit);
    const { chunkNo, kind, betas, priority = null, lane = null, parentNo, wire = 'tag', answers = 'api' } = this.target;
    return {
      chunkNo,
      kind,
      betas,
      priority,
      parentNo,
      wire,
      rowCount: this.rowCount,
      bytes,
      sha256: this.#sha256.digest('hex'),
      firstSeq: this.#firstSeq,
      mix: mixInLane(this.#mix, lane),
      requestIndex: this.#index.finish(),
      ...(answers === 'api' ? {} : { answers }),
      ...(this.#leaders ? { leaders: this.#leaders.finish() } : {}),
    };
  }

  async abort(): Promise<void> {
    // Whatever became of it: its file must not be written to any more.
    await this.#writing.catch(() => undefined);
    await this.#body?.abort();
    await this.#rows?.abort();
  }

  async #addAfterFlush(row: ChunkRow, head: string): Promise<void> {
    await this.#flush();
    const comma = this.rowCount > 0 ? ',' : '';
    const bytes = head.length + row.params.length + REQUEST_TAIL.length;
    const fits = this.#bodyBlocks.current.hasRoomForBytes(comma.length + bytes);
    if (fits && this.#rowsBlocks?.current.hasRoomForBytes(row.line.length) !== false) {
      await this.add(row);
      return;
    }
    // One that is larger than the blocks goes past them.
    await this.#writing;
    this.#count(row, bytes);
    await this.#write(Buffer.from(comma + head), NOTHING);
    await this.#write(row.params, this.#rowsBlocks ? row.line : NOTHING);
    await this.#write(Buffer.from(REQUEST_TAIL), NOTHING);
  }

  #count(row: ChunkRow, requestBytes: number): void {
    if (this.rowCount === 0) this.#firstSeq = row.seq;
    this.#index.append({ seq: row.seq, requestBytes, rowBytes: this.#rowsBlocks ? row.line.length : 0 });
    if (this.#leaders) {
      invariant(row.leader !== undefined, 'a row of a copy chunk has a leader');
      this.#leaders.append(row.seq, row.leader);
    }
    this.#requestBytes += requestBytes;
    addRequest((this.#mix[row.kind.model] ??= noSums()), requestBytes, row.kind);
  }

  /** The request up to its params. ASCII, as ids on the wire are. */
  #head(row: ChunkRow): string {
    if (this.target.wire !== 'own') return `${this.#headStart}${this.rowCount}${this.#headEnd}`;
    invariant(
      row.id !== undefined && CUSTOM_ID.test(row.id),
      'the rows of an adopted batch have ids that the API takes',
    );
    return requestHead(row.id);
  }

  /** Begins to write what was gathered, once what was begun before is written. */
  async #flush(): Promise<void> {
    await this.#writing;
    this.#writing = this.#write(this.#bodyBlocks.take(), this.#rowsBlocks?.take() ?? NOTHING);
    // It is met where it is waited for; this only keeps it from counting as unhandled until then.
    this.#writing.catch(() => undefined);
  }

  async #write(body: Uint8Array, rows: Uint8Array): Promise<void> {
    const { runId, chunkNo, kind } = this.target;
    this.#body ??= await this.#files.create(paths.body(runId, chunkNo));
    const written = this.#body.write(body);
    // While the system writes.
    this.#sha256.update(body);
    await written;
    if (kind === 'retry') return;
    this.#rows ??= await this.#files.create(paths.rows(runId, chunkNo));
    await this.#rows.write(rows);
  }
}
