/**
 * One call of the realtime lane: sends it, and says what its answer or its failure comes to.
 */
import { routeRealtime, routeResult, type ApiFailure } from '../../domain/failure-router.ts';
import { tagOf } from '../../domain/ids.ts';
import { PLAIN_MAX_TOKENS_MAX, RETRY_AFTER_SAID_MS } from '../../domain/limits.ts';
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import type { RateSeen } from '../../domain/pacing/rate-seen.ts';
import {
  localErrorLine,
  parseResultLine,
  realtimeResultLine,
  wireId,
  type ResultLine,
} from '../../domain/result-line.ts';
import { hasDeviant } from '../../domain/schema-error.ts';
import { longerMaxTokens, truncationsMax } from '../../domain/truncated.ts';
import type { CallKey } from './call-keys.ts';
import { asksAgain, asksForSchema } from '../collect/deviants.ts';
import { refuseKey } from '../keys/key-follow.ts';
import type { Ticket } from '../pacing/pacer.ts';
import { noteRefusal } from '../pilot/pilot-hold.ts';
import { REALTIME_CHUNK_NO, type Answer } from './realtime-settle.ts';
import type { SizedRequest } from '../retry/requests.ts';
import { checkedLine } from '../collect/result-scan.ts';
import { apiFailureOrThrow, causeOf, waitBefore, type Session } from '../session.ts';

/** A row that is claimed and paid for. */
export interface PaidCall {
  readonly run: RunRecord;
  readonly row: RowRecord;
  readonly request: SizedRequest;
  readonly ticket: Ticket<CallKey>;
  readonly reservedUsd: number;
}

export class LaneCaller {
  readonly #session: Session;
  readonly #runIds: readonly string[];
  /** Aborted by a failure of our own: a call under way is paid, so a stop waits for its answer. */
  readonly #broken: AbortSignal;
  /** Pauses in a row without an answer between them. */
  #pauses = 0;

  constructor(session: Session, runIds: readonly string[], broken: AbortSignal) {
    this.#session = session;
    this.#runIds = runIds;
    this.#broken = broken;
  }

  async call(call: PaidCall): Promise<Answer> {
    const { run, row, request, ticket } = call;
    const id = wireId(tagOf(run.id), REALTIME_CHUNK_NO, row.seq);
    const { paramsJson, betas, maxTokens } = request;
    let rates: RateSeen | null = null;
    try {
      const message = await ticket.key.link.api.createMessage({
        paramsJson,
        betas,
        stream: maxTokens > PLAIN_MAX_TOKENS_MAX,
        signal: this.#broken,
        onRates: (seen) => {
          rates = seen;
        },
      });
      this.#session.reach.heard('message');
      this.#pauses = 0;
      const line = realtimeResultLine(id, message);
      const parsed = await this.#parsed(call, line);
      await this.#session.pacer.answered(ticket, { usage: parsed?.usage ?? null, rates });
      const outcome = this.#outcome(call, parsed);
      return { run, row, line, parsed, settled: { seq: row.seq, ...outcome }, releasedUsd: call.reservedUsd };
    } catch (error) {
      return this.#afterFailure(call, id, apiFailureOrThrow(error));
    }
  }

