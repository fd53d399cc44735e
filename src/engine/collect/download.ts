/**
 * The results of a chunk from the API into a file, in large writes, proved on the way (result-proof.ts).
 */
import { BlockPair } from '../../base/text-block.ts';
import type { FileWriter } from '../../domain/ports.ts';
import { truncationsMax } from '../../domain/truncated.ts';
import type { CollectTarget } from './checkpoint.ts';
import type { KeyLink } from '../engine.ts';
import { ProofHere, type ProvedResults, type ResultProof } from './result-proof.ts';
import type { Session } from '../session.ts';
import { wireIdReader } from './wire-ids.ts';

/** Result bytes gathered before they are written. */
const WRITE_BYTES = 1024 * 1024;
/** Lines between two signs of life. */
const PROGRESS_LINES = 5_000;

async function beginProof(
  { engine, checks }: Session,
  { run, chunk }: Pick<CollectTarget, 'run' | 'chunk'>,
  prover: boolean,
): Promise<ResultProof> {
  const { runId, chunkNo, rowCount } = chunk;
  // Of a run that is canceled nothing is asked for again.
  const cutOffs = run.state === 'active' && truncationsMax(run, 0) > 0;
  const proof = { runId, chunkNo, rowCount, cutOffs, schema: run.settings.schema };
  if (prover && engine.prover && chunk.wire === 'tag') return engine.prover.begin(proof);
  return new ProofHere(proof, await wireIdReader(engine.files, chunk), await checks.of(run));
}

/** Writes the results as they come and proves them on the way; reads no further than a line that cannot be believed. */
export async function download(
  session: Session,
  { run, chunk, batch, link }: CollectTarget & { readonly link: KeyLink },
  { writer, prover }: { readonly writer: FileWriter; readonly prover: boolean },
): Promise<ProvedResults> {
  const { signal, emit } = session.engine;
  const proof = await beginProof(session, { run, chunk }, prover);
  const file = new ProvedFile(writer, proof);
  let told = 0;
  try {
    for await (const piece of link.api.streamResults(batch, signal)) {
      const full = file.add(piece);
      if (full && (await full)) break;
      if (proof.lines - told < PROGRESS_LINES) continue;
      told = proof.lines;
      emit({ kind: 'collect.progress', runId: run.id, chunkNo: chunk.chunkNo, lines: told, rows: chunk.rowCount });
    }
    return await file.end();
  } finally {
    await file.written();
    proof.drop();
  }
}

/** A result file on its way to the disk and through its proof, in large pieces. */
class ProvedFile {
  readonly #writer: FileWriter;
  readonly #proof: ResultProof;
  readonly #blocks = new BlockPair(WRITE_BYTES);
  #writing: Promise<void> = Promise.resolve();

  constructor(writer: FileWriter, proof: ResultProof) {
    this.#writer = writer;
    this.#proof = proof;
  }

  /** Gives a promise only when a block is full; true: nothing more is of any use. */
  add(piece: Buffer): Promise<boolean> | undefined {
    const block = this.#blocks.current;
    if (block.hasRoomForBytes(piece.length)) {
      block.appendBytes(piece);
      return undefined;
    }
    return this.#addAfterFlush(piece);
  }

  async end(): Promise<ProvedResults> {
    await this.#flush();
    await this.#writing;
    return this.#proof.end();
  }

  /** Whatever became of it: nothing is being written any more. */
  async written(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  async #addAfterFlush(piece: Buffer): Promise<boolean> {
    if (await this.#flush()) return true;
    if (this.#blocks.current.hasRoomForBytes(piece.length)) {
      this.#blocks.current.appendBytes(piece);
      return false;
    }
    await this.#writing;
    await this.#writer.write(piece);
    return this.#proof.take(piece);
  }

  /** Begins to write what was gathered, once what was begun before is written, and proves it meanwhile. */
  async #flush(): Promise<boolean> {
    await this.#writing;
    const block = this.#blocks.take();
    this.#writing = this.#writer.write(block);
    // It is met where it is waited for; this only keeps it from counting as unhandled until then.
    this.#writing.catch(() => undefined);
    return this.#proof.take(block);
  }
}
