/**
 * From an input to a run that is ready: every row is read, checked and sealed into chunks before the first request
 * leaves (promise P4). Needs no lock and no API.
 *
 * A run that is being read is nobody's yet: whatever goes wrong, it is deleted, and if this process dies the next
 * command does it (sweep.ts). Only `finishIngest`, one transaction, makes it count.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { DuplicateGauge } from '../../domain/duplicate-gauge.ts';
import { Fingerprint, type FingerprintScope } from '../../domain/fingerprint.ts';
import { addMix, type MixSums } from '../../domain/chunk-text.ts';
import { newRunId, paths, tagOf } from '../../domain/ids.ts';
import { wishesOf, type BatchInfo, type ModelMix } from '../../domain/model.ts';
import type { PreparedRows } from '../../domain/row/prepare-rows.ts';
import { idHashAt, rowAt, type RowBlock } from '../../domain/row/row-block.ts';
import type { Route } from '../../domain/routing/rules.ts';
import type { RowNotice } from '../../domain/source.ts';
import type { IngestVerdict, NewChunk, NewRun } from '../../domain/store-steps.ts';
import { ChunkSorter, type SorterOptions } from './chunk-sorter.ts';
import { chunkUsdMax } from '../budget/chunk-usd.ts';
import { Coalescer } from '../copies/coalesce.ts';
import { dropDuplicates, findDuplicates, sumChunks } from './duplicates.ts';
import type { Engine } from '../engine.ts';
import { IdLedger } from './id-ledger.ts';
import { ProblemList, type ShownProblem } from './problems.ts';
import { refuseWhatCannotBeSent } from './refuse-input.ts';
import { restoreFiles } from './restore.ts';
import { writeSketch } from '../copies/reuse-gauge.ts';
import { RouteSums, type RouteSum } from './route-sums.ts';
import { savingOf, type IngestSaving } from '../copies/saving.ts';

export interface IngestRequest {
  readonly rows: PreparedRows;
  readonly inputs: readonly string[];
  readonly run: Omit<NewRun, 'id' | 'createdAtMs' | 'inputs'>;
  readonly scope: FingerprintScope;
  readonly onInvalid: 'fail' | 'skip';
  /** The rules that choose for rows, where there are any: what each takes is summed up. */
  readonly routes?: readonly Route[];
  readonly again: boolean;
  /** The batch that holds the rows already, made by somebody else's script: nothing is sent, it is followed. */
  readonly adopt?: { readonly batch: BatchInfo; readonly workspace: string };
  /** Check everything and leave nothing behind. */
  readonly dryRun: boolean;
  /** Called before a run that is read counts; throws to have nothing of it (`known`: it exists). Gives its mix, raised or not. */
  readonly confirm?: (report: IngestReport, known: boolean, fingerprint: string) => Promise<ModelMix>;
}

export interface IngestReport {
  readonly runId: string;
  readonly verdict: IngestVerdict | { readonly kind: 'dry_run' };
  readonly rows: number;
  readonly invalid: number;
  /** That are sent, their bytes, and what they ask for. */
  readonly chunks: number;
  readonly bytes: number;
  readonly mix: ModelMix;
  readonly notices: readonly (RowNotice & { readonly rows: number })[];
  readonly problems: readonly ShownProblem[];
  readonly problemCount: number;
  /** What each route took; empty where there are no rules. Rows that a duplicate id takes out later are still in it. */
  readonly routes: readonly RouteSum[];
  /** The first request as it would go out. */
  readonly firstParamsJson: string | null;
  /** Null where nothing is sent because of this: the run exists, or its batch was adopted. */
  readonly saving: IngestSaving | null;
  /** Files of the run that exists that were damaged and have been made again. */
  readonly restored: number;
}

export async function ingest(engine: Engine, request: IngestRequest): Promise<IngestReport> {
  const { store, files, locks, clock } = engine;
  const createdAtMs = clock.now();
  const runId = newRunId(createdAtMs, engine.rng);
  const lock = await locks.tryAcquire(paths.ingestLock(runId));
  if (!lock) throw new BatchrunError('E_BUG', `this must not happen: somebody else has the new run ${runId}`);
  let kept = false;
  try {
    await store.beginRun({ ...request.run, id: runId, createdAtMs, inputs: request.inputs });
    const report = await new Ingest(engine, request, runId).run();
    kept = report.verdict.kind === 'ready';
    return report;
  } finally {
    if (!kept) {
      // The files first: a full disk has no room to write down anything before they are gone.
      await files.removeFolder(paths.run(runId));
      await store.deleteIngesting(runId);
    }
    await lock.release();
    await files.remove(paths.ingestLock(runId));
  }
}

