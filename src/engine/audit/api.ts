/**
 * The few things that an audit asks the API, all of them reads. A command that looks once tries a call a few times and
 * then says what it could not see; it keeps to the waits that the API asks for, its own and those that a driver was told.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { ApiFailure } from '../../domain/failure-router.ts';
import { backoffMs, routeCreate } from '../../domain/failure-router.ts';
import { RESULT_LINE_BYTES_MAX, RESULTS_KEPT_MS } from '../../domain/limits.ts';
import { linesOf } from '../../domain/lines.ts';
import type { BatchInfo, UsageEntry } from '../../domain/model.ts';
import type { BatchApi, BatchPage } from '../../domain/ports.ts';
import { parseResultLine } from '../../domain/result-line.ts';
import { readHead } from '../doubt/batch-head.ts';
import type { ApiEngine, Engine } from '../engine.ts';
import { KeyBook } from '../keys/key-book.ts';
import { tooLong } from '../collect/result-proof.ts';
import { UsageSum } from '../collect/result-scan.ts';
import { apiFailureOrThrow, causeOf } from '../session.ts';

const TRIES_MAX = 4;
/** A longer wait is not sat out by somebody who wants to look. */
const WAIT_MS_MAX = 60_000;

/** The API could not be asked: what is known without it is all there is to say. */
export interface NotReached {
  readonly message: string;
  readonly hint: string;
  /** A person must act: the key, the account, the base URL. */
  readonly blocked: boolean;
}

/** Results that cannot be had: `gone` where they will never come back. */
export type Unread = { readonly kind: 'gone' } | { readonly kind: 'failed'; readonly cause: string };

export type Usage = { readonly kind: 'read'; readonly usage: readonly UsageEntry[] } | Unread;
export type FirstIds = { readonly kind: 'read'; readonly customIds: readonly string[] } | Unread;

export class AuditApi {
  readonly origin: string;
  /** One for each workspace that the keys open. */
  readonly apis: readonly [BatchApi, ...BatchApi[]];
  readonly #book: KeyBook;
  readonly #engine: Engine;
  /** Where batches were seen that are not in the first workspace. */
  readonly #homes = new Map<string, BatchApi>();
  #notBeforeMs = 0;
  #aheadMs = 0;

  constructor(engine: Engine, keys: Pick<ApiEngine, 'api' | 'keys'>) {
    this.origin = keys.api.origin;
    this.#book = new KeyBook(keys);
    const [first, ...others] = this.#book.places;
    this.apis = [this.#book.seer(first).api, ...others.map((place) => this.#book.seer(place).api)];
    this.#engine = engine;
  }

  /** Is this the workspace of one of the keys? */
  hasName(workspace: string): boolean {
    return this.#book.places.some((place) => place.hasName(workspace));
  }

  /** The key or keys, for people. */
  get whom(): string {
    return this.#book.several ? `every key of the pool (${this.#book.labels})` : `this key (${this.apis[0].workspace})`;
  }

  /** The time by the API's clock: what it deletes, and when, goes by that. */
  nowMs(): number {
    return this.#engine.clock.now() + this.#aheadMs;
  }

  /** Takes over what a driver was told to wait. A clock that was set back makes no wait longer than it was. */
  async keepQuiet(): Promise<void> {
    const nowMs = this.#engine.clock.now();
    for (const { api } of this.#book.links) {
      for (const { kind, untilMs, askedMs } of await this.#engine.store.waits(this.origin, api.workspace)) {
        if (kind !== 'batches') continue;
        this.#notBeforeMs = Math.max(this.#notBeforeMs, nowMs + Math.min(untilMs - nowMs, askedMs));
      }
    }
  }

  page(api: BatchApi, afterId: string | null, limit: number): Promise<BatchPage> {
    return this.#patient(async () => {
      const page = await api.listBatches({ afterId, limit, signal: this.#engine.signal });
      if (page.retryAfterMs !== null) this.#wait(page.retryAfterMs);
      if (page.serverTimeMs !== null) this.#aheadMs = page.serverTimeMs - this.#engine.clock.now();
      if (api !== this.apis[0]) for (const batch of page.batches) this.#homes.set(batch.id, api);
      return page;
    });
  }

  /** Null where no key knows such a batch. */
  async batch(id: string): Promise<BatchInfo | null> {
    for (const api of this.apis) {
      try {
        const batch = await this.#patient(() => api.retrieveBatch(id, this.#engine.signal));
        if (api !== this.apis[0]) this.#homes.set(id, api);
        return batch;
      } catch (error) {
        if (apiFailureOrThrow(error).status !== 404) throw error;
      }
    }
    return null;
  }

  /** The custom_ids of its first lines. The download is broken off behind them. */
  firstIds(batch: BatchInfo): Promise<FirstIds> {
    return this.#results(batch, async () => {
      const customIds = await readHead({ api: this.#homeOf(batch), signal: this.#engine.signal }, batch);
      return customIds && { kind: 'read', customIds };
    });
  }

  /** What its answers used and cost. Believed only when as many lines came as the batch has, of each kind. */
  usage(batch: BatchInfo): Promise<Usage> {
    return this.#results(batch, async () => {
      const sum = new UsageSum('batch');
      const left = { ...batch.counts };
      const limits = { lineBytesMax: RESULT_LINE_BYTES_MAX, tooLong };
      for await (const { bytes } of linesOf(this.#homeOf(batch).streamResults(batch, this.#engine.signal), limits)) {
        if (bytes.length === 0) continue;
        const line = parseResultLine(bytes.toString());
        if (!line) return null;
        left[line.type]--;
        if (line.type === 'succeeded') sum.add(line);
      }
      const whole = Object.values(left).every((rest) => rest === 0);
      return whole ? { kind: 'read', usage: sum.entries() } : null;
    });
  }

