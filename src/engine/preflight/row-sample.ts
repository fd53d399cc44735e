/**
 * Rows of a run that are looked at in place of all of them: spread evenly over the input, and the longest. They are
 * found by the packed indexes of the chunks, so an input of any size costs a few reads. Also while a run is being read
 * and does not count yet (the `confirm` of ingest.ts).
 */
import { isSent } from '../../domain/lanes.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import { decodeRequestIndex } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import type { Store } from '../../domain/store.ts';
import { RequestReader, type SizedRequest } from '../retry/requests.ts';

export interface SampledRow extends SizedRequest {
  /** Where it lies: its line is at the same place of the row file. */
  readonly chunkNo: number;
  readonly index: number;
  readonly seq: number;
  /** UTF-8 bytes of its params. */
  readonly bytes: number;
  /** It is here because it is long: it says nothing about the others. */
  readonly isLongest: boolean;
}

export interface SampleOptions {
  /** Rows spread over all chunks; fewer where there are fewer. */
  readonly count: number;
  /** The longest rows beside them. */
  readonly longest: number;
  /** Larger requests are left out and not even read. */
  readonly bytesMax?: number;
}

interface Place {
  readonly chunkNo: number;
  readonly index: number;
  readonly seq: number;
  readonly requestBytes: number;
}

interface SamplePorts {
  readonly store: Store;
  readonly files: Files;
}

/** In the order of the input. The same input gives the same rows. */
export async function sampleRows(
  ports: SamplePorts,
  runId: string,
  options: SampleOptions,
): Promise<readonly SampledRow[]> {
  const rows: SampledRow[] = [];
  for await (const row of readSample(ports, runId, options)) rows.push(row);
  return rows;
}

/** The same, one row in memory at a time. */
export async function* readSample(
  { store, files }: SamplePorts,
  runId: string,
  options: SampleOptions,
): AsyncGenerator<SampledRow> {
  const { places, spread } = await choosePlaces(store, runId, options);
  const requests = new RequestReader(store, files);
  try {
    for (const { chunkNo, index, seq } of places) {
      const request = await requests.sized(runId, { homeChunkNo: chunkNo, homeIndex: index });
      const bytes = Buffer.byteLength(request.paramsJson);
      yield { ...request, chunkNo, index, seq, bytes, isLongest: !spread.has(seq) };
    }
  } finally {
    await requests.close();
  }
}

async function choosePlaces(
  store: Store,
  runId: string,
  { count, longest, bytesMax = Infinity }: SampleOptions,
): Promise<{ readonly places: readonly Place[]; readonly spread: ReadonlyMap<number, Place> }> {
  const chunks = (await store.chunks(runId)).filter((chunk) => chunk.kind === 'input' && isSent(chunk));
  const spread = new Map<number, Place>();
  const tallest: Place[] = [];
  const total = chunks.reduce((sum, chunk) => sum + chunk.rowCount, 0);
  let before = 0;
  for (const chunk of chunks) {
    const { seqs, requestBytes } = decodeRequestIndex((await store.chunkIndex(runId, chunk.chunkNo)).requests);
    const placeOf = (index: number): Place => ({
      ...{ chunkNo: chunk.chunkNo, index, seq: seqs[index] ?? -1, requestBytes: requestBytes[index] ?? 0 },
    });
    for (const index of evenly(chunk, { before, total, count })) spread.set(seqs[index] ?? -1, placeOf(index));
    keepTallest(tallest, { requestBytes, placeOf, most: longest, bytesMax });
    before += chunk.rowCount;
  }
  const longOnes = tallest.filter(({ seq }) => !spread.has(seq));
  const places = [...spread.values(), ...longOnes]
    .filter(({ requestBytes }) => requestBytes <= bytesMax)
    .sort((one, other) => one.seq - other.seq);
  return { places, spread };
}

/** The rows of this chunk that an even spread over all rows meets. */
function* evenly(
  { rowCount }: ChunkRecord,
  { before, total, count }: { readonly before: number; readonly total: number; readonly count: number },
): Generator<number> {
  const step = Math.max(1, total / count);
  for (let nth = Math.ceil((before - step / 2) / step); ; nth++) {
    const index = Math.floor(nth * step + step / 2) - before;
    if (index >= rowCount) return;
    if (index >= 0) yield index;
  }
}

function keepTallest(
  tallest: Place[],
  of: {
    readonly requestBytes: Float64Array;
    readonly placeOf: (index: number) => Place;
    readonly most: number;
    readonly bytesMax: number;
  },
): void {
  if (of.most === 0) return;
  for (let index = 0; index < of.requestBytes.length; index++) {
    const bytes = of.requestBytes[index] ?? 0;
    if (bytes > of.bytesMax) continue;
    if (tallest.length === of.most && bytes <= (tallest.at(-1)?.requestBytes ?? 0)) continue;
    tallest.push(of.placeOf(index));
    tallest.sort((one, other) => other.requestBytes - one.requestBytes);
    if (tallest.length > of.most) tallest.pop();
  }
}
