/**
 * The thread that reads the inputs of a submit: opens them, parses and checks every row, and hands blocks of encoded
 * rows to the main thread (read-rows.ts), which hashes them and writes the chunks. Memory for blocks goes back and
 * forth; when all of it is over there, the reading waits.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { readBlocks } from '../../domain/row/prepare-rows.ts';
import { memoryOf, newBlockMemory, type BlockMemory } from '../../domain/row/row-block.ts';
import { arranged } from '../../host/arrange.ts';
import { openInput } from '../context.ts';
import { packError } from './packed-error.ts';
import { rowReading } from './prepare.ts';
import type { ReadingJob, ReadingMessage } from './read-rows.ts';

/** Blocks under way: one is filled here, one is taken over there, and two wait in between. */
const BLOCKS = 4;

const port = parentPort;
const free: BlockMemory[] = Array.from({ length: BLOCKS }, newBlockMemory);
let freed: (() => void) | undefined;

port?.on('message', (buffers: readonly ArrayBuffer[]) => {
  free.push(memoryOf(buffers));
  freed?.();
});

async function nextMemory(): Promise<BlockMemory> {
  for (;;) {
    const memory = free.pop();
    if (memory) return memory;
    await new Promise<void>((resolve) => (freed = resolve));
  }
}

/** Gives how many records there were. */
async function read(job: ReadingJob): Promise<number> {
  let records = 0;
  const { inputs, flags, texts, argv, cache, stateFolder } = job;
  const source = arranged(await openInput(inputs, flags), flags, stateFolder);
  const options = { source, read: rowReading(source, { flags, texts, argv, cache }), inputCount: inputs.length };
  const memories = { first: await nextMemory(), next: nextMemory };
  for await (const one of readBlocks({ ...options, limit: flags.limit ?? null }, memories)) {
    const { prints, lines, places } = one.block;
    records = one.block.records;
    port?.postMessage({ kind: 'block', read: one } satisfies ReadingMessage, [
      prints.buffer as ArrayBuffer,
      lines.buffer as ArrayBuffer,
      places.buffer as ArrayBuffer,
    ]);
  }
  return records;
}

read(workerData as ReadingJob)
  .then(
    (records) => ({ kind: 'end', records }) as const,
    (error: unknown) => ({ kind: 'failed', error: packError(error) }) as const,
  )
  .then((message: ReadingMessage) => port?.postMessage(message))
  // The main thread waits for messages only; it ends this thread when it has the last one.
  .catch((error: unknown) => {
    throw error;
  });
