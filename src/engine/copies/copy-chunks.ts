/**
 * The chunks of rows that are not sent, while an input is being read: those that take the answer of another row of the
 * input, and those whose answer an earlier run has. They have a body and a row file as any chunk has, so that whatever
 * walks rows or needs a request finds them; the answers of the second kind are copied at once, and from then on nobody
 * needs the earlier run.
 */
import { OPEN_CHUNKS_MAX } from '../../domain/limits.ts';
import type { AnswerSource } from '../../domain/model.ts';
import { outcomeByte } from '../../domain/packed-index.ts';
import { renameResultLine, wireId } from '../../domain/result-line.ts';
import type { BlockRow } from '../../domain/row/row-block.ts';
import type { NewChunk } from '../../domain/store-steps.ts';
import { ChunkWriter } from '../ingest/chunk-writer.ts';
import type { Engine } from '../engine.ts';
import { UsageSum } from '../collect/result-scan.ts';
import { ResultsWriter } from './results-writer.ts';
import type { ReusedAnswer } from './reused-answers.ts';

export interface CopyChunkOptions {
  readonly runId: string;
  readonly tag: string;
  readonly chunkRows: number;
  readonly chunkBytes: number;
  readonly nextNo: () => number;
  readonly onSealed: (chunk: NewChunk) => Promise<void>;
}

interface OpenCopy {
  readonly writer: ChunkWriter;
  /** Of rows that are answered already. */
  readonly answered: { readonly results: ResultsWriter; readonly outcomes: number[]; readonly usage: UsageSum } | null;
}

export class CopyChunks {
  readonly #engine: Engine;
  readonly #options: CopyChunkOptions;
  /** By where the answers come from, and by betas: requests are sent with them, should they ever be. Oldest first. */
  readonly #open = new Map<string, OpenCopy>();

  constructor(engine: Engine, options: CopyChunkOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  async addFollower(row: BlockRow, leader: number): Promise<void> {
    const { writer } = await this.#chunkFor('rows', row);
    await writer.add({ ...row, leader });
  }

  async addAnswered(row: BlockRow, { text, line }: ReusedAnswer): Promise<void> {
    const { writer, answered } = await this.#chunkFor('runs', row);
    if (!answered) return;
    const index = writer.rowCount;
    await writer.add(row);
    const { tag, chunkNo } = writer.target;
    answered.outcomes.push(outcomeByte('succeeded', line.stopReason));
    answered.usage.add(line);
    await answered.results.add(index, renameResultLine(text, line.wireId, wireId(tag, chunkNo, index)));
  }

  async sealAll(): Promise<void> {
    for (const [key, open] of this.#open) await this.#seal(key, open);
  }

  async abort(): Promise<void> {
    for (const { writer, answered } of this.#open.values()) {
      await writer.abort();
      await answered?.results.abort();
    }
    this.#open.clear();
  }

  async #chunkFor(answers: AnswerSource, row: BlockRow): Promise<OpenCopy> {
    const { runId, tag, chunkRows, chunkBytes, nextNo } = this.#options;
    const { betas } = row.kind;
    const key = `${answers}|${betas.join(',')}`;
    const open = this.#open.get(key);
    if (open) {
      const { writer } = open;
      const hasRoom = writer.bytes + writer.requestBytes(row.params.length) <= chunkBytes;
      if (writer.rowCount < chunkRows && hasRoom) return open;
      await this.#seal(key, open);
    }
    const [oldest] = this.#open;
    if (this.#open.size >= OPEN_CHUNKS_MAX && oldest) await this.#seal(...oldest);
    const { files } = this.#engine;
    const chunkNo = nextNo();
    const writer = new ChunkWriter(files, { runId, tag, chunkNo, kind: 'input', betas, parentNo: null, answers });
    const answered =
      answers === 'runs'
        ? { results: await ResultsWriter.create(files, runId, chunkNo), outcomes: [], usage: new UsageSum('batch') }
        : null;
    const fresh = { writer, answered };
    this.#open.set(key, fresh);
    return fresh;
  }

  async #seal(key: string, { writer, answered }: OpenCopy): Promise<void> {
    const chunk = await writer.seal();
    const resultIndex = await answered?.results.commit(writer.rowCount);
    this.#open.delete(key);
    if (!answered || !resultIndex) return this.#options.onSealed(chunk);
    const usage = answered.usage.entries();
    const known = usage.every((entry) => entry.unpricedRows === 0);
    const savedUsd = known ? usage.reduce((sum, entry) => sum + entry.costUsd, 0) : null;
    const outcomes = Uint8Array.from(answered.outcomes);
    return this.#options.onSealed({ ...chunk, answered: { outcomes, resultIndex, savedUsd } });
  }
}
