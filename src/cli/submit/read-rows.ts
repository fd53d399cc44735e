/**
 * How the rows of the inputs are read: in a thread of its own where that pays, so that one core parses and checks rows
 * while the other hashes and writes them; in this thread where the input is small, or cannot be opened twice (stdin, a
 * pipe), or somebody here wants to see each record.
 */
import { Worker } from 'node:worker_threads';
import type { MarkedPrefix } from '../../domain/cache/blocks.ts';
import { prepareRows, type PreparedRows, type ReadBlock } from '../../domain/row/prepare-rows.ts';
import type { BlockMemory } from '../../domain/row/row-block.ts';
import { invariant } from '../../base/errors.ts';
import type { RowReading, RowSource, SourceRecord } from '../../domain/source.ts';
import { sweepSpools } from '../../engine/ingest/spools.ts';
import { arranged } from '../../host/arrange.ts';
import { openSpools } from '../../host/spools.ts';
import type { Context } from '../context.ts';
import type { Flags } from '../flags/options.ts';
import { packError, unpackError, type PackedError } from './packed-error.ts';
import { rowReading, type Texts } from './prepare.ts';

/** Below this the thread takes longer to start than it saves: it costs 50 ms, and an input of this size 0.1 s. */
const THREAD_BYTES_MIN = 16 * 1024 * 1024;
/** The thread's young objects live in so many megabytes: rows are parsed, written and forgotten. */
const YOUNG_MB_MAX = 24;

export interface RowsRequest {
  readonly inputs: readonly string[];
  readonly source: RowSource;
  readonly texts: Texts;
  readonly argv: readonly string[];
  /** What rows get marks for in the prompt cache. */
  readonly cache?: readonly MarkedPrefix[];
  /** Sees every record and what was made of it. */
  readonly onReading?: ((record: SourceRecord, reading: RowReading) => void) | undefined;
}

/** What the thread is started with. */
export interface ReadingJob {
  readonly inputs: readonly string[];
  readonly flags: Flags;
  readonly texts: Texts;
  readonly argv: readonly string[];
  readonly cache: readonly MarkedPrefix[];
  readonly stateFolder: string;
}

/** What the thread says. Memory goes with a block, and comes back as a message when the block is done with. */
export type ReadingMessage =
  | { readonly kind: 'block'; readonly read: ReadBlock }
  /** With the number of records that there were. */
  | { readonly kind: 'end'; readonly records: number }
  | { readonly kind: 'failed'; readonly error: PackedError };

export function readRows(context: Context, request: RowsRequest): PreparedRows {
  const { flags, signal, stateFolder } = context;
  const { inputs, texts, argv, onReading, cache = [] } = request;
  const source = arranged(request.source, flags, stateFolder);
  // Also where a thread reads: what can be seen from the flags and the columns is refused at once.
  const read = rowReading(source, { flags, texts, argv, cache });
  const { totalBytes } = source.progress();
  if (!onReading && totalBytes !== null && totalBytes >= THREAD_BYTES_MIN) {
    return { blocks: () => threadBlocks({ inputs, flags, texts, argv, cache, stateFolder }) };
  }
  const seen = (record: SourceRecord): RowReading => {
    const reading = read(record);
    onReading?.(record, reading);
    return reading;
  };
  const options = { source, inputCount: inputs.length, limit: flags.limit ?? null, keepIds: onReading !== undefined };
  return prepareRows({ ...options, read: onReading ? seen : read, stopping: () => signal.aborted });
}

async function* threadBlocks(job: ReadingJob): AsyncGenerator<ReadBlock> {
  const worker = new Worker(new URL('./reading-thread.js', import.meta.url), {
    workerData: job,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
  });
  const arrived: ReadingMessage[] = [];
  let wake: (() => void) | undefined;
  let records = 0;
  worker.on('message', (message: ReadingMessage) => {
    arrived.push(message);
    wake?.();
  });
  const failure = (error: unknown): void => {
    arrived.push({ kind: 'failed', error: packError(error) });
    wake?.();
  };
  worker.on('error', failure);
  worker.on('messageerror', failure);
  worker.on('exit', (code) => failure(new Error(`the thread that reads the input ended (${code})`)));
  try {
    for (;;) {
      const message = arrived.shift();
      if (!message) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if (message.kind === 'end') {
        invariant(message.records === records, `of ${message.records} records ${records} arrived`);
        return;
      }
      if (message.kind !== 'block') throw unpackError(message.error);
      const { block, progress } = message.read;
      records = block.records;
      // Buffers arrive as plain arrays of bytes.
      const [prints, lines] = [bufferOf(block.prints), bufferOf(block.lines)];
      yield { block: { ...block, prints, lines }, progress };
      giveBack(worker, { prints, lines, places: block.places });
    }
  } finally {
    worker.removeAllListeners();
    // What it still has to say no longer matters, but an error without a listener would end this process.
    worker.on('error', () => undefined);
    await worker.terminate();
    // It may have been in the middle of a shuffle.
    if (job.flags.shuffle === true) await sweepSpools(await openSpools(job.stateFolder));
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function giveBack(worker: Worker, { prints, lines, places }: BlockMemory): void {
  const memory = [prints.buffer, lines.buffer, places.buffer] as ArrayBuffer[];
  worker.postMessage(memory, memory);
}
