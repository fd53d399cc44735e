/**
 * One process driving one state: what it is driving, what it waits for and what is blocked. All of it can be lost at
 * any instant; what must not be lost is in the store.
 */

import { isBatchrunError } from '../base/errors.ts';
import type { ApiFailure, BlockedVerdict } from '../domain/failure-router.ts';
import { backoffMs } from '../domain/failure-router.ts';
import type { Block } from '../domain/model.ts';
import { createLocalLimiter } from '../domain/pacing/local-limiter.ts';
import type { DriverStore } from '../domain/store.ts';
import type { DeadlineSaid } from './deadline/deadline-word.ts';
import { AnswerChecks } from './collect/answer-checks.ts';
import { BlockBook } from './block-book.ts';
import { CallSlots } from './realtime/call-slots.ts';
import type { ApiEngine, KeyLink } from './engine.ts';
import { KeyBook, type Place } from './keys/key-book.ts';
import { Pacer } from './pacing/pacer.ts';
import type { PilotBook } from './pilot/pilot-look.ts';
import { Pledges } from './budget/pledges.ts';
import type { EngineEvent } from './events.ts';
import { Reach, type ApiCall, type Outage } from './outage/reach.ts';

export { causeOf } from './outage/failure-cause.ts';

export interface RepeatedWait {
  readonly notBeforeMs: number;
  readonly failures: number;
  readonly sinceMs: number;
}

/** Batches that are open, and the requests in them. */
export interface OpenLoad {
  readonly batches: number;
  readonly rows: number;
}

/**
 * Its waits are times on the clock that never jumps (`monotonicMs`): a clock that is set must not break a `retry-after`,
 * nor make one endless.
 */
export interface Session {
  readonly engine: ApiEngine;
  readonly driver: DriverStore;
  readonly blocks: BlockBook;
  readonly reach: Reach;
  /** When realtime calls may leave, and with which key. */
  readonly pacer: Pacer;
  readonly keys: KeyBook;
  readonly pledges: Pledges;
  /** Realtime calls under way. */
  readonly slots: CallSlots;
  readonly checks: AnswerChecks;
  /** Batches under way that are not ours, by organization, as the lists last showed them. */
  readonly foreign: Map<string, OpenLoad>;
  /** Their requests, by workspace and id. */
  readonly foreignAt: Map<Place, Map<string, number>>;
  /** Chunks (`run:no`) that must not be sent again while a batch that may be theirs is unread. */
  held: ReadonlySet<string>;
  /** No create before this time, with whatever key. */
  readonly createNotBeforeMs: number;
  /** No cancel before this time. */
  cancelNotBeforeMs: number;
  /** Batches that the API did not want to stop, with the status that it said so with. */
  readonly cancelRefusals: Map<string, number>;
  /** The API has asked all batch calls to wait until then, with whatever key. */
  readonly quietUntilMs: number;
  /** Runs that made their deadline in the realtime lane only at the last look, and what was said of deadlines. */
  readonly deadlines: { readonly hurried: Set<string>; readonly said: Map<string, DeadlineSaid> };
  readonly pilots: PilotBook;
  /** No realtime call before this time. */
  callsNotBeforeMs: number;
  /** The key may not even look: nothing moves until a person has mended that. */
  lookRefused: boolean;
  /** When the results of each candidate may be looked at again, and since when that fails. */
  readonly candidateWaits: Map<string, RepeatedWait>;
  /** When each chunk's results may be fetched again, and how often in a row that has failed. */
  readonly fetchWaits: Map<string, RepeatedWait>;
  /** Attempts in doubt: since when this process has waited for their batch, on the clock that never jumps. */
  readonly doubtsSinceMs: Map<number, number>;
  /** How far the API's clock is ahead of the one here that never jumps, as its last answer said. */
  serverAheadMs: number;
  /** The API has said what time it is; until then `serverAheadMs` goes by the clock of this machine. */
  serverTimeHeard: boolean;
}

export function newSession(engine: ApiEngine, driver: DriverStore): Session {
  const keys = new KeyBook(engine);
  return {
    engine,
    driver,
    blocks: new BlockBook(),
    pacer: newPacer(engine, keys),
    reach: new Reach(
      () => engine.clock.monotonicMs(),
      (outage) => engine.emit(reachEvent(outage, engine)),
    ),
    keys,
    pledges: new Pledges(),
    slots: new CallSlots(),
    checks: new AnswerChecks(engine),
    foreign: new Map(),
    foreignAt: new Map(),
    held: new Set(),
    get createNotBeforeMs() {
      return keys.createNotBeforeMs;
    },
    get quietUntilMs() {
      return keys.quietUntilMs(null);
    },
    cancelNotBeforeMs: 0,
    cancelRefusals: new Map(),
    deadlines: { hurried: new Set(), said: new Map() },
    pilots: { passed: new Set(), flying: new Set(), refusing: new Set() },
    callsNotBeforeMs: 0,
    lookRefused: false,
    candidateWaits: new Map(),
    fetchWaits: new Map(),
    doubtsSinceMs: new Map(),
    serverAheadMs: engine.clock.now() - engine.clock.monotonicMs(),
    serverTimeHeard: false,
  };
}

function newPacer({ clock, limiter, pacing, admin, emit }: ApiEngine, keys: KeyBook): Pacer {
  const { caps = {}, headroom = 0, maxQueued, batchRpm } = pacing;
  const pacer = new Pacer({
    ...{ clock, caps, headroom, maxQueued, batchRpm },
    limiter: limiter ?? createLocalLimiter(clock),
    onCall: (call) => emit({ kind: 'call.ended', ...call }),
  });
  for (const organization of admin ? keys.organizations : []) {
    const isIts = admin?.organization === null || keys.links.every((link) => link.organization === null);
    if (admin && (isIts || organization === admin.organization)) pacer.pools.administer(organization, admin);
  }
  return pacer;
}