/** Also where one fails: what the other does must be over before anything is thrown away. */
async function bothDone(...steps: readonly (Promise<void> | undefined)[]): Promise<void> {
  const begun = steps.filter((step) => step !== undefined);
  for (const step of await Promise.allSettled(begun)) if (step.status === 'rejected') throw step.reason;
}

class Ingest {
  readonly #engine: Engine;
  readonly #request: IngestRequest;
  readonly #runId: string;
  readonly #fingerprint: Fingerprint;
  readonly #ids: IdLedger;
  readonly #sorter: ChunkSorter;
  readonly #problems: ProblemList;
  readonly #gauge = new DuplicateGauge();
  readonly #coalescer: Coalescer | null;
  /** Rows that were taken out again, where somebody has to know them. */
  readonly #dropped = new Set<number>();
  readonly #notices = new Map<string, RowNotice & { rows: number }>();
  readonly #routes: RouteSums | undefined;
  /** Where rows were written anew. */
  #pilotChunks: readonly number[] | null = null;
  readonly #sums: MixSums = {};
  #mix: ModelMix = this.#sums;
  #seq = 0;
  #bytes = 0;
  #chunks = 0;
  #firstParamsJson: string | null = null;
  #saving: IngestSaving | null = null;

  constructor(engine: Engine, request: IngestRequest, runId: string) {
    this.#engine = engine;
    this.#request = request;
    this.#runId = runId;
    this.#routes = request.routes && new RouteSums(request.routes, tagOf(runId));
    this.#fingerprint = new Fingerprint(request.scope);
    this.#ids = new IdLedger(engine.files, runId);
    this.#problems = new ProblemList(engine.files, runId, request.inputs, request.onInvalid === 'skip');
    const { settings, origin, workspace } = request.run;
    const sorter: SorterOptions = {
      runId,
      tag: tagOf(runId),
      chunkRows: settings.chunkRows,
      chunkBytes: settings.chunkBytes,
      wire: request.adopt ? 'own' : 'tag',
      chunkUsdMax: chunkUsdMax(request),
      pilotRows: request.adopt ? 0 : wishesOf(request.run).pilot,
      onSealed: (chunk) => this.#sealed(chunk),
    };
    this.#sorter = new ChunkSorter(engine, sorter);
    const { coalesce: wanted } = settings;
    const run = { id: runId, origin, workspace, settings };
    this.#coalescer = wanted ? new Coalescer(engine, { run, wanted, sorter }) : null;
  }

  async run(): Promise<IngestReport> {
    try {
      await this.#readAll();
      await this.#sorter.sealAll();
      await this.#settleDuplicates();
      await this.#problems.close();
    } catch (error) {
      await this.#sorter.abort();
      throw error;
    }
    await this.#ids.clear();
    const { inputs, onInvalid } = this.#request;
    refuseWhatCannotBeSent({ inputs, onInvalid, problems: this.#problems, rows: this.#seq });
    return this.#finish();
  }

  async #readAll(): Promise<void> {
    for await (const { block, progress } of this.#request.rows.blocks()) {
      invariant(block.firstRecord === this.#seq, `the records from ${this.#seq} on are there`);
      await this.#take(block);
      this.#engine.emit({ kind: 'ingest.progress', rows: this.#seq, ...progress });
      if (this.#engine.signal.aborted) {
        throw new BatchrunError('E_NOT_FINISHED', `interrupted after reading ${this.#seq} rows: nothing was sent`, {
          hint: 'Nothing is left behind: submit again.',
        });
      }
    }
  }

  async #take(block: RowBlock): Promise<void> {
    this.#fingerprint.add(block.prints);
    this.#firstParamsJson ??= block.firstParamsJson;
    for (const notice of block.notices) this.#note(notice);
    for (const entry of block.refused) await this.#problems.add(entry, entry.text);
    for (let at = 0; at < block.rowCount; at++) {
      const row = rowAt(block, at);
      this.#gauge.add(row.params, row.kind);
      const spilled = this.#ids.add(idHashAt(block, at));
      this.#routes?.add(row.kind, row.params.length);
      const hashed = this.#coalescer?.add(row);
      const written = this.#sorter.add(row);
      if (spilled || written || hashed) await bothDone(spilled, written, hashed);
    }
    this.#seq = block.records;
  }

  #note(notice: RowNotice & { readonly rows: number }): void {
    const known = this.#notices.get(notice.message);
    if (known) known.rows += notice.rows;
    else this.#notices.set(notice.message, { ...notice });
  }

