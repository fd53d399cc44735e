/**
 * Proves the results of a chunk while they arrive, in this thread or in another one: parsing every line is most of the
 * work of a collect, and the bytes can be written meanwhile.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { AnswerCheck, AnswerSchema } from '../../domain/answer-check.ts';
import type { ApiFailure } from '../../domain/failure-router.ts';
import { LineSplitter, type LineVisit } from '../../domain/lines.ts';
import { RESULT_LINE_BYTES_MAX } from '../../domain/limits.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import { ResultScan, type ScannedResults } from './result-scan.ts';
import type { IndexOf } from './wire-ids.ts';

export interface ProvedResults {
  /** Why a line cannot be believed; null where all can. */
  readonly problem: string | null;
  readonly results: ScannedResults;
}

export interface ResultProof {
  /** Lines looked at so far; may lag behind. */
  readonly lines: number;
  /** Takes the next bytes, which are the caller's again once this is over. True when no more are of any use. */
  take(bytes: Buffer): boolean | Promise<boolean>;
  end(): ProvedResults | Promise<ProvedResults>;
  /** Nobody needs it any more. */
  drop(): void;
}

/** The chunk whose results they are. */
export interface ProofOf extends Pick<ChunkRecord, 'runId' | 'chunkNo' | 'rowCount'> {
  /** Answers that max_tokens cut are looked for: they may be asked for again. */
  readonly cutOffs?: boolean;
  /** What answers must follow, for a thread of its own; here it is compiled already. */
  readonly schema?: AnswerSchema | undefined;
}

/** Another thread that proves. */
export interface Prover {
  /** Only for chunks whose wire ids are of our making: the others' are in their row files. */
  begin(chunk: ProofOf): ResultProof;
  /** Nothing is proved for a while: its memory is given back. */
  rest(): Promise<void>;
}

export class ProofHere implements ResultProof {
  readonly #scan: ResultScan;
  readonly #splitter = new LineSplitter({ lineBytesMax: RESULT_LINE_BYTES_MAX, tooLong });
  #problem: string | null = null;

  readonly #look: LineVisit = (source, start, end, offset) => {
    this.#problem = this.#scan.take(source.toString('utf8', start, end), { offset, bytes: end - start });
    return this.#problem !== null;
  };

  constructor(
    { rowCount, cutOffs = false }: Pick<ProofOf, 'rowCount' | 'cutOffs'>,
    indexOf: IndexOf,
    check: AnswerCheck | null = null,
  ) {
    this.#scan = new ResultScan(rowCount, indexOf, cutOffs, check);
  }

  get lines(): number {
    return this.#scan.lines;
  }

  take(bytes: Buffer): boolean {
    return this.#splitter.visit(bytes, this.#look);
  }

  end(): ProvedResults {
    if (this.#problem === null) this.#splitter.visitRest(this.#look);
    return { problem: this.#problem, results: this.#scan.results };
  }

  drop(): void {
    // Nothing to let go of.
  }
}

/** Of the shape of an answer that cannot be read, so that it is asked for again and does not end the driver. */
export function tooLong(bytes: number): never {
  const message = `a result line has more than ${bytes} bytes`;
  const failure: ApiFailure = {
    ...{ status: null, type: null, errorCode: null, retryAfterMs: null, shouldRetry: null, requestId: null },
    ...{ message, connection: null, unreadable: true },
  };
  throw new BatchrunError('E_API', message, { details: { failure } });
}