  #homeOf({ id }: BatchInfo): BatchApi {
    return this.#homes.get(id) ?? this.apis[0];
  }

  /** `read` gives null where what came is not whole: then it is fetched again. */
  async #results<T>(batch: BatchInfo, read: () => Promise<T | null>): Promise<T | Unread> {
    if (batch.archivedAtMs !== null || this.nowMs() - batch.createdAtMs > RESULTS_KEPT_MS) return { kind: 'gone' };
    try {
      return await this.#patient(async () => {
        const found = await read();
        if (found === null) throw notWhole(batch);
        return found;
      });
    } catch (error) {
      this.#refuseStopped();
      return { kind: 'failed', cause: causeOf(apiFailureOrThrow(error)) };
    }
  }

  async #patient<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      await this.#sitOut();
      try {
        return await call();
      } catch (error) {
        this.#refuseStopped();
        const failure = apiFailureOrThrow(error);
        if (tries >= TRIES_MAX || !mayPass(failure)) throw error;
        this.#wait(Math.max(failure.retryAfterMs ?? 0, backoffMs(tries, this.#engine.rng)));
      }
    }
  }

  #wait(ms: number): void {
    this.#notBeforeMs = Math.max(this.#notBeforeMs, this.#engine.clock.now() + ms);
  }

  async #sitOut(): Promise<void> {
    const { clock, signal } = this.#engine;
    const waitMs = this.#notBeforeMs - clock.now();
    if (waitMs > WAIT_MS_MAX) {
      const until = new Date(this.#notBeforeMs).toISOString();
      throw new BatchrunError('E_API_UNREACHABLE', `the API wants no calls before ${until}`, {
        hint: 'Run the command again after that.',
      });
    }
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    this.#refuseStopped();
  }

  #refuseStopped(): void {
    if (!this.#engine.signal.aborted) return;
    throw new BatchrunError('E_NOT_FINISHED', 'the audit was stopped before its end', { hint: 'Run it again.' });
  }
}

/** What a failed call says about all others; an error that is not the API's goes on its way up. */
export function notReached(error: unknown): NotReached {
  if (error instanceof BatchrunError && error.code === 'E_API_UNREACHABLE') {
    return { message: error.message, hint: error.hint, blocked: false };
  }
  const failure = apiFailureOrThrow(error);
  const verdict = routeCreate(failure, false);
  if (verdict.kind === 'blocked') return { message: verdict.message, hint: verdict.hint, blocked: true };
  return {
    message: `the API could not be asked: ${causeOf(failure)}`,
    hint: 'Check the network and the base URL (`batchrun doctor`), then run the audit again.',
    blocked: false,
  };
}

/** Worth another try: no answer, too many calls, or a fault of the server. */
function mayPass({ status, unreadable }: ApiFailure): boolean {
  return unreadable || status === null || status === 408 || status === 409 || status === 429 || status >= 500;
}

/** Of the shape of an answer that cannot be read, so that it is asked for again. */
function notWhole(batch: BatchInfo): BatchrunError {
  const failure: ApiFailure = {
    ...{ status: null, type: null, errorCode: null, retryAfterMs: null, shouldRetry: null, requestId: null },
    ...{ message: `the results of ${batch.id} were not whole`, connection: null, unreadable: true },
  };
  return new BatchrunError('E_API', failure.message, { details: { failure } });
}
