/**
 * Files of a run that were lost or altered since they were sealed are made again: a submit of a run that exists has just
 * read every row of it. What is made must be what was sealed, by its checksum and sizes, else nothing takes its place.
 */
import { createHash } from 'node:crypto';
import { paramsOf, requestText } from '../../domain/chunk-text.ts';
import { paths, tagOf } from '../../domain/ids.ts';
import { BODY_HEAD, BODY_TAIL } from '../../domain/limits.ts';
import type { ChunkRecord, RunRecord } from '../../domain/model.ts';
import { decodeRequestIndex, type RequestIndex } from '../../domain/packed-index.ts';
import { wireId } from '../../domain/result-line.ts';
import type { Engine } from '../engine.ts';
import { WindowReader } from '../output/windows.ts';

type Scope = Pick<Engine, 'store' | 'files'>;

interface Damaged {
  readonly chunk: ChunkRecord;
  readonly index: RequestIndex;
  readonly body: boolean;
  readonly rows: boolean;
}

/** Where a row of the damaged chunk lies among the chunks that were just read. */
interface Source {
  readonly chunkNo: number;
  readonly at: number;
}

const PENDING_CHARS_MAX = 512 * 1024;
/** Row records read at a time. */
const PAGE_ROWS = 1_000;

/** `from` is the run that was just read, `to` the one that exists. Gives how many files were made again. */
export async function restoreFiles(
  scope: Scope,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<number> {
  const run = await scope.store.run(to);
  if (!run || run.state === 'done') return 0;
  let restored = 0;
  for (const damaged of await findDamaged(scope, run)) {
    const found = await findSources(scope, from, damaged);
    if (found) restored += await rewrite(scope, { damaged, from, ...found });
  }
  return restored;
}

/**
 * Bodies that are still to be sent or from which rows are sent again, and row files, which the output needs. Sizes tell
 * most; a checksum what was blocked.
 */
async function findDamaged({ store, files }: Scope, run: RunRecord): Promise<readonly Damaged[]> {
  const blocked = new Set(run.blocked.filter((block) => block.reason === 'chunk_damaged').map((block) => block.scope));
  const needed = await homesOfRetries(store, run.id);
  const damaged: Damaged[] = [];
  for (const chunk of await store.chunks(run.id)) {
    if (chunk.state === 'split' || chunk.wire === 'own') continue;
    const index = decodeRequestIndex((await store.chunkIndex(run.id, chunk.chunkNo)).requests);
    const rowBytes = index.rowBytes.reduce((sum, bytes) => sum + bytes, 0);
    const isOther = (await files.size(paths.body(run.id, chunk.chunkNo))) !== chunk.bytes;
    const isNeeded = chunk.state === 'sealed' || needed.has(chunk.chunkNo);
    const body = isNeeded && (isOther || blocked.has(`chunk:${chunk.chunkNo}`));
    // A chunk of retries has none: its rows are in the row files of the chunks that they come from.
    const rows = chunk.kind === 'input' && (await files.size(paths.rows(run.id, chunk.chunkNo))) !== rowBytes;
    if (body || rows) damaged.push({ chunk, index, body, rows });
  }
  return damaged;
}

/** The chunks in whose files the rows lie that wait for another try. */
async function homesOfRetries(store: Scope['store'], runId: string): Promise<ReadonlySet<number>> {
  const homes = new Set<number>();
  for (let afterSeq = -1; ;) {
    const rows = await store.rowRecords(runId, { states: ['retry', 'in_realtime'], afterSeq, limit: PAGE_ROWS });
    const last = rows.at(-1);
    if (!last) return homes;
    afterSeq = last.seq;
    for (const { homeChunkNo } of rows) homes.add(homeChunkNo);
  }
}

interface Found {
  readonly sources: readonly Source[];
  readonly indexes: ReadonlyMap<number, RequestIndex>;
}

/** Null when a row of the chunk is not among those that were read. */
async function findSources({ store }: Scope, from: string, { index }: Damaged): Promise<Found | null> {
  const wanted = new Map<number, number>();
  index.seqs.forEach((seq, at) => wanted.set(seq, at));
  const sources: Source[] = [];
  const indexes = new Map<number, RequestIndex>();
  let found = 0;
  for (const { chunkNo } of await store.chunks(from, { kind: 'input' })) {
    const other = decodeRequestIndex((await store.chunkIndex(from, chunkNo)).requests);
    other.seqs.forEach((seq, at) => {
      const place = wanted.get(seq);
      if (place === undefined) return;
      sources[place] = { chunkNo, at };
      indexes.set(chunkNo, other);
      found++;
    });
  }
  return found === index.rowCount ? { sources, indexes } : null;
}

async function rewrite(
  scope: Scope,
  { damaged, from, sources, indexes }: Found & { readonly damaged: Damaged; readonly from: string },
): Promise<number> {
  const { chunk, index } = damaged;
  const { runId, chunkNo } = chunk;
  let restored = 0;
  if (damaged.body) {
    const tag = tagOf(runId);
    const text = piecesOf(
      scope,
      { sources, indexes, path: (no) => paths.body(from, no) },
      (at, request) =>
        (at === 0 ? BODY_HEAD : ',') +
        requestText(wireId(tag, chunkNo, at), paramsOf(request, null)) +
        (at === chunk.rowCount - 1 ? BODY_TAIL : ''),
    );
    restored += await replace(scope, paths.body(runId, chunkNo), text, (sha256) => sha256 === chunk.sha256);
  }
  if (damaged.rows) {
    const bytes = index.rowBytes.reduce((sum, one) => sum + one, 0);
    const text = piecesOf(
      scope,
      { sources, indexes, path: (no) => paths.rows(from, no), rows: true },
      (_at, line) => line,
    );
    restored += await replace(scope, paths.rows(runId, chunkNo), text, (_sha256, written) => written === bytes);
  }
  return restored;
}

/** The requests (or lines of the row files) of all rows of a chunk, each through `change`, gathered into large texts. */
async function* piecesOf(
  { files }: Scope,
  {
    sources,
    indexes,
    path,
    rows = false,
  }: Found & { readonly path: (chunkNo: number) => string; readonly rows?: boolean },
  change: (at: number, text: string) => string,
): AsyncGenerator<Buffer> {
  const readers = new Map<number, WindowReader>();
  let pending = '';
  try {
    for (const [at, source] of sources.entries()) {
      const place = indexes.get(source.chunkNo)?.at(source.at);
      if (!place) return;
      let reader = readers.get(source.chunkNo);
      if (!reader) readers.set(source.chunkNo, (reader = await WindowReader.open(files, path(source.chunkNo))));
      const bytes = await (rows
        ? reader.read(place.rowOffset, place.rowBytes)
        : reader.read(place.requestOffset, place.requestBytes));
      pending += change(at, bytes.toString());
      if (pending.length < PENDING_CHARS_MAX) continue;
      yield Buffer.from(pending);
      pending = '';
    }
    yield Buffer.from(pending);
  } finally {
    for (const reader of readers.values()) await reader.close();
  }
}

/** Writes the file and puts it in place when it is what was sealed. Gives 1 then, else 0. */
async function replace(
  { files }: Scope,
  path: string,
  pieces: AsyncIterable<Buffer>,
  isRight: (sha256: string, bytes: number) => boolean,
): Promise<number> {
  const writer = await files.create(path);
  const sha256 = createHash('sha256');
  try {
    for await (const piece of pieces) {
      sha256.update(piece);
      await writer.write(piece);
    }
    if (!isRight(sha256.digest('hex'), writer.bytes)) {
      await writer.abort();
      return 0;
    }
    await writer.commit();
    return 1;
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
