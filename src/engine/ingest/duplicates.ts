/**
 * Settles equal id hashes on the text: which rows really have an id that another row has. Reads only the row files,
 * chunk by chunk; memory holds the ids in question, never the rows.
 *
 * Of rows with one id the first keeps it, and an explicit id wins over a generated one (a line number).
 */
import { addMix, paramsOf, type MixSums } from '../../domain/chunk-text.ts';
import { hashOf } from '../../domain/id-hash.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import { laneOfMix } from '../../domain/lane-mix.ts';
import { invariant } from '../../base/errors.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import { decodeRequestIndex } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import { decodeRowEntry, generatedId, rowFileLines, type InvalidEntry, type RowEntry } from '../../domain/row-file.ts';
import type { Store } from '../../domain/store.ts';
import { ChunkWriter } from './chunk-writer.ts';
import type { Engine } from '../engine.ts';
import { RequestReader } from '../retry/requests.ts';
import { sizeOfParams } from '../upload/split.ts';

export interface Duplicate {
  readonly chunkNo: number;
  readonly index: number;
  readonly entry: InvalidEntry;
}

/** A row that has an id. */
export interface Holder {
  readonly seq: number;
  readonly line: number;
  readonly file: number;
  readonly generated: boolean;
}

interface Place {
  readonly chunk: ChunkRecord;
  readonly index: number;
  readonly seq: number;
  readonly entry: RowEntry;
}

export interface DuplicateScope {
  readonly store: Store;
  readonly files: Files;
  readonly runId: string;
  readonly inputCount: number;
  /** With --on-invalid skip the params of a refused row go into the report. */
  readonly keepParams: boolean;
}

/** The rows to refuse, chunk by chunk, each list in the order of its chunk. */
export async function* findDuplicates(
  scope: DuplicateScope,
  hashes: ReadonlySet<number>,
): AsyncGenerator<readonly Duplicate[]> {
  const chunks = await scope.store.chunks(scope.runId, { kind: 'input' });
  const holders = new Map<string, Holder>();
  for (const chunk of chunks) {
    for await (const place of suspects(scope, chunk, hashes)) {
      const holder = toHolder(place, scope.inputCount);
      const known = holders.get(place.entry.id);
      if (!known || wins(holder, known)) holders.set(place.entry.id, holder);
    }
  }
  const requests = new RequestReader(scope.store, scope.files);
  for (const chunk of chunks) {
    const found: Duplicate[] = [];
    for await (const place of suspects(scope, chunk, hashes)) {
      const holder = holders.get(place.entry.id);
      invariant(holder, 'an id that was seen once is seen again');
      if (holder.seq === place.seq) continue;
      const message = duplicateMessage(place.entry.id, toHolder(place, scope.inputCount), holder);
      const problems = [{ code: 'duplicate_id', message }];
      const home = { homeChunkNo: chunk.chunkNo, homeIndex: place.index };
      // A skipped row can be submitted again under another id: its request is kept with it.
      const params: unknown = scope.keepParams
        ? JSON.parse((await requests.params(scope.runId, home)).paramsJson)
        : undefined;
      const entry = { ...place.entry, seq: place.seq, problems, ...(params === undefined ? {} : { params }) };
      found.push({ chunkNo: chunk.chunkNo, index: place.index, entry });
    }
    // The chunk may be written anew by whoever takes them: its file must not be open here.
    await requests.close();
    if (found.length > 0) yield found;
  }
}

/** Writes a chunk anew without these rows. Only while its run is being read: nobody has sent it. */
export async function dropDuplicates(engine: Engine, runId: string, duplicates: readonly Duplicate[]): Promise<void> {
  const chunkNo = duplicates[0]?.chunkNo ?? 0;
  const chunk = await engine.store.chunk(runId, chunkNo);
  invariant(chunk, 'a chunk with duplicates exists');
  const drop = new Set(duplicates.map((duplicate) => duplicate.index));
  const index = decodeRequestIndex((await engine.store.chunkIndex(runId, chunkNo)).requests);
  const { betas, priority } = chunk;
  const lane = laneOfMix(chunk.mix);
  const target = { runId, tag: tagOf(runId), chunkNo, kind: 'input', betas, priority, lane, parentNo: null } as const;
  const writer = new ChunkWriter(engine.files, target);
  const body = await engine.files.open(paths.body(runId, chunkNo));
  const rows = await engine.files.open(paths.rows(runId, chunkNo));
  try {
    for (let at = 0; at < index.rowCount; at++) {
      if (drop.has(at)) continue;
      const place = index.at(at);
      const paramsJson = paramsOf((await body.read(place.requestOffset, place.requestBytes)).toString(), null);
      const line = await rows.read(place.rowOffset, place.rowBytes);
      await writer.add({ seq: place.seq, params: Buffer.from(paramsJson), kind: sizeOfParams(paramsJson), line });
    }
    if (writer.rowCount > 0) {
      await engine.store.resealChunk(runId, await writer.seal());
    } else {
      await engine.store.resealChunk(runId, emptyChunk(chunk));
    }
  } finally {
    await body.close();
    await rows.close();
  }
}

/** The sums of all chunks of a run. */
export function sumChunks(chunks: readonly ChunkRecord[]): { bytes: number; mix: MixSums } {
  const mix: MixSums = {};
  for (const chunk of chunks) addMix(mix, chunk.mix);
  return { bytes: chunks.reduce((sum, chunk) => sum + chunk.bytes, 0), mix };
}

function emptyChunk(chunk: ChunkRecord): Parameters<Store['resealChunk']>[1] {
  return { ...chunk, rowCount: 0, bytes: 0, mix: {}, requestIndex: new Uint8Array() };
}

async function* suspects(
  scope: DuplicateScope,
  chunk: ChunkRecord,
  hashes: ReadonlySet<number>,
): AsyncGenerator<Place> {
  const { requests } = await scope.store.chunkIndex(scope.runId, chunk.chunkNo);
  const { seqs } = decodeRequestIndex(requests);
  let index = 0;
  const pieces = scope.files.stream(paths.rows(scope.runId, chunk.chunkNo));
  for await (const line of rowFileLines(pieces)) {
    const entry = decodeRowEntry(line.bytes.toString());
    const seq = seqs[index];
    invariant(seq !== undefined, 'a row file has as many lines as its chunk has rows');
    if (hashes.has(hashOf(entry.id))) yield { chunk, index, seq, entry };
    index++;
  }
}

function toHolder(place: Place, inputCount: number): Holder {
  const { id, line, file = 0 } = place.entry;
  return { seq: place.seq, line, file, generated: id === generatedId(file, line, inputCount) };
}

/** An explicit id goes before a line number, and otherwise the first row has it. */
export function wins(holder: Holder, known: Holder): boolean {
  if (holder.generated !== known.generated) return known.generated;
  return holder.seq < known.seq;
}

export function duplicateMessage(id: string, own: Holder, other: Holder): string {
  const shown = id.length > 40 ? `${id.slice(0, 40)}…` : id;
  const where = `line ${other.line}${own.file === other.file ? '' : ` of input ${other.file + 1}`}`;
  if (own.generated && !other.generated) {
    return `the row has no id and would get its line number, "${shown}", but that is the id of the row on ${where}: give it an id of its own`;
  }
  return `the id "${shown}" is already that of the row on ${where}`;
}
