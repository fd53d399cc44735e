/**
 * `--dedupe` and `--reuse` while an input is read. Every row leaves the hash of what it asks; when all are there the
 * hashes are sorted, on disk where they are many, and equal ones are neighbours, also those of earlier runs. Then the
 * sealed chunks are written anew: rows that ask something new into chunks as before, the others into copy chunks.
 *
 * It costs no memory that grows with the rows. All of it happens before the run counts: a crash leaves nothing.
 */
import { BatchrunError } from '../../base/errors.ts';
import { NONE_48, PLACE_BYTES, readPlace } from '../../domain/answers.ts';
import { REQUEST_HASH_BYTES, requestHash } from '../../domain/canonical-request.ts';
import { paths } from '../../domain/ids.ts';
import type { Coalescing, RunRecord } from '../../domain/model.ts';
import type { BlockRow } from '../../domain/row/row-block.ts';
import type { NewChunk } from '../../domain/store-steps.ts';
import { ChunkSorter, type SorterOptions } from '../ingest/chunk-sorter.ts';
import { CopyChunks } from './copy-chunks.ts';
import type { Engine } from '../engine.ts';
import { PREFIX_END, RecordSorter, type RecordStream } from '../ingest/record-sorter.ts';
import { ReusableAnswers } from './reused-answers.ts';
import { takeRows } from '../ingest/spool.ts';

export interface CoalesceOptions {
  readonly run: Pick<RunRecord, 'id' | 'origin' | 'workspace' | 'settings'>;
  readonly wanted: Coalescing;
  readonly sorter: SorterOptions;
}

const SEQ_BYTES = 6;
/** The hash of a request, and its row. */
const ASKED = {
  recordBytes: REQUEST_HASH_BYTES + SEQ_BYTES,
  keyBytes: REQUEST_HASH_BYTES + SEQ_BYTES,
  prefixOf: (records: Buffer, at: number): number => records.readUInt32BE(at),
} as const;
/** A row that need not be sent, its leader, and where an earlier run has its answer: the number of that run, the place. */
const LEADER_AT = SEQ_BYTES;
const RUN_AT = LEADER_AT + SEQ_BYTES;
const PLACE_AT = RUN_AT + 2;
const NO_RUN = 0xffff;
const SPARED = {
  recordBytes: PLACE_AT + PLACE_BYTES,
  keyBytes: SEQ_BYTES,
  prefixOf: (records: Buffer, at: number): number => Math.min(records.readUIntBE(at, SEQ_BYTES), PREFIX_END - 1),
} as const;

export class Coalescer {
  readonly #engine: Engine;
  readonly #options: CoalesceOptions;
  readonly #asked: RecordSorter;
  readonly #spared: RecordSorter;
  readonly #record = Buffer.alloc(ASKED.recordBytes);
  #pilotChunks: readonly number[] = [];

  constructor(engine: Engine, options: CoalesceOptions) {
    const { id } = options.run;
    this.#engine = engine;
    this.#options = options;
    this.#asked = new RecordSorter(engine.files, (part) => paths.sorted(id, 'asked', part), ASKED);
    this.#spared = new RecordSorter(engine.files, (part) => paths.sorted(id, 'spared', part), SPARED);
  }

