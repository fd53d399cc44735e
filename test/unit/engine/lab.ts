/**
 * What the tests of the engine's rooms work with: the real ledger in memory, files in memory, a virtual clock, and an
 * API that says what a test has put into its mouth.
 */
import { onTestFinished } from 'vitest';
import { compileSchema } from '../../../src/adapters/schema/compile.ts';
import { createFormatter, errorsLine } from '../../../src/adapters/sinks/formatter.ts';
import { apiError } from '../../../src/adapters/anthropic/failure.ts';
import { Db } from '../../../src/adapters/sqlite/db.ts';
import { storeOn } from '../../../src/adapters/sqlite/store.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { seededRng, type Rng } from '../../../src/base/random.ts';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import type { ApiFailure } from '../../../src/domain/failure-router.ts';
import { tagOf } from '../../../src/domain/ids.ts';
import type { BatchInfo, RequestCounts, RunRecord } from '../../../src/domain/model.ts';
import type {
  BatchApi,
  BatchUpload,
  CountCall,
  Files,
  KeyOwner,
  MessageCall,
  ModelInfo,
} from '../../../src/domain/ports.ts';
import { createRowReader } from '../../../src/domain/row/reader.ts';
import { prepareRows } from '../../../src/domain/row/prepare-rows.ts';
import type { RowSource, SourceRecord } from '../../../src/domain/source.ts';
import type { DriverStore, Store } from '../../../src/domain/store.ts';
import type { NewRun } from '../../../src/domain/store-steps.ts';
import type { ApiEngine, Pacing } from '../../../src/engine/engine.ts';
import type { EngineEvent } from '../../../src/engine/events.ts';
import { ingest, type IngestReport, type IngestRequest } from '../../../src/engine/ingest/ingest.ts';
import { newSession, type Session } from '../../../src/engine/session.ts';
import { createMemoryFiles, type MemoryDisk } from '../../support/memory-files.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const OUTPUT = '/out/results.jsonl';
export const HOLDER = { pid: 1, host: 'here', command: 'test' } as const;

export type Json = Record<string, unknown>;

export function failureOf(more: Partial<ApiFailure>): ApiFailure {
  return {
    ...{ status: null, type: null, errorCode: null, message: 'something', retryAfterMs: null, shouldRetry: null },
    ...{ requestId: null, connection: null, unreadable: false, ...more },
  };
}

export const refused = (more: Partial<ApiFailure>): Error => apiError(failureOf(more));

export function countsOf(more: Partial<RequestCounts>): RequestCounts {
  return { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0, ...more };
}

/** An API of one workspace. Newest batches come first, as in the real list. */
export class FakeApi implements BatchApi {
  readonly origin: string = 'http://api.test';
  readonly workspace: string = 'wrkspc_1';
  listed: BatchInfo[] = [];
  /** Batches that only a retrieve shows. */
  readonly unlisted: BatchInfo[] = [];
  readonly results = new Map<string, string>();
  readonly calls: string[] = [];
  readonly bodies: string[] = [];
  readonly headers: (readonly string[])[] = [];
  pageSize = 1_000;
  /** What its `date` header says; by default nothing. */
  date: () => number | null = () => null;
  listFailure: Error | null = null;
  onCreate: (body: string) => BatchInfo | Promise<BatchInfo> = (body) => this.make(body);
  onMessage: (call: MessageCall) => Promise<string> = async () => MESSAGE;
  onCount: (call: CountCall) => number | Promise<number> = ({ paramsJson }) => Math.ceil(paramsJson.length / 4);
  onModel: (id: string) => ModelInfo | null | Promise<ModelInfo | null> = () => null;
  readonly #files: Files;
  readonly #now: () => number;
  #made = 0;

  constructor(files: Files, now: () => number) {
    this.#files = files;
    this.#now = now;
  }