function reachEvent(outage: Outage | null, { clock }: ApiEngine): EngineEvent {
  if (outage === null) return { kind: 'api.answers' };
  const sinceMs = Math.round(clock.now() - (clock.monotonicMs() - outage.sinceMs));
  return { kind: outage.kind === 'silent' ? 'api.unreachable' : 'api.errors', sinceMs, cause: outage.cause };
}

/** The time by the API's clock, in whole milliseconds: what it deletes, and when, goes by that. */
export function serverNowMs(session: Session): number {
  return Math.round(session.engine.clock.monotonicMs() + session.serverAheadMs);
}

/** The API says what time it is, or does not (null). */
export function hearServerTime(session: Session, serverTimeMs: number | null): void {
  if (serverTimeMs === null) return;
  session.serverAheadMs = serverTimeMs - session.engine.clock.monotonicMs();
  session.serverTimeHeard = true;
}

/** From now on the grace of this attempt runs. */
export function beginDoubt(session: Session, attemptId: number): void {
  session.doubtsSinceMs.set(attemptId, session.engine.clock.monotonicMs());
}

/** What a failed batch call says about all others: is the API there, and does it want quiet from this organization? */
export function noteFailure(session: Session, call: ApiCall, failure: ApiFailure, link?: KeyLink): void {
  const nowMs = session.engine.clock.monotonicMs();
  session.reach.failed(call, failure);
  if (failure.status !== 429 || failure.retryAfterMs === null) return;
  const pace = session.keys.paceOf(link ?? session.keys.links[0]);
  pace.quietUntilMs = Math.max(pace.quietUntilMs, nowMs + Math.ceil(failure.retryAfterMs));
}

/** The next wait of something that fails again and again. */
export function repeatWait(
  session: Session,
  before: RepeatedWait | undefined,
  askedMs: number | null,
): RepeatedWait & { readonly waitMs: number } {
  const nowMs = session.engine.clock.monotonicMs();
  const failures = (before?.failures ?? 0) + 1;
  const waitMs = waitBefore(session, failures, askedMs);
  return { notBeforeMs: nowMs + waitMs, failures, sinceMs: before?.sinceMs ?? nowMs, waitMs };
}

export function chunkKey(chunk: { readonly runId: string; readonly chunkNo: number }): string {
  return `${chunk.runId}:${chunk.chunkNo}`;
}

/** The facts of a failed call, or null where the error is not the API's. */
export function apiFailureOf(error: unknown): ApiFailure | null {
  if (!isBatchrunError(error, 'E_API')) return null;
  return (error.details['failure'] as ApiFailure | undefined) ?? null;
}

/** Like apiFailureOf, but an error that is not the API's goes on its way up. */
export function apiFailureOrThrow(error: unknown): ApiFailure {
  const failure = apiFailureOf(error);
  if (!failure) throw error;
  return failure;
}

/** The wait before a call is made again: full jitter, never below what the API asks for. */
export function waitBefore(session: Session, attempt: number, askedMs: number | null): number {
  // Whole milliseconds: the ledger keeps times as integers.
  const { rng, pacing } = session.engine;
  return Math.ceil(Math.max(askedMs ?? 0, backoffMs(attempt, rng, pacing.backoff)));
}

export function toBlock(verdict: BlockedVerdict, sinceMs: number): Block {
  const { reason, scope, message, hint } = verdict;
  return { reason, scope, message, hint, sinceMs };
}

/** Tells the user once, and keeps it for `status`. */
export async function blockRun(session: Session, runId: string, block: Block): Promise<void> {
  if (!session.blocks.add(runId, block)) return;
  session.engine.emit({ kind: 'blocked', runId, reason: block.reason, message: block.message, hint: block.hint });
  await session.driver.setBlocks(runId, session.blocks.of(runId), session.engine.clock.now());
}

/** A block of one chunk has mended itself. */
export async function unblockChunk(
  session: Session,
  chunk: { readonly runId: string; readonly chunkNo: number },
  reason: string,
): Promise<void> {
  if (!session.blocks.release(chunk.runId, `chunk:${chunk.chunkNo}`, reason)) return;
  await session.driver.setBlocks(chunk.runId, session.blocks.of(chunk.runId), session.engine.clock.now());
}

/** A refusal of the only key or of all of them (key-follow.ts): every run that is driven stands still with it. */
export async function blockAll(session: Session, runIds: readonly string[], verdict: BlockedVerdict): Promise<void> {
  const block = toBlock(verdict, session.engine.clock.now());
  const isNews = !session.blocks.wasKnown(null, block);
  if (!session.blocks.add(null, block)) return;
  for (const runId of runIds) {
    // One that comes and goes with each look at the list is told once.
    if (isNews)
      session.engine.emit({ kind: 'blocked', runId, reason: block.reason, message: block.message, hint: block.hint });
    await session.driver.setBlocks(runId, session.blocks.of(runId), session.engine.clock.now());
  }
}

/** What stood in the way of every run has mended itself. */
export async function releaseAll(session: Session, reason: Block['reason']): Promise<void> {
  const { blocks, driver, engine } = session;
  if (!blocks.releaseAll(reason)) return;
  for (const run of await engine.store.runs()) {
    if (run.state === 'done' || run.origin !== engine.api.origin || run.blocked.length === 0) continue;
    await driver.setBlocks(run.id, blocks.of(run.id), engine.clock.now());
  }
}