  /** Gives a promise only when something has to be written now. */
  add({ seq, params, kind }: BlockRow): Promise<void> | undefined {
    requestHash(params.toString(), kind.betas).copy(this.#record);
    this.#record.writeUIntBE(seq, REQUEST_HASH_BYTES, SEQ_BYTES);
    return this.#asked.add(this.#record);
  }

  /** Once all rows are sealed. `dropped`: rows that were taken out again. False where every row has to be sent. */
  async settle(dropped: ReadonlySet<number>): Promise<boolean> {
    const { run, wanted } = this.#options;
    const answers = wanted.reuse ? await ReusableAnswers.open(this.#engine, run) : null;
    try {
      await this.#findSpared(answers, dropped);
      if (this.#spared.count === 0) return false;
      await this.#rewrite(answers);
      return true;
    } finally {
      await answers?.close();
    }
  }

  /** Chunks of the pilot, where rows were written anew. */
  get pilotChunks(): readonly number[] {
    return this.#pilotChunks;
  }

  /** Removes what was spilled. */
  async clear(): Promise<void> {
    await this.#asked.clear();
    await this.#spared.clear();
  }

  /** Of rows that ask the same the first is the leader of the others. */
  async #findSpared(answers: ReusableAnswers | null, dropped: ReadonlySet<number>): Promise<void> {
    const { dedupe } = this.#options.wanted;
    const asked = await this.#asked.sorted();
    const hash = Buffer.alloc(REQUEST_HASH_BYTES);
    const spared = Buffer.alloc(SPARED.recordBytes);
    let first = -1;
    let isKnown = false;
    try {
      for (let record = asked.current, nth = 0; record; record = asked.current, nth++) {
        if (nth === 0 || record.compare(hash, 0, REQUEST_HASH_BYTES, 0, REQUEST_HASH_BYTES) !== 0) {
          record.copy(hash, 0, 0, REQUEST_HASH_BYTES);
          first = -1;
          const found = await answers?.find(hash);
          isKnown = found !== null && found !== undefined;
          spared.writeUInt16BE(found?.nth ?? NO_RUN, RUN_AT);
          found?.record.copy(spared, PLACE_AT, REQUEST_HASH_BYTES);
        }
        const seq = record.readUIntBE(REQUEST_HASH_BYTES, SEQ_BYTES);
        if (!dropped.has(seq)) {
          const leader = dedupe && first !== -1 ? first : NONE_48;
          if (isKnown || leader !== NONE_48) {
            spared.writeUIntBE(seq, 0, SEQ_BYTES);
            spared.writeUIntBE(leader, LEADER_AT, SEQ_BYTES);
            const spilled = this.#spared.add(spared);
            if (spilled) await spilled;
          }
          if (first === -1) first = seq;
        }
        const moved = asked.advance();
        if (moved) await moved;
      }
    } finally {
      await asked.close();
    }
  }

  async #rewrite(answers: ReusableAnswers | null): Promise<void> {
    const { store } = this.#engine;
    const { run, sorter: options } = this.#options;
    const chunks = await store.chunks(run.id);
    let lastNo = chunks.at(-1)?.chunkNo ?? 0;
    const nextNo = (): number => ++lastNo;
    // One after the other: two kinds of chunks are sealed, and what seals them counts them.
    let sealing: Promise<void> = Promise.resolve();
    const onSealed = (chunk: NewChunk): Promise<void> => (sealing = sealing.then(() => options.onSealed(chunk)));
    const sent = new ChunkSorter(this.#engine, { ...options, nextNo, onSealed });
    const copies = new CopyChunks(this.#engine, { ...options, nextNo, onSealed });
    const spared = await this.#spared.sorted();
    try {
      for await (const row of takeRows(this.#engine, run.id, chunks)) {
        if (this.#engine.signal.aborted) {
          throw new BatchrunError('E_NOT_FINISHED', 'interrupted while requests were compared: nothing was sent', {
            hint: 'Nothing is left behind: submit again.',
          });
        }
        await place(row, { sent, copies, answers, spared: await sparedAt(spared, row.seq) });
      }
      await copies.sealAll();
      await sent.sealAll();
      this.#pilotChunks = sent.pilotChunks;
    } catch (error) {
      await copies.abort();
      await sent.abort();
      throw error;
    } finally {
      await spared.close();
    }
  }
}

async function place(
  row: BlockRow,
  to: {
    readonly sent: ChunkSorter;
    readonly copies: CopyChunks;
    readonly answers: ReusableAnswers | null;
    readonly spared: Buffer | null;
  },
): Promise<void> {
  const { sent, copies, answers, spared } = to;
  const nth = spared?.readUInt16BE(RUN_AT) ?? NO_RUN;
  const known = spared && answers && nth !== NO_RUN ? await answers.read(nth, readPlace(spared, PLACE_AT)) : null;
  if (known) return copies.addAnswered(row, known);
  const leader = spared?.readUIntBE(LEADER_AT, SEQ_BYTES) ?? NONE_48;
  if (leader !== NONE_48) return copies.addFollower(row, leader);
  return sent.add(row);
}

/** The record of this row, if it has one. Seqs must be asked for in rising order. */
async function sparedAt(spared: RecordStream, seq: number): Promise<Buffer | null> {
  for (let record = spared.current; record; record = spared.current) {
    const at = record.readUIntBE(0, SEQ_BYTES);
    if (at === seq) return record;
    if (at > seq) return null;
    const moved = spared.advance();
    if (moved) await moved;
  }
  return null;
}
