/**
 * Writes the prefixes that the rows of a chunk share to the prompt cache before its batch is made. In a cold batch every
 * row writes, and none reads (facts, section 10, bike4mind#2741): one call beforehand makes readers of them all.
 *
 * One warm-up at a time, so a crash repeats one at most. None of a prefix that was warmed within its lifetime, in this
 * state and workspace. A failure never stops a run: after a few tries the batch goes as it is, and that is said.
 */
import { TTL_MS } from '../../domain/cache/blocks.ts';
import { warmUpPays } from '../../domain/cache/pays.ts';
import { cacheOf, hitShare, type KeptPrefix } from '../../domain/cache/settings.ts';
import { withOneToken } from '../../domain/cache/warm-up.ts';
import type { ChunkRecord, RunRecord } from '../../domain/model.ts';
import { tokensFromBytes } from '../../domain/estimate/tokenizer.ts';
import { prefixesOf, type CarriedPrefix } from './chunk-prefixes.ts';
import type { KeyLink } from '../engine.ts';
import type { Session } from '../session.ts';
import { callWarmUp } from './warm-up-call.ts';

export interface WarmRequest {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
  /** The key that the batch goes out with: each workspace has a cache of its own. */
  readonly link: KeyLink;
}

const TRIES_MAX = 3;
/** How long the upload of a batch waits for a warm-up at most, its tries and the waits between them together. */
const PATIENCE_MS = 60_000;
/** After tries in vain batches go cold for so long, so that not every one of them waits anew. */
const COLD_MS = 600_000;
/** A batch does not begin in the moment in which it is made: the last tenth of a lifetime is not relied on. */
const LIFETIME_SHARE = 0.9;
/** How likely a prefix is gone although batches that read it are under way, before any of them has ended. */
const COLD_CHANCE_UNKNOWN = 0.1;
const COLD_CHANCE_MIN = 0.02;

const warmers = new WeakMap<Session, CacheWarmer>();

/** Sees to it that the cache has what the rows of this chunk share. */
export async function warmCache(session: Session, request: WarmRequest): Promise<void> {
  if (cacheOf(request.run) === null) return;
  const warmer = warmers.get(session) ?? new CacheWarmer(session);
  warmers.set(session, warmer);
  await warmer.warm(request);
}

class CacheWarmer {
  readonly #session: Session;
  /** Until when nothing is to be done for a prefix in a workspace, on the clock that never jumps. */
  readonly #restsUntilMs = new Map<string, number>();
  #turn: Promise<void> = Promise.resolve();

  constructor(session: Session) {
    this.#session = session;
  }

  async warm(request: WarmRequest): Promise<void> {
    const turn = this.#turn.then(() => this.#warmAll(request));
    // Whoever waits for it hears of its failure; the next one is not to.
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #warmAll({ run: known, chunk, link }: WarmRequest): Promise<void> {
    const { store, signal } = this.#session.engine;
    const run = await store.run(known.id);
    const cache = run && cacheOf(run);
    if (!run || !cache) return;
    const due: KeptPrefix[] = [];
    for (const prefix of cache.prefixes) {
      const caching = chunk.mix[prefix.model]?.cachingRows ?? 0;
      if (caching > 0 && prefix.useless !== true && !(await this.#isWarm(run, prefix, link))) due.push(prefix);
    }
    if (due.length === 0) return;
    const carried = await prefixesOf(this.#session.engine, chunk);
    for (const prefix of due) {
      const here = carried.get(prefix.key);
      if (!here || signal.aborted || !(await this.#pays(run, prefix, here))) continue;
      await this.#warmOne({ run, chunk, link }, prefix, here);
    }
  }

  /** Was it written or read by a warm-up within its lifetime, of whatever run? Or is there no use in trying? */
  async #isWarm(run: RunRecord, prefix: KeptPrefix, { api: { workspace } }: KeyLink): Promise<boolean> {
    const { store, clock } = this.#session.engine;
    const place = placeOf(prefix, workspace);
    const restsUntilMs = this.#restsUntilMs.get(place);
    if (restsUntilMs !== undefined) return restsUntilMs > clock.monotonicMs();
    for (const other of await store.runs()) {
      if (other.origin !== run.origin) continue;
      const warmAtMs = cacheOf(other)?.prefixes.find(({ key }) => key === prefix.key)?.warmAtMs?.[workspace];
      const ageMs = warmAtMs === undefined ? Infinity : clock.now() - warmAtMs;
      // A clock that was set back since says nothing.
      const leftMs = ageMs < 0 ? 0 : TTL_MS[prefix.ttl] * LIFETIME_SHARE - ageMs;
      if (leftMs <= 0) continue;
      this.#restsUntilMs.set(place, clock.monotonicMs() + leftMs);
      return true;
    }
    return false;
  }

  async #pays(run: RunRecord, prefix: KeptPrefix, { rows, requestBytes }: CarriedPrefix): Promise<boolean> {
    const { store } = this.#session.engine;
    const { submitted } = await store.chunkCounts(run.id);
    const usage = (await store.usage(run.id)).filter(({ lane }) => lane === 'batch');
    const hits = hitShare(usage);
    const unsure = hits === null ? COLD_CHANCE_UNKNOWN : Math.max(COLD_CHANCE_MIN, 1 - hits);
    const { model, tokens: prefixTokens } = prefix;
    const promptTokens = tokensFromBytes(model, requestBytes);
    // What is being read is kept alive by that.
    const coldChance = submitted > 0 ? unsure : 1;
    return warmUpPays({ model, lane: 'batch', prefixTokens, promptTokens, rows }, prefix.ttl, coldChance);
  }

  async #warmOne({ run, chunk, link }: WarmRequest, prefix: KeptPrefix, { marked }: CarriedPrefix): Promise<void> {
    const { clock, signal, emit } = this.#session.engine;
    const place = placeOf(prefix, link.api.workspace);
    const untilMs = clock.monotonicMs() + PATIENCE_MS;
    let request = marked.warmUp;
    let cause = '';
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      const begunAtMs = clock.monotonicMs();
      const result = await callWarmUp(this.#session, { run, chunk, link, prefix, request, untilMs }, tries);
      if (result.kind === 'left') return;
      if (result.kind === 'answered') {
        const { cacheWrite5mTokens: brief, cacheWrite1hTokens: long, cacheReadTokens: read } = result.used;
        this.#restsUntilMs.set(place, begunAtMs + TTL_MS[prefix.ttl] * LIFETIME_SHARE);
        const { model, ttl } = prefix;
        emit({ kind: 'cache.warm', runId: run.id, model, ttl, writtenTokens: brief + long, readTokens: read });
        return;
      }
      ({ cause } = result);
      const other = result.status === 400 ? withOneToken(request) : request;
      const waitMs = other === request ? result.waitMs : 0;
      request = other;
      if (waitMs === null || clock.monotonicMs() + waitMs > untilMs) break;
      if (tries < TRIES_MAX) await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
    }
    this.#restsUntilMs.set(place, clock.monotonicMs() + COLD_MS);
    emit({ kind: 'cache.cold', runId: run.id, chunkNo: chunk.chunkNo, model: prefix.model, cause });
  }
}

function placeOf({ key }: KeptPrefix, workspace: string): string {
  return `${key} ${workspace}`;
}