  async #sealed(chunk: NewChunk): Promise<void> {
    failpoint('ingest.chunk_file');
    await this.#engine.store.sealChunk(this.#runId, chunk, this.#engine.clock.now());
    this.#chunks++;
    this.#bytes += chunk.bytes;
    addMix(this.#sums, chunk.mix);
  }

  async #settleDuplicates(): Promise<void> {
    const { store, files } = this.#engine;
    const drop = this.#request.onInvalid === 'skip';
    for await (const hashes of this.#ids.duplicateHashes()) {
      const scope = { store, files, runId: this.#runId, inputCount: this.#request.inputs.length, keepParams: drop };
      for await (const duplicates of findDuplicates(scope, hashes)) {
        for (const duplicate of duplicates) await this.#problems.add(duplicate.entry);
        if (this.#coalescer) for (const { entry } of duplicates) this.#dropped.add(entry.seq);
        if (drop) await dropDuplicates(this.#engine, this.#runId, duplicates);
      }
    }
    if (drop && this.#problems.duplicates > 0) await this.#recount();
  }

  /** After chunks were written anew their sums are taken from the ledger. */
  async #recount(): Promise<void> {
    const chunks = (await this.#engine.store.chunks(this.#runId)).filter((chunk) => chunk.answers === 'api');
    this.#chunks = chunks.length;
    ({ bytes: this.#bytes, mix: this.#mix } = sumChunks(chunks));
  }

  async #finish(): Promise<IngestReport> {
    const fingerprint = this.#fingerprint.digest();
    const known = !this.#request.again && (await this.#isKnown(fingerprint));
    // What is there already is not written anew.
    if (!known) await this.#coalesce();
    this.#mix = (await this.#request.confirm?.(this.#report({ kind: 'ready' }), known, fingerprint)) ?? this.#mix;
    if (!this.#request.dryRun) await writeSketch(this.#engine.files, this.#runId, this.#gauge);
    failpoint('ingest.ready');
    if (this.#request.dryRun) return this.#report({ kind: 'dry_run' });
    const verdict = await this.#engine.store.finishIngest({
      runId: this.#runId,
      atMs: this.#engine.clock.now(),
      fingerprint,
      again: this.#request.again,
      totalRows: this.#seq,
      invalidRows: this.#problems.rows,
      mix: this.#mix,
      ...(wishesOf(this.#request.run).pilot === 0
        ? {}
        : { pilotChunks: this.#pilotChunks ?? this.#sorter.pilotChunks }),
      ...(this.#request.adopt ? { adopted: this.#request.adopt } : {}),
    });
    const report = this.#report(verdict);
    if (verdict.kind !== 'exists') return report;
    return { ...report, restored: await restoreFiles(this.#engine, { from: this.#runId, to: verdict.runId }) };
  }

  /** Rows whose answer need not be asked for go into chunks of their own. And what that saves, or would have saved. */
  async #coalesce(): Promise<void> {
    try {
      if (this.#coalescer && (await this.#coalescer.settle(this.#dropped))) {
        this.#pilotChunks = this.#coalescer.pilotChunks;
        await this.#recount();
      }
    } finally {
      await this.#coalescer?.clear();
    }
    if (this.#request.adopt) return;
    const { coalesce: wanted = { dedupe: false, reuse: false } } = this.#request.run.settings;
    const run = { ...this.#request.run, id: this.#runId };
    this.#saving = await savingOf(this.#engine, run, { wanted, gauge: this.#gauge });
  }

  /** Only for the question to the user: whether the run really exists is decided in one transaction, by the store. */
  async #isKnown(fingerprint: string): Promise<boolean> {
    const { store } = this.#engine;
    const runs = (await store.runs()).some((run) => run.fingerprint === fingerprint && !run.canceled);
    return runs || (await store.tombstones()).some((stone) => stone.fingerprint === fingerprint);
  }

  #report(verdict: IngestReport['verdict']): IngestReport {
    return {
      runId: this.#runId,
      verdict,
      rows: this.#seq,
      invalid: this.#problems.rows,
      chunks: this.#chunks,
      bytes: this.#bytes,
      mix: this.#mix,
      notices: [...this.#notices.values()],
      problems: this.#problems.shown,
      problemCount: this.#problems.count,
      routes: this.#routes?.sums(this.#mix) ?? [],
      firstParamsJson: this.#firstParamsJson,
      saving: this.#saving,
      restored: 0,
    };
  }
}
