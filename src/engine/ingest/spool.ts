/**
 * The rows of a run that is still being read, once more and in the order of the input, from the chunks that they were
 * sealed into. Each chunk is gone when its last row has been taken: whoever reads writes new ones.
 */
import { BatchrunError } from '../../base/errors.ts';
import { requestHead } from '../../domain/chunk-text.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import { laneOfMix } from '../../domain/lane-mix.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import { decodeRequestIndex, type RequestIndex } from '../../domain/packed-index.ts';
import { wireId } from '../../domain/result-line.ts';
import type { BlockRow } from '../../domain/row/row-block.ts';
import type { Engine } from '../engine.ts';
import { sizeOfParams } from '../upload/split.ts';
import { WindowReader } from '../output/windows.ts';

interface SpoolChunk {
  readonly chunk: ChunkRecord;
  readonly index: RequestIndex;
  readonly body: WindowReader;
  readonly rows: WindowReader;
  at: number;
}

/** A row's bytes are valid until the next one is asked for. */
export async function* takeRows(
  engine: Pick<Engine, 'store' | 'files'>,
  runId: string,
  chunks: readonly ChunkRecord[],
): AsyncGenerator<BlockRow> {
  const upcoming = [...chunks].sort((one, other) => one.firstSeq - other.firstSeq);
  const open: SpoolChunk[] = [];
  try {
    for (;;) {
      // Rows with different betas lie in chunks side by side.
      let first = earliest(open);
      const next = upcoming[0];
      if (next && next.firstSeq < (first ? seqOf(first) : Infinity)) {
        upcoming.shift();
        first = await openChunk(engine, next);
        open.push(first);
      }
      if (!first) return;
      yield await rowOf(first);
      if (++first.at < first.index.rowCount) continue;
      open.splice(open.indexOf(first), 1);
      await closeChunk(first);
      await dropChunk(engine, runId, first.chunk);
    }
  } finally {
    for (const chunk of open) await closeChunk(chunk);
  }
}

async function openChunk({ store, files }: Pick<Engine, 'store' | 'files'>, chunk: ChunkRecord): Promise<SpoolChunk> {
  const { runId, chunkNo } = chunk;
  const index = decodeRequestIndex((await store.chunkIndex(runId, chunkNo)).requests);
  const body = await WindowReader.open(files, paths.body(runId, chunkNo));
  try {
    return { chunk, index, body, rows: await WindowReader.open(files, paths.rows(runId, chunkNo)), at: 0 };
  } catch (error) {
    await body.close();
    throw error;
  }
}

async function closeChunk({ body, rows }: SpoolChunk): Promise<void> {
  await body.close();
  await rows.close();
}

async function rowOf({ chunk, index, body, rows, at }: SpoolChunk): Promise<BlockRow> {
  const { seq, requestOffset, requestBytes, rowOffset, rowBytes } = index.at(at);
  const request = await body.read(requestOffset, requestBytes);
  const head = requestHead(wireId(tagOf(chunk.runId), chunk.chunkNo, at));
  if (request.toString('latin1', 0, head.length) !== head) {
    throw new BatchrunError('E_STATE_CORRUPT', `a request of chunk ${chunk.chunkNo} is not as it was written`);
  }
  const params = request.subarray(head.length, -1);
  const { betas, priority, mix } = chunk;
  const kind = { ...sizeOfParams(params.toString()), betas, priority, lane: laneOfMix(mix) };
  return { seq, params, line: await rows.read(rowOffset, rowBytes), kind };
}

async function dropChunk(
  { store, files }: Pick<Engine, 'store' | 'files'>,
  runId: string,
  chunk: ChunkRecord,
): Promise<void> {
  await store.resealChunk(runId, { ...chunk, rowCount: 0, bytes: 0, mix: {}, requestIndex: new Uint8Array() });
  await files.remove(paths.body(runId, chunk.chunkNo));
  await files.remove(paths.rows(runId, chunk.chunkNo));
}

function earliest(open: readonly SpoolChunk[]): SpoolChunk | undefined {
  let first = open[0];
  for (const chunk of open) if (first && seqOf(chunk) < seqOf(first)) first = chunk;
  return first;
}

function seqOf({ index, at }: SpoolChunk): number {
  return index.seqs[at] ?? Infinity;
}
