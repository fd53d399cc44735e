/**
 * From records to blocks of rows: what reads an input, checks every row and encodes it, in this thread or in another
 * (cli/submit/reading-thread.ts).
 */
import { newBlockMemory, type BlockMemory, type RowBlock } from './row-block.ts';
import { RowEncoder } from './row-encoder.ts';
import type { RowReading, RowSource, SourceRecord } from '../source.ts';

export interface ReadBlock {
  readonly block: RowBlock;
  readonly progress: ReturnType<RowSource['progress']>;
}

/** What ingest reads. */
export interface PreparedRows {
  /** Blocks in the order of the input. One pass. A block is valid until the next one is asked for. */
  blocks(): AsyncIterable<ReadBlock>;
}

export interface PrepareOptions {
  readonly source: RowSource;
  readonly read: (record: SourceRecord) => RowReading;
  readonly inputCount: number;
  /** Only the first so many records. */
  readonly limit: number | null;
  /** See `EncoderOptions`. */
  readonly keepIds?: boolean;
  /** Somebody wants to stop: what there is is handed on at once, so that whoever takes it can. */
  readonly stopping?: () => boolean;
  /** Bytes of a block; a megabyte unless said otherwise. */
  readonly blockBytes?: number;
}

/** In this thread, with one piece of memory for all blocks. */
export function prepareRows(options: PrepareOptions): PreparedRows {
  const memory = newBlockMemory(options.blockBytes);
  return { blocks: () => readBlocks(options, { first: memory, next: () => memory }) };
}

/** Where the memory of blocks comes from. */
export interface BlockMemories {
  readonly first: BlockMemory;
  /** Waits until there is some. */
  next(): BlockMemory | Promise<BlockMemory>;
}

export async function* readBlocks(options: PrepareOptions, memories: BlockMemories): AsyncGenerator<ReadBlock> {
  const { source, read, limit, inputCount, keepIds = false, stopping } = options;
  const encoder = new RowEncoder(memories.first, { inputCount, keepIds });
  const take = async (): Promise<ReadBlock> => {
    const progress = source.progress();
    return { block: encoder.take(await memories.next()), progress };
  };
  for await (const records of source.records()) {
    for (const record of records) {
      if (limit !== null && encoder.records >= limit) {
        yield await take();
        return;
      }
      const reading = read(record);
      if (encoder.add(record, reading)) continue;
      yield await take();
      encoder.add(record, reading);
    }
    if (stopping?.() === true) yield await take();
  }
  if (!encoder.isEmpty) yield await take();
}
