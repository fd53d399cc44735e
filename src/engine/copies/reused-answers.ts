/**
 * Reads answers of earlier runs for rows that ask the same. Each is looked at before it is taken: it must be the line
 * that the hash file said, of that run, and an answer that came to its own end; where this run has a schema it must follow
 * it, which nobody may have asked of it then. Where it is not so, or cannot be read any more, the row is sent like any
 * other.
 */
import { isBatchrunError, messageOf } from '../../base/errors.ts';
import { deviantType, type AnswerCheck } from '../../domain/answer-check.ts';
import { isFinalStop, type AnswerPlace } from '../../domain/answers.ts';
import { tagOf } from '../../domain/ids.ts';
import type { RunRecord } from '../../domain/model.ts';
import { readResultLine, type ReadLine, type ResultLine } from '../../domain/result-line.ts';
import { openAnswers, type AnswerScope } from './answer-hashes.ts';
import { LineReaders } from './copied-lines.ts';
import type { Engine } from '../engine.ts';
import { resultPath } from './leaders.ts';
import { mergeRecords, type RecordStream } from '../ingest/record-sorter.ts';
import { REQUEST_HASH_BYTES } from '../../domain/canonical-request.ts';

/** Of more finished runs the newest are asked: each is a file that is open. */
const REUSED_RUNS_MAX = 200;

export interface ReusedAnswer {
  /** The API's line with the wire id that it had there. */
  readonly text: string;
  readonly line: ResultLine;
}

/** The finished runs that may have answers, the newest first. */
export async function runsToReuse(
  { store }: Pick<AnswerScope, 'store'>,
  { origin, workspace }: Pick<RunRecord, 'origin' | 'workspace'>,
): Promise<readonly RunRecord[]> {
  const done = (await store.runs()).filter(
    (run) =>
      run.state === 'done' && run.origin === origin && mayShare(run.workspace, workspace) && run.rows.succeeded > 0,
  );
  return done.reverse().slice(0, REUSED_RUNS_MAX);
}

/**
 * Workspaces that are named by their id must be the same. One that is only known by its key may be any: a rotated key must
 * not pay for everything again.
 */
function mayShare(one: string, other: string): boolean {
  return one === other || one.startsWith(KEY_NAME) || other.startsWith(KEY_NAME);
}

/** How a workspace is called of which no id is known (adapters/anthropic/api.ts). */
const KEY_NAME = 'key_';

/** All that may be reused, in the order of the hashes; of equal ones the newest first. To be closed. */
export class ReusableAnswers {
  readonly #engine: Engine;
  readonly #runs: readonly RunRecord[];
  readonly #records: RecordStream;
  readonly #lines: LineReaders;
  /** Null where any answer will do. */
  readonly #check: AnswerCheck | null;
  readonly #told = new Set<string>();

  private constructor(
    engine: Engine,
    of: { readonly runs: readonly RunRecord[]; readonly records: RecordStream; readonly check: AnswerCheck | null },
  ) {
    this.#engine = engine;
    this.#runs = of.runs;
    this.#records = of.records;
    this.#check = of.check;
    this.#lines = new LineReaders(engine.files);
  }

  /** `forRun`: the run that is being read. Null where there is nothing to reuse. */
  static async open(
    engine: Engine,
    forRun: Pick<RunRecord, 'id' | 'origin' | 'workspace' | 'settings'>,
  ): Promise<ReusableAnswers | null> {
    const { schema } = forRun.settings;
    const check = schema ? await engine.schemas.compile(schema) : null;
    const runs: RunRecord[] = [];
    const streams: RecordStream[] = [];
    try {
      for (const run of await runsToReuse(engine, forRun)) {
        const stream = await openAnswers(engine, run, forRun.id);
        if (!stream) continue;
        streams.push(stream);
        runs.push(run);
      }
    } catch (error) {
      for (const stream of streams) await stream.close();
      throw error;
    }
    if (runs.length === 0) return null;
    return new ReusableAnswers(engine, { runs, records: mergeRecords(streams, REQUEST_HASH_BYTES), check });
  }

  /** The answer to the request with this hash: its run's number here, and its place. Hashes must be asked for in order. */
  async find(hash: Buffer): Promise<{ readonly nth: number; readonly record: Buffer } | null> {
    for (let record = this.#records.current; record; record = this.#records.current) {
      const order = record.compare(hash, 0, REQUEST_HASH_BYTES, 0, REQUEST_HASH_BYTES);
      if (order === 0) return { nth: this.#records.nth, record };
      if (order > 0) return null;
      const moved = this.#records.advance();
      if (moved) await moved;
    }
    return null;
  }

  /** Null where it is no answer for this run, or not what it should be, which is told. */
  async read(nth: number, place: AnswerPlace): Promise<ReusedAnswer | null> {
    const run = this.#runs[nth];
    if (!run) return null;
    try {
      const text = await this.#lines.read(resultPath(run.id, place.chunkNo), place);
      const read = readResultLine(text);
      if (read?.line.type === 'succeeded' && isOfPlace(run, read.line.wireId, place)) {
        return this.#isGoodEnough(read) ? { text, line: read.line } : null;
      }
      this.#tell(run, 'a result line is not what its index says');
    } catch (error) {
      if (!isBatchrunError(error, 'E_FILE') && !isBatchrunError(error, 'E_STATE_CORRUPT')) throw error;
      this.#tell(run, messageOf(error));
    }
    return null;
  }

  async close(): Promise<void> {
    await this.#records.close();
    await this.#lines.close();
  }

  #isGoodEnough({ line, message }: ReadLine): boolean {
    if (!isFinalStop(line.stopReason)) return false;
    return this.#check === null || (message !== null && deviantType(this.#check, message, line.stopReason) === null);
  }

  #tell({ id: runId }: RunRecord, cause: string): void {
    if (this.#told.has(runId)) return;
    this.#told.add(runId);
    this.#engine.log.warn('answers.not_reused', { run: runId, cause });
  }
}

function isOfPlace(run: RunRecord, wire: string, { chunkNo, index }: AnswerPlace): boolean {
  const prefix = `${tagOf(run.id)}-${chunkNo}-`;
  return index === null ? wire.startsWith(prefix) : wire === `${prefix}${index}`;
}
