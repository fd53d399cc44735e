/**
 * A chunk that the API refuses for what is in it. A row that the refusal names fails alone and the rest is sealed
 * again; otherwise the chunk is cut in two, down to the row; 413 the same way, because bytes alone do not tell what is
 * too large (file references count: sdk-python#1098).
 */
import { invariant } from '../../base/errors.ts';
import { paramsOf } from '../../domain/chunk-text.ts';
import { addedTokensMost } from '../../domain/estimate/added-tokens.ts';
import { mediaOf } from '../../domain/estimate/media-tokens.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import { laneOfMix } from '../../domain/lane-mix.ts';
import { CREATES_PER_CHUNK_MAX } from '../../domain/limits.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import { decodeRequestIndex, type RequestIndex } from '../../domain/packed-index.ts';
import type { FileReader } from '../../domain/ports.ts';
import { wireId } from '../../domain/result-line.ts';
import type { RowKind } from '../../domain/row/row-block.ts';
import type { JsonObject } from '../../domain/row/shape.ts';
import type { NewChunk } from '../../domain/store-steps.ts';
import { ChunkWriter } from '../ingest/chunk-writer.ts';
import { blockRun, type Session } from '../session.ts';

export interface Refusal {
  readonly chunk: ChunkRecord;
  readonly attemptId: number;
  readonly cause: string;
  readonly errorType: string;
  readonly rowIndex: number | null;
}

export async function splitChunk(session: Session, refusal: Refusal): Promise<void> {
  const { engine, driver } = session;
  const { chunk, attemptId, cause, errorType } = refusal;
  const { runId, chunkNo } = chunk;
  const atMs = engine.clock.now();
  if (chunk.rowCount === 1) {
    await driver.recordRefused({ runId, chunkNo, attemptId, atMs, errorType: `batchrun_refused_${errorType}` });
    return;
  }
  const root = await engine.store.chunk(runId, chunk.rootNo);
  if ((root?.refusals ?? 0) + 1 >= CREATES_PER_CHUNK_MAX) {
    await driver.recordNotCreated({ attemptId, atMs, reason: cause });
    await blockRun(session, runId, {
      reason: 'creates_exhausted',
      scope: `chunk:${chunkNo}`,
      message: `the API refused chunk ${chunk.rootNo} and its parts ${CREATES_PER_CHUNK_MAX} times (${cause}); chunk ${chunkNo} is not sent again`,
      hint: `See \`batchrun log ${runId}\` for the refusals; mend the rows and submit them as a new run, or cancel this one.`,
      sinceMs: atMs,
    });
    return;
  }
  const parts = await cut(session, chunk, refusal.rowIndex);
  const refused = parts.refused && { ...parts.refused, errorType: `batchrun_refused_${errorType}` };
  await driver.recordSplit({ runId, chunkNo, attemptId, atMs, reason: cause, children: parts.children, refused });
  engine.emit({ kind: 'chunk.split', runId, chunkNo, cause });
}

async function cut(
  session: Session,
  chunk: ChunkRecord,
  rowIndex: number | null,
): Promise<{ children: readonly NewChunk[]; refused: NewChunk | null }> {
  const { store } = session.engine;
  const index = decodeRequestIndex((await store.chunkIndex(chunk.runId, chunk.chunkNo)).requests);
  const all = Array.from({ length: index.rowCount }, (_unused, at) => at);
  const nextNo = ((await store.chunks(chunk.runId)).at(-1)?.chunkNo ?? 0) + 1;
  if (rowIndex !== null && rowIndex < chunk.rowCount) {
    const rest = all.filter((at) => at !== rowIndex);
    return {
      children: [await copyRows(session, { chunk, index, rows: rest, chunkNo: nextNo })],
      refused: await copyRows(session, { chunk, index, rows: [rowIndex], chunkNo: nextNo + 1 }),
    };
  }
  const half = Math.ceil(all.length / 2);
  return {
    children: [
      await copyRows(session, { chunk, index, rows: all.slice(0, half), chunkNo: nextNo }),
      await copyRows(session, { chunk, index, rows: all.slice(half), chunkNo: nextNo + 1 }),
    ],
    refused: null,
  };
}

const NO_LINE = Buffer.alloc(0);

interface Copy {
  readonly chunk: ChunkRecord;
  readonly index: RequestIndex;
  readonly rows: readonly number[];
  readonly chunkNo: number;
}

/** A new chunk with some rows of another, in their order. */
async function copyRows(session: Session, { chunk, index, rows, chunkNo }: Copy): Promise<NewChunk> {
  const { files } = session.engine;
  const { runId, kind, betas, priority } = chunk;
  const lane = laneOfMix(chunk.mix);
  const target = { runId, tag: tagOf(runId), chunkNo, kind, betas, priority, lane, parentNo: chunk.chunkNo };
  const writer = new ChunkWriter(files, target);
  const body = await files.open(paths.body(runId, chunk.chunkNo));
  const rowFile: FileReader | null = kind === 'input' ? await files.open(paths.rows(runId, chunk.chunkNo)) : null;
  try {
    for (const at of rows) {
      const place = index.at(at);
      const request = (await body.read(place.requestOffset, place.requestBytes)).toString();
      const paramsJson = paramsOf(request, chunk.wire === 'own' ? null : wireId(target.tag, chunk.chunkNo, at));
      const line = rowFile ? await rowFile.read(place.rowOffset, place.rowBytes) : NO_LINE;
      await writer.add({ seq: place.seq, params: Buffer.from(paramsJson), line, kind: sizeOfParams(paramsJson) });
    }
    invariant(writer.rowCount === rows.length, 'every row of a split is copied');
    return await writer.seal(session.driver.assertDriving);
  } catch (error) {
    // On a full disk what was begun would be in the way of the next try.
    await writer.abort();
    throw error;
  } finally {
    await body.close();
    await rowFile?.close();
  }
}

/** What a mix counts of a request. */
export function sizeOfParams(
  paramsJson: string,
): Required<Pick<RowKind, 'model' | 'maxTokens' | 'caches' | 'addedTokens' | 'media'>> {
  const params = JSON.parse(paramsJson) as JsonObject & { readonly model: string; readonly max_tokens: number };
  const { model, max_tokens: maxTokens } = params;
  const caches = paramsJson.includes('"cache_control"');
  const media = mediaOf(params);
  return { model, maxTokens, caches, addedTokens: addedTokensMost(params), media };
}
