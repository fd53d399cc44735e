/**
 * New chunks of rows that wait for another try: those that are sent, and those that take the answer of one that is.
 */
import { failpoint } from '../../base/failpoint.ts';
import { tagOf } from '../../domain/ids.ts';
import { laneOfMix } from '../../domain/lane-mix.ts';
import type { AnswerSource, ChunkRecord, Lane, RowRecord, RunRecord } from '../../domain/model.ts';
import { ChunkWriter } from '../ingest/chunk-writer.ts';
import { readHome } from './home-chunk.ts';
import type { RequestReader } from './requests.ts';
import type { Session } from '../session.ts';

const NO_LINE = Buffer.alloc(0);

/** What a row's new chunk takes over from the one that it comes from. */
export type Home = Pick<ChunkRecord, 'betas' | 'priority' | 'mix'>;

/** New chunks of rows that wait, one open per set of betas, priority and lane. */
export class RetryChunks {
  readonly #session: Session;
  readonly #run: RunRecord;
  readonly #requests: RequestReader;
  readonly #open = new Map<string, { readonly writer: ChunkWriter; readonly seqs: number[] }>();
  #nextNo: number | undefined;
  #sealed = 0;

  constructor(session: Session, run: RunRecord, requests: RequestReader) {
    this.#session = session;
    this.#run = run;
    this.#requests = requests;
  }

  /**
   * False where the request of the row cannot be read: it goes on waiting. With a `leader` the row is not sent: it takes
   * the answer of that one.
   */
  async add(row: RowRecord, home: Home, leader?: number): Promise<boolean> {
    const { chunkRows, chunkBytes } = this.#run.settings;
    const request = await readHome(this.#session, row, () => this.#requests.sized(this.#run.id, row));
    if (!request) return false;
    const { paramsJson, ...kind } = request;
    const answers = leader === undefined ? 'api' : 'rows';
    const lane = laneOfMix(home.mix);
    const key = `${home.betas.join(',')}|${home.priority ?? ''}|${lane ?? ''}|${answers}`;
    let open = this.#open.get(key);
    const params = Buffer.from(paramsJson);
    const full = (writer: ChunkWriter): boolean =>
      writer.rowCount >= chunkRows || writer.bytes + writer.requestBytes(params.length) > chunkBytes;
    if (open && full(open.writer)) {
      await this.#seal(key);
      open = undefined;
    }
    if (!open) {
      open = { writer: await this.#newWriter(home, lane, answers), seqs: [] };
      this.#open.set(key, open);
    }
    open.seqs.push(row.seq);
    const more = leader === undefined ? {} : { leader };
    await open.writer.add({ seq: row.seq, params, line: NO_LINE, kind, ...more });
    return true;
  }

  async sealAll(): Promise<number> {
    for (const key of [...this.#open.keys()]) await this.#seal(key);
    return this.#sealed;
  }

  /** What was begun and not sealed is garbage; its rows still wait. */
  async abort(): Promise<void> {
    for (const { writer } of this.#open.values()) await writer.abort();
    this.#open.clear();
  }

  async #newWriter({ betas, priority }: Home, lane: Lane | null, answers: AnswerSource): Promise<ChunkWriter> {
    const { store, files } = this.#session.engine;
    const runId = this.#run.id;
    this.#nextNo ??= ((await store.chunks(runId)).at(-1)?.chunkNo ?? 0) + 1;
    const chunkNo = this.#nextNo++;
    return new ChunkWriter(files, {
      runId,
      tag: tagOf(runId),
      chunkNo,
      kind: 'retry',
      betas,
      priority,
      lane,
      parentNo: null,
      answers,
    });
  }

  async #seal(key: string): Promise<void> {
    const open = this.#open.get(key);
    if (!open) return;
    const { engine, driver } = this.#session;
    const chunk = await open.writer.seal(driver.assertDriving);
    this.#open.delete(key);
    failpoint('retry.chunk_file');
    await driver.sealRetryChunk(this.#run.id, chunk, open.seqs, engine.clock.now());
    this.#sealed++;
    engine.emit({ kind: 'retry.chunk', runId: this.#run.id, chunkNo: chunk.chunkNo, rows: chunk.rowCount });
  }
}