  /** A batch of so many requests, at the head of the list. */
  add(id: string, rowCount: number, more: Partial<BatchInfo> = {}): BatchInfo {
    const batch: BatchInfo = {
      ...{ id, status: 'in_progress', counts: countsOf({ processing: rowCount }), createdAtMs: this.#now() },
      ...{ expiresAtMs: this.#now() + 24 * HOUR_MS, endedAtMs: null, archivedAtMs: null, resultsUrl: null, ...more },
    };
    this.listed.unshift(batch);
    return batch;
  }

  make(body: string): BatchInfo {
    const { requests } = JSON.parse(body) as { requests: { custom_id: string }[] };
    return this.add(`msgbatch_${++this.#made}`, requests.length);
  }

  /** The batch ends with these lines. */
  end(id: string, lines: readonly string[], counts: Partial<RequestCounts> = { succeeded: lines.length }): void {
    const over = { status: 'ended', counts: countsOf(counts), endedAtMs: this.#now() } as const;
    this.listed = this.listed.map((batch) => (batch.id === id ? { ...batch, ...over } : batch));
    this.results.set(id, lines.map((line) => `${line}\n`).join(''));
  }

  async createBatch(upload: BatchUpload): Promise<BatchInfo> {
    this.calls.push('create');
    const pieces: Buffer[] = [];
    for await (const piece of this.#files.stream(upload.bodyPath)) pieces.push(piece);
    await upload.beforeTail();
    const body = Buffer.concat(pieces).toString();
    this.bodies.push(body);
    this.headers.push(upload.betas);
    return this.onCreate(body);
  }

  async listBatches({
    afterId,
    limit,
  }: {
    afterId: string | null;
    limit: number;
  }): ReturnType<BatchApi['listBatches']> {
    this.calls.push('list');
    if (this.listFailure) throw this.listFailure;
    const from = afterId === null ? 0 : this.listed.findIndex((batch) => batch.id === afterId) + 1;
    const batches = this.listed.slice(from, from + Math.min(limit, this.pageSize));
    const hasMore = from + batches.length < this.listed.length;
    return { batches, hasMore, lastId: batches.at(-1)?.id ?? null, retryAfterMs: null, serverTimeMs: this.date() };
  }

  async retrieveBatch(id: string): ReturnType<BatchApi['retrieveBatch']> {
    this.calls.push(`retrieve ${id}`);
    const batch = [...this.listed, ...this.unlisted].find((one) => one.id === id);
    if (!batch) throw refused({ status: 404, type: 'not_found_error' });
    return { ...batch, retryAfterMs: null };
  }

  async cancelBatch(id: string): Promise<BatchInfo> {
    this.calls.push(`cancel ${id}`);
    const batch = await this.retrieveBatch(id);
    return { ...batch, status: 'canceling' };
  }

  async deleteBatch(): Promise<void> {
    this.calls.push('delete');
  }

  async *streamResults(batch: BatchInfo): AsyncGenerator<Buffer> {
    this.calls.push(`results ${batch.id}`);
    const text = this.results.get(batch.id);
    if (text === undefined) throw refused({ status: 404, type: 'not_found_error' });
    for (let at = 0; at < text.length; at += 100) yield Buffer.from(text.slice(at, at + 100));
  }

  createMessage(call: MessageCall): Promise<string> {
    this.calls.push('message');
    return this.onMessage(call);
  }

  async countTokens(call: CountCall): Promise<number> {
    this.calls.push('count');
    return this.onCount(call);
  }

  async retrieveModel(id: string): Promise<ModelInfo | null> {
    this.calls.push(`model ${id}`);
    return this.onModel(id);
  }

  async serverTimeMs(): Promise<number> {
    return this.#now();
  }

  async identify(): Promise<KeyOwner> {
    return { organization: 'org_1', workspace: this.workspace };
  }
}

export const MESSAGE = JSON.stringify({
  ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-5-5', stop_reason: 'end_turn' },
  content: [{ type: 'text', text: 'from the realtime lane' }],
  usage: { input_tokens: 5, output_tokens: 7 },
});

export function succeededLine(customId: string, text = `answer to ${customId}`): string {
  const message = { ...(JSON.parse(MESSAGE) as Json), content: [{ type: 'text', text }] };
  return JSON.stringify({ custom_id: customId, result: { type: 'succeeded', message } });
}

export function erroredLine(customId: string, type = 'overloaded_error', message = 'Overloaded'): string {
  return JSON.stringify({
    custom_id: customId,
    result: { type: 'errored', error: { type: 'error', error: { type, message } } },
  });
}

export interface Lab {
  readonly db: Db;
  readonly store: Store;
  readonly disk: MemoryDisk;
  readonly files: Files;
  readonly clock: VirtualClock;
  readonly api: FakeApi;
  readonly engine: ApiEngine;
  readonly stop: AbortController;
  readonly events: EngineEvent[];
  session(): Promise<Session>;
  driver(): Promise<DriverStore>;
  /** Seals these rows into a run. */
  submit(rows: readonly Json[], more?: SubmitOptions): Promise<RunRecord>;
  ingest(rows: readonly Json[], more?: SubmitOptions): Promise<IngestReport>;
  output(): string[];
}

export interface SubmitOptions {
  readonly settings?: Partial<NewRun['settings']>;
  readonly run?: Partial<NewRun>;
  readonly request?: Partial<IngestRequest>;
  /** Only the first so many records. */
  readonly limit?: number;
}

export interface LabOptions {
  readonly pacing?: Partial<Pacing>;
  readonly rng?: Rng;
}

export function lab(options: LabOptions = {}): Lab {
  const clock = new VirtualClock();
  const db = new Db(':memory:');
  onTestFinished(() => db.close());
  const store = storeOn(db);
  const disk = createMemoryFiles();
  disk.makeFolder('/out');
  const files = disk.files();
  const api = new FakeApi(files, () => clock.now());
  const stop = new AbortController();
  const events: EngineEvent[] = [];
  const locked = new Set<string>();
  const engine: ApiEngine = {
    ...{ store, files, clock, api, log: silentLogger },
    locks: {
      tryAcquire: async (path) => {
        if (locked.has(path)) return null;
        locked.add(path);
        return { release: async () => void locked.delete(path) };
      },
    },
    rng: options.rng ?? seededRng('lab'),
    formats: { formatter: createFormatter, errorsLine },
    schemas: { compile: compileSchema },
    openOutput: (path) => files.create(path),
    emit: (event) => void events.push(event),
    signal: stop.signal,
    pacing: {
      ...{
        maxBatches: 100,
        concurrency: 4,
        pollIntervalMs: 30_000,
        reconcileGraceMs: 10 * MINUTE_MS,
        giveUpMs: HOUR_MS,
      },
      ...options.pacing,
    },
  };
  const driver = (): Promise<DriverStore> => store.takeOver({ ...HOLDER, atMs: clock.now() });
  const read = (rows: readonly Json[], more: SubmitOptions = {}): Promise<IngestReport> =>
    ingest(engine, ingestRequest(engine, rows, more));
  return {
    ...{ db, store, disk, files, clock, api, engine, stop, events, driver, ingest: read },
    session: async () => newSession(engine, await driver()),
    submit: async (rows, more) => {
      const report = await read(rows, more);
      const run = await store.run(report.runId);
      if (!run) throw new Error('the run is there already');
      return run;
    },
    output: () => (disk.contents().get(OUTPUT)?.toString() ?? '').split('\n').slice(0, -1),
  };
}

function ingestRequest(engine: ApiEngine, rows: readonly Json[], more: SubmitOptions): IngestRequest {
  const routes = more.request?.routes;
  const reader = createRowReader({ nowMs: engine.clock.now(), ...(routes ? { routing: { routes } } : {}) });
  const settings = {
    ...({ chunkRows: 1_000, chunkBytes: 256_000_000, maxAttempts: 4, retryLane: 'auto', failIf: null } as const),
    ...{ defuseFormulas: false, columns: [], ...more.settings },
  };
  return {
    rows: prepareRows({
      source: sourceOf(rows),
      read: (record) => reader.read(record),
      ...{
        inputCount: 1,
        blockBytes: 4_096,
        limit: more.limit ?? null,
        keepIds: true,
        stopping: () => engine.signal.aborted,
      },
    }),
    inputs: ['/in/rows.jsonl'],
    run: {
      ...{ name: null, origin: engine.api.origin, workspace: engine.api.workspace, settings, settingHashes: {} },
      ...{ output: OUTPUT, format: 'jsonl', errors: null, overwrite: true, ...more.run },
    },
    scope: { origin: engine.api.origin, workspaceHeader: null, name: null },
    ...{ onInvalid: 'fail', again: false, dryRun: false, ...more.request },
  };
}

export function sourceOf(rows: readonly Json[]): RowSource {
  const records = rows.map((value, at): SourceRecord => ({ file: 0, line: at + 1, value }));
  return {
    columns: [],
    async *records() {
      for (let at = 0; at < records.length; at += 3) yield records.slice(at, at + 3);
    },
    progress: () => ({ readBytes: 0, totalBytes: null }),
  };
}

/** A good row; its text is its own. */
export function row(at: number, more: Json = {}): Json {
  const params = {
    model: 'claude-haiku-5-5',
    max_tokens: 100,
    messages: [{ role: 'user', content: `question ${at}` }],
  };
  return { custom_id: `row-${at}`, params, ...more };
}

export function rows(count: number): Json[] {
  return Array.from({ length: count }, (_unused, at) => row(at));
}

/** The wire id of a row of a chunk. */
export function wire(run: { readonly id: string }, chunkNo: number, index: number): string {
  return `${tagOf(run.id)}-${chunkNo}-${index}`;
}

/** Lines of a whole chunk in which every row succeeded. */
export function linesOf(run: { readonly id: string }, chunkNo: number, count: number): string[] {
  return Array.from({ length: count }, (_unused, at) => succeededLine(wire(run, chunkNo, at)));
}

/** The promise's error. */
export async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error('it should have failed');
    },
    (error: unknown) => error,
  );
}
