/**
 * For `--reuse`: where the answers of a finished run lie, sorted by the hash of the request. One file for each run,
 * made when somebody first needs it, and made anew when the run has answers that it did not have then. It goes with the
 * run's folder.
 *
 * Only answers that succeeded are in it, and only of requests that we sent ourselves: what an adopted batch was really
 * asked nobody here knows. Whether an answer is one to be taken is looked at again when it is (reused-answers.ts).
 */
import { createHash } from 'node:crypto';
import { BatchrunError, isBatchrunError } from '../../base/errors.ts';
import { ANSWER_BYTES, ANSWER_KEY_BYTES, isFinalStop, writePlace, type AnswerPlace } from '../../domain/answers.ts';
import { REQUEST_HASH_BYTES, requestHash } from '../../domain/canonical-request.ts';
import { paramsOf } from '../../domain/chunk-text.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import type { ChunkRecord, RunRecord } from '../../domain/model.ts';
import { decodeRequestIndex, decodeResultIndex, OUTCOME, stopReasonOf } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import { wireId } from '../../domain/result-line.ts';
import type { Store } from '../../domain/store.ts';
import { FileRecords, RecordSorter, type RecordStream } from '../ingest/record-sorter.ts';
import { REALTIME_CHUNK_NO } from '../realtime/realtime-settle.ts';
import { WindowReader } from '../output/windows.ts';

export interface AnswerScope {
  readonly store: Store;
  readonly files: Files;
  readonly signal: AbortSignal;
}

/** Magic, when the run was done, number of answers. After the records comes a sha-256 of all that is before it. */
const HEAD_BYTES = 24;
const MAGIC = 'brAnsw01';
const SUM_BYTES = 32;
const SHAPE = {
  recordBytes: ANSWER_BYTES,
  keyBytes: ANSWER_KEY_BYTES,
  prefixOf: (records: Buffer, at: number): number => records.readUInt32BE(at),
} as const;

/** The answers of a run in the order of their hashes, to be closed; null where its files cannot be read (any more). */
export async function openAnswers(scope: AnswerScope, run: RunRecord, forRun: string): Promise<RecordStream | null> {
  try {
    const end = (await wholeEnd(scope.files, run)) ?? (await build(scope, run, forRun));
    if (end === HEAD_BYTES) return null;
    return await FileRecords.open(scope.files, paths.answers(run.id), {
      recordBytes: ANSWER_BYTES,
      start: HEAD_BYTES,
      end,
    });
  } catch (error) {
    // Pruned meanwhile, or damaged: it is of no use, and nothing is lost by it. The rows are sent.
    if (isBatchrunError(error, 'E_FILE') || isBatchrunError(error, 'E_STATE_CORRUPT')) return null;
    throw error;
  }
}

/** Where the records of its file end; null where there is none that is whole and of now. */
async function wholeEnd(files: Files, run: RunRecord): Promise<number | null> {
  const path = paths.answers(run.id);
  const size = await files.size(path);
  if (size === null || size < HEAD_BYTES + SUM_BYTES) return null;
  const end = size - SUM_BYTES;
  const sum = createHash('sha256');
  for await (const piece of files.stream(path, 0, end)) sum.update(piece);
  const reader = await files.open(path);
  try {
    const head = await reader.read(0, HEAD_BYTES);
    const isWhole = sum.digest().equals(await reader.read(end, SUM_BYTES));
    const isOfNow = head.equals(headOf(run, (end - HEAD_BYTES) / ANSWER_BYTES));
    return isWhole && isOfNow ? end : null;
  } finally {
    await reader.close();
  }
}

function headOf(run: RunRecord, count: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(MAGIC, 'latin1');
  head.writeDoubleBE(run.doneAtMs ?? 0, 8);
  head.writeDoubleBE(count, 16);
  return head;
}

async function build(scope: AnswerScope, run: RunRecord, forRun: string): Promise<number> {
  const { store, files } = scope;
  // Spilled beside the run that is being read: whatever is left there goes with it.
  const sorter = new RecordSorter(files, (part) => paths.sorted(forRun, `answers-${run.id}`, part), SHAPE);
  try {
    for (const chunk of await store.chunks(run.id, { kind: 'input' })) {
      if (chunk.state !== 'split' && chunk.wire === 'tag' && chunk.answers !== 'rows')
        await addChunk(scope, chunk, sorter);
    }
    if (scope.signal.aborted) {
      throw new BatchrunError(
        'E_NOT_FINISHED',
        `interrupted while looking through the answers of ${run.id}: nothing was sent`,
        {
          hint: 'Nothing is left behind: submit again.',
        },
      );
    }
    return await write(files, run, sorter);
  } finally {
    await sorter.clear();
  }
}

async function write(files: Files, run: RunRecord, sorter: RecordSorter): Promise<number> {
  const { count } = sorter;
  const sum = createHash('sha256');
  const writer = await files.create(paths.answers(run.id));
  const records = await sorter.sorted();
  try {
    const put = async (bytes: Buffer): Promise<void> => {
      sum.update(bytes);
      await writer.write(bytes);
    };
    await put(headOf(run, count));
    const piece = Buffer.allocUnsafe(4_096 * ANSWER_BYTES);
    let used = 0;
    for (let record = records.current; record; record = records.current) {
      used += record.copy(piece, used);
      if (used === piece.length) {
        await put(piece);
        used = 0;
      }
      const moved = records.advance();
      if (moved) await moved;
    }
    await put(piece.subarray(0, used));
    await writer.write(sum.digest());
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  } finally {
    await records.close();
  }
  return HEAD_BYTES + count * ANSWER_BYTES;
}

async function addChunk(
  { store, files, signal }: AnswerScope,
  chunk: ChunkRecord,
  sorter: RecordSorter,
): Promise<void> {
  const { runId, chunkNo, betas } = chunk;
  const blobs = await store.chunkIndex(runId, chunkNo);
  const index = decodeRequestIndex(blobs.requests);
  const results = blobs.results === null ? null : decodeResultIndex(blobs.results);
  const tag = tagOf(runId);
  const record = Buffer.alloc(ANSWER_BYTES);
  const body = await WindowReader.open(files, paths.body(runId, chunkNo));
  try {
    for (let at = 0; at < index.rowCount && !signal.aborted; at++) {
      const outcome = blobs.outcomes?.[at] ?? OUTCOME.pending;
      const own = results?.at(at) ?? null;
      const place =
        (outcome & 15) === OUTCOME.succeeded && own
          ? isFinalStop(stopReasonOf(outcome)) && { chunkNo, index: at, ...own }
          : await placeOfRecord(store, runId, index.seqs[at] ?? -1);
      if (!place) continue;
      const bytes = await body.read(index.requestOffsets[at] ?? 0, index.requestBytes[at] ?? 0);
      const paramsJson = paramsOf(bytes.toString(), wireId(tag, chunkNo, at));
      requestHash(paramsJson, betas).copy(record);
      writePlace(record, REQUEST_HASH_BYTES, place);
      const spilled = sorter.add(record);
      if (spilled) await spilled;
    }
  } finally {
    await body.close();
  }
}

/** Of a row that succeeded elsewhere than in its first chunk, with the request as it stands. */
async function placeOfRecord(store: Store, runId: string, seq: number): Promise<AnswerPlace | null> {
  const row = await store.rowRecord(runId, seq);
  if (row?.state !== 'succeeded' || !row.result || row.truncations > 0 || row.maxTokens !== null) return null;
  const { chunkNo, offset, length } = row.result;
  return { chunkNo, index: chunkNo === REALTIME_CHUNK_NO ? seq : null, offset, length };
}
