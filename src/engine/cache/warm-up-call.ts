/**
 * One call that writes a prefix to the prompt cache: it waits for its turn like every realtime call (slots, limits, what
 * the API has asked to wait for), is written down before it leaves, with what it may cost, and settled with what it used.
 */
import { failpoint } from '../../base/failpoint.ts';
import { addRequest, noSums } from '../../domain/chunk-text.ts';
import type { KeptPrefix, WarmUpSum } from '../../domain/cache/settings.ts';
import { addedTokensMost } from '../../domain/estimate/added-tokens.ts';
import { mediaOf } from '../../domain/estimate/media-tokens.ts';
import { routeRealtime, type ApiFailure } from '../../domain/failure-router.ts';
import { raisedLike } from '../../domain/input-raise.ts';
import { PLAIN_MAX_TOKENS_MAX } from '../../domain/limits.ts';
import { NO_USAGE, type ChunkRecord, type RunRecord } from '../../domain/model.ts';
import { costUsd } from '../../domain/pricing.ts';
import { worstCostUsd } from '../../domain/reserve.ts';
import type { RateSeen } from '../../domain/pacing/rate-seen.ts';
import { parseResultLine, realtimeResultLine, type ResultLine } from '../../domain/result-line.ts';
import type { JsonObject } from '../../domain/row/shape.ts';
import { budgetOf, surely } from '../budget/budget.ts';
import type { CallKey } from '../realtime/call-keys.ts';
import type { KeyLink } from '../engine.ts';
import type { Ticket } from '../pacing/pacer.ts';
import { isUnpaid } from '../realtime/realtime-call.ts';
import { apiFailureOrThrow, causeOf, waitBefore, type Session } from '../session.ts';

export interface WarmUp {
  readonly run: RunRecord;
  readonly chunk: ChunkRecord;
  readonly prefix: KeptPrefix;
  readonly request: JsonObject;
  readonly link: KeyLink;
  /** On the clock that never jumps: after this the batch goes as it is. */
  readonly untilMs: number;
}

export type WarmUpResult =
  | { readonly kind: 'answered'; readonly used: WarmUpSum }
  /** `waitMs`: it may be tried again after this; null where that would not help. */
  | { readonly kind: 'failed'; readonly cause: string; readonly waitMs: number | null; readonly status: number | null }
  /** The run was canceled, or somebody wants to stop: nothing was sent. */
  | { readonly kind: 'left' };

/** An answer without any output is there within seconds; the upload waits for it. */
const CALL_MS_MAX = 60_000;
const LOOK_MS = 250;
const TRIES_COUNTED = 4;
/** A bucket is full again within a minute: a longer wait is not about it. */
const POOL_WAIT_MS_MAX = 60_000;
/** A warm-up has no row: its line is only read. */
const LINE_ID = 'cache';

export async function callWarmUp(session: Session, warmUp: WarmUp, tries: number): Promise<WarmUpResult> {
  const admitted = await admit(session, warmUp);
  if (typeof admitted === 'string') {
    return admitted === 'stopped' ? { kind: 'left' } : failed(admitted);
  }
  try {
    const reservedUsd = await reserve(session, warmUp);
    if (reservedUsd === null) {
      await session.pacer.refund(admitted);
      return failed('the budget');
    }
    return await send(session, { ...warmUp, ticket: admitted, reservedUsd, tries });
  } finally {
    session.slots.giveBack();
  }
}

function failed(cause: string): WarmUpResult {
  return { kind: 'failed', cause, waitMs: null, status: null };
}

/** A slot and a ticket; or why there is none. */
async function admit(session: Session, warmUp: WarmUp): Promise<Ticket<CallKey> | 'stopped' | 'the limits'> {
  const { slots, pacer, keys, engine } = session;
  const { clock, signal, pacing } = engine;
  const { link, request, run, untilMs } = warmUp;
  const key: CallKey = { link, organization: keys.organizationOf(link), label: link.label };
  // Its answer has no length: it must not teach the lane how long those of the rows are.
  const runId = `${run.id} warm-ups`;
  const size = { ...sizeOf(request), runId, model: warmUp.prefix.model };
  slots.want();
  try {
    for (;;) {
      if (signal.aborted) return 'stopped';
      let waitMs = session.callsNotBeforeMs - clock.monotonicMs();
      if (waitMs <= 0) {
        waitMs = LOOK_MS;
        if (slots.takeForWarmUp(pacer.concurrency(pacing.concurrency))) {
          const go = await pacer.take(size, [key], null);
          if (go.kind === 'go') return go.ticket;
          slots.giveBack();
          waitMs = Math.max(LOOK_MS, go.waitMs);
        }
      }
      if (clock.monotonicMs() + waitMs > untilMs) return 'the limits';
      await clock.sleep(Math.ceil(waitMs), signal);
    }
  } finally {
    slots.wantNoMore();
  }
}

function sizeOf(request: JsonObject): { readonly requestBytes: number; readonly maxTokens: number } {
  return { requestBytes: Buffer.byteLength(JSON.stringify(request)), maxTokens: Number(request['max_tokens']) };
}

