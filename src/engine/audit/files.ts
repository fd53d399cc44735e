/**
 * Are the files of a run there, and long enough for what the ledger says of them? Bodies that may still be sent are read
 * and compared with the checksum of their sealing; of all others the size is enough.
 */
import { createHash } from 'node:crypto';
import { isBatchrunError, messageOf } from '../../base/errors.ts';
import { formatBytes, plural } from '../../base/units.ts';
import { paths } from '../../domain/ids.ts';
import type { ChunkRecord, ChunkState, RunRecord } from '../../domain/model.ts';
import type { RequestIndex, ResultIndex } from '../../domain/packed-index.ts';
import { OPEN_CHUNK_STATES } from '../../domain/transitions.ts';
import { finding, type FindingList } from './report.ts';
import type { Engine } from '../engine.ts';
import { REALTIME_CHUNK_NO } from '../realtime/realtime.ts';

const NOT_YET_MADE: readonly ChunkState[] = ['sealed', 'submitting', 'uncertain'];

const SEND = 'Bring it back from a backup of the state folder: without it these rows cannot be sent (again).';
const NAMES = 'Bring it back from a backup of the state folder: without it the output has no ids for these rows.';
const RESULTS =
  'Bring it back from a backup of the state folder. The API keeps the results of a batch for 29 days; the answers of the realtime lane are nowhere else.';

export class FileAudit {
  readonly #engine: Engine;
  readonly #run: RunRecord;
  readonly #found: FindingList;
  /** Where records say that answers lie: the end of the last one, by the chunk whose result file it is in. */
  readonly #ends = new Map<number, number>();
  /** Chunks with rows that wait to be sent again. */
  readonly #waiting = new Set<number>();
  #files = 0;
  #hashedBytes = 0;

  constructor(engine: Engine, run: RunRecord, found: FindingList) {
    this.#engine = engine;
    this.#run = run;
    this.#found = found;
  }

  /** First all records. */
  answerAt(chunkNo: number, endBytes: number): void {
    this.#ends.set(chunkNo, Math.max(this.#ends.get(chunkNo) ?? 0, endBytes));
  }

  waits(homeChunkNo: number): void {
    this.#waiting.add(homeChunkNo);
  }

  async chunk(chunk: ChunkRecord, index: RequestIndex, results: ResultIndex | null): Promise<void> {
    const { kind, state, chunkNo } = chunk;
    if (state === 'split') return;
    // Rows of a chunk of retries are found in the chunk of their first try once it has been sent.
    if (kind === 'input' || NOT_YET_MADE.includes(state)) await this.#body(chunk);
    if (kind === 'input')
      await this.#atLeast(paths.rows(this.#run.id, chunkNo), endOfRows(index), { chunkNo, hint: NAMES });
    const end = Math.max(this.#ends.get(chunkNo) ?? 0, results === null ? 0 : endOfResults(results));
    if (end > 0) await this.#atLeast(paths.results(this.#run.id, chunkNo), end, { chunkNo, hint: RESULTS });
  }

  /** Says what was found. */
  async end(): Promise<string> {
    const log = Math.max(this.#run.realtimeLogBytes, this.#ends.get(REALTIME_CHUNK_NO) ?? 0);
    if (log > 0) await this.#atLeast(paths.realtime(this.#run.id), log, { chunkNo: null, hint: RESULTS });
    const read = this.#hashedBytes > 0 ? `; ${formatBytes(this.#hashedBytes)} that may be sent are unchanged` : '';
    return `${plural(this.#files, 'file')}, each as long as the ledger says${read}`;
  }

  async #body(chunk: ChunkRecord): Promise<void> {
    const { chunkNo, bytes, sha256, state } = chunk;
    const path = paths.body(this.#run.id, chunkNo);
    const size = await this.#size(path, { chunkNo, hint: SEND });
    if (size === null) return;
    if (size !== bytes) {
      this.#damaged(path, `has ${size} bytes; ${bytes} were sealed`, { chunkNo, hint: SEND });
      return;
    }
    const maySend = OPEN_CHUNK_STATES.includes(state) || this.#waiting.has(chunkNo);
    if (this.#run.state === 'done' || !maySend) return;
    const found = await this.#hash(path);
    this.#hashedBytes += size;
    if (found !== sha256)
      this.#damaged(path, 'is not what was sealed: its checksum is another', { chunkNo, hint: SEND });
  }

  async #hash(path: string): Promise<string> {
    const hash = createHash('sha256');
    for await (const piece of this.#engine.files.stream(path)) hash.update(piece);
    return hash.digest('hex');
  }

  async #atLeast(path: string, bytes: number, place: Place): Promise<void> {
    const size = await this.#size(path, place);
    if (size !== null && size < bytes) this.#damaged(path, `has ${size} bytes; the ledger needs ${bytes}`, place);
  }

  /** Null where there is none, which is told. */
  async #size(path: string, place: Place): Promise<number | null> {
    this.#files++;
    try {
      const size = await this.#engine.files.size(path);
      if (size === null) this.#found.add(finding('file_missing', this.#parts(path, 'is not there', place)));
      return size;
    } catch (error) {
      // A file that may not be read is as good as none; what the system says is in the message.
      if (!isBatchrunError(error, 'E_FILE')) throw error;
      this.#damaged(path, `cannot be read: ${messageOf(error)}`, place);
      return null;
    }
  }

  #damaged(path: string, what: string, place: Place): void {
    this.#found.add(finding('file_damaged', this.#parts(path, what, place)));
  }

  #parts(
    path: string,
    what: string,
    { chunkNo, hint }: Place,
  ): { chunk: number | null; message: string; hint: string } {
    const of = chunkNo === null ? 'of the realtime lane' : `of chunk ${chunkNo}`;
    return { chunk: chunkNo, message: `the file ${this.#engine.files.locate(path)} ${of} ${what}`, hint };
  }
}

interface Place {
  readonly chunkNo: number | null;
  readonly hint: string;
}

function endOfRows({ rowCount, rowOffsets, rowBytes }: RequestIndex): number {
  return rowCount === 0 ? 0 : (rowOffsets[rowCount - 1] ?? 0) + (rowBytes[rowCount - 1] ?? 0);
}

function endOfResults({ offsets, lengths }: ResultIndex): number {
  let end = 0;
  for (let at = 0; at < offsets.length; at++) end = Math.max(end, (offsets[at] ?? 0) + (lengths[at] ?? 0));
  return end;
}