  /** With what it deviates in, where the run has a schema and the row asks for it. */
  async #parsed({ run, request }: PaidCall, text: string): Promise<ResultLine | null> {
    const check = await this.#session.checks.of(run);
    if (!check || !asksForSchema(run, request.paramsJson)) return parseResultLine(text);
    return checkedLine(text, check);
  }

  #outcome({ run, row, request }: PaidCall, parsed: ResultLine | null): Omit<Answer['settled'], 'seq'> {
    const { model, maxTokens } = request;
    const next = longerMaxTokens({
      ...{ stopReason: parsed?.stopReason, model, maxTokens, truncations: row.truncations },
      truncationsMax: truncationsMax(run, row.attempts),
      nowMs: this.#session.engine.clock.now(),
    });
    const base = { notBeforeMs: 0, burnt: true } as const;
    const deviation = parsed?.deviation;
    if (next !== null) {
      const truncated = { truncations: row.truncations + 1, maxTokens: next };
      return { ...base, to: 'retry', errorType: deviation ?? 'batchrun_truncated', truncated };
    }
    if (!parsed || deviation === undefined) return { ...base, to: 'succeeded', errorType: null };
    const verdict = routeResult(parsed, row.attempts, run.settings.maxAttempts, asksAgain(run));
    return { ...base, to: verdict.kind === 'retry' ? 'retry' : 'failed', errorType: deviation };
  }

  async #afterFailure(call: PaidCall, id: string, failure: ApiFailure): Promise<Answer> {
    const { run, row, ticket } = call;
    const { clock, emit } = this.#session.engine;
    this.#session.reach.failed('message', failure);
    const { maxAttempts } = run.settings;
    const verdict = routeRealtime(failure, row.attempts, maxAttempts);
    await this.#session.pacer.failed(ticket, failure, verdict.kind === 'retry');
    // An answer that does not follow the schema is better than none: the row keeps it, and with it why it is none.
    const kept = hasDeviant(row) ? row.errorType : null;
    const errorType = kept ?? ('errorType' in verdict ? verdict.errorType : (failure.type ?? verdict.reason));
    const releasedUsd = isUnpaid(failure) ? call.reservedUsd : 0;
    const base = { seq: row.seq, errorType, notBeforeMs: 0 };
    const nothing = { run, row, line: null, parsed: null, releasedUsd };
    if (verdict.kind === 'failed') {
      if (kept !== null) return { ...nothing, settled: { ...base, to: 'failed', burnt: true } };
      // An answer that was cut off is better than none.
      if (row.truncations > 0) {
        return { ...nothing, settled: { ...base, to: 'succeeded', errorType: null, burnt: true } };
      }
      noteRefusal(this.#session, call, errorType);
      const line = localErrorLine(id, errorType, failure.message);
      return { ...nothing, line, settled: { ...base, to: 'failed', burnt: true } };
    }
    if (verdict.kind === 'blocked') {
      await refuseKey(this.#session, ticket.key.link, verdict, this.#runIds);
      return { ...nothing, settled: { ...base, to: 'retry', burnt: false } };
    }
    const waitMs = failure.connection === 'aborted' ? 0 : waitBefore(this.#session, row.attempts, verdict.waitMs);
    this.#pauseAfter(failure, waitMs);
    const cause = causeOf(failure);
    emit({ kind: 'retry.scheduled', runId: run.id, seq: row.seq, attempt: row.attempts, maxAttempts, waitMs, cause });
    const settled = {
      ...base,
      to: 'retry',
      notBeforeMs: clock.now() + waitMs,
      burnt: verdict.countsAsAttempt,
    } as const;
    return { ...nothing, settled };
  }

  /**
   * What is not about this row is about all: an API that is not there, a wait that the API asks for. No call before that
   * time, and the pauses grow as long as nothing gets through. A limit with a short wait is its pool's alone: the pacer
   * keeps it.
   */
  #pauseAfter(failure: ApiFailure, waitMs: number): void {
    const askedMs = failure.retryAfterMs;
    const limited = failure.status === 429;
    if (limited && askedMs !== null && askedMs <= POOL_WAIT_MS_MAX) return;
    if (!limited && failure.connection !== 'never_made' && askedMs === null) return;
    this.#pauses++;
    const { clock, emit } = this.#session.engine;
    const pauseMs = Math.max(waitMs, waitBefore(this.#session, this.#pauses, askedMs));
    const untilMs = clock.monotonicMs() + pauseMs;
    if (untilMs <= this.#session.callsNotBeforeMs) return;
    this.#session.callsNotBeforeMs = untilMs;
    if (pauseMs > RETRY_AFTER_SAID_MS) {
      emit({ kind: 'lane.paused', untilMs: clock.now() + pauseMs, cause: causeOf(failure) });
    }
  }
}

/** A bucket is full again within a minute: a longer wait is not about it. */
const POOL_WAIT_MS_MAX = 60_000;

/** Is it sure that this call cost nothing? A timeout, a broken connection and an unreadable answer may have been paid. */
export function isUnpaid(failure: ApiFailure): boolean {
  if (failure.unreadable) return false;
  // It says that it did not even begin.
  if (failure.type === 'overloaded_error') return true;
  if (failure.status !== null) return failure.status < 500 && failure.status !== 408;
  return failure.connection === 'never_made';
}