/** The most that it can cost, promised until the ledger shows it; null where the budget does not allow it. */
async function reserve(session: Session, { run, prefix, request }: WarmUp): Promise<number | null> {
  const { requestBytes: bytes, maxTokens } = sizeOf(request);
  const part = noSums();
  const size = { addedTokens: addedTokensMost(request), media: mediaOf(request) };
  addRequest(part, bytes, { maxTokens, caches: true, ...size });
  const view = await surely(session, async () => budgetOf(session, (await session.engine.store.run(run.id)) ?? run));
  if (!view) return 0;
  const usd = worstCostUsd(raisedLike({ [prefix.model]: part }, view.mix), 'realtime');
  if (usd === null || view.unknown || usd > view.leftUsd - session.pledges.of(run.id)) return null;
  session.pledges.add(run.id, usd);
  return usd;
}

interface Paid extends WarmUp {
  readonly ticket: Ticket<CallKey>;
  readonly reservedUsd: number;
  readonly tries: number;
}

async function send(session: Session, paid: Paid): Promise<WarmUpResult> {
  const { run, chunk, prefix, ticket, reservedUsd: reserveUsd } = paid;
  const { driver, engine, pledges, pacer } = session;
  const place = { runId: run.id, chunkNo: chunk.chunkNo };
  let claimed = false;
  try {
    claimed = await driver.claimWarmUp({ ...place, key: prefix.key, atMs: engine.clock.now(), reserveUsd });
  } finally {
    if (claimed) pledges.keep(run.id, reserveUsd);
    else {
      pledges.takeBack(run.id, reserveUsd);
      await pacer.refund(ticket);
    }
  }
  if (!claimed) return { kind: 'left' };
  failpoint('cache.claimed');
  let rates: RateSeen | null = null;
  try {
    const line = await asked(session, paid, (seen) => (rates = seen));
    failpoint('cache.answered');
    session.reach.heard('message');
    await pacer.answered(ticket, { usage: line?.usage ?? null, rates });
    const used = usedBy(prefix, line);
    const useless = used.cacheWrite5mTokens + used.cacheWrite1hTokens + used.cacheReadTokens === 0;
    const end = { key: prefix.key, workspace: ticket.key.link.api.workspace, used, useless };
    const atMs = engine.clock.now();
    await driver.settleWarmUp({ ...place, end: { ...end, atMs }, releasedUsd: reserveUsd, cause: null });
    return { kind: 'answered', used };
  } catch (error) {
    return await afterFailure(session, paid, apiFailureOrThrow(error));
  }
}

/** A stop waits for the answer: it is paid. But not for one that never comes. */
async function asked(
  session: Session,
  { request, ticket, chunk }: Paid,
  onRates: (seen: RateSeen) => void,
): Promise<ResultLine | null> {
  const { clock } = session.engine;
  const [tooLong, over] = [new AbortController(), new AbortController()];
  const waiting = clock.sleep(CALL_MS_MAX, over.signal).then(() => {
    if (!over.signal.aborted) tooLong.abort();
  });
  try {
    const message = await ticket.key.link.api.createMessage({
      paramsJson: JSON.stringify(request),
      betas: chunk.betas,
      stream: Number(request['max_tokens']) > PLAIN_MAX_TOKENS_MAX,
      signal: tooLong.signal,
      onRates,
    });
    return parseResultLine(realtimeResultLine(LINE_ID, message));
  } finally {
    over.abort();
    await waiting;
  }
}

function usedBy(prefix: KeptPrefix, line: ResultLine | null): WarmUpSum {
  const model = line?.model ?? prefix.model;
  const usage = line?.usage ?? NO_USAGE;
  const usd = costUsd({ model, lane: 'realtime', usage, inferenceGeo: line?.inferenceGeo });
  return { ...usage, model, calls: 1, costUsd: usd ?? 0, unpricedCalls: usd === null ? 1 : 0 };
}

async function afterFailure(session: Session, paid: Paid, failure: ApiFailure): Promise<WarmUpResult> {
  const { run, chunk, prefix, ticket, tries } = paid;
  const { engine, driver, pacer } = session;
  const nowMs = engine.clock.monotonicMs();
  session.reach.failed('message', failure);
  const verdict = routeRealtime(failure, tries, TRIES_COUNTED);
  const isRetried = verdict.kind === 'retry';
  await pacer.failed(ticket, failure, isRetried);
  // Nobody's call may leave before a wait that is too long to be about a bucket is over.
  const askedMs = failure.retryAfterMs;
  if (askedMs !== null && (failure.status !== 429 || askedMs > POOL_WAIT_MS_MAX)) {
    session.callsNotBeforeMs = Math.max(session.callsNotBeforeMs, nowMs + Math.ceil(askedMs));
  }
  const cause = causeOf(failure);
  const end = { key: prefix.key, workspace: ticket.key.link.api.workspace, used: null, useless: false };
  await driver.settleWarmUp({
    ...{ runId: run.id, chunkNo: chunk.chunkNo, cause },
    end: { ...end, atMs: engine.clock.now() },
    releasedUsd: isUnpaid(failure) ? paid.reservedUsd : 0,
  });
  const waitMs = verdict.kind === 'retry' ? waitBefore(session, tries, verdict.waitMs) : null;
  return { kind: 'failed', cause, waitMs, status: failure.status };
}
