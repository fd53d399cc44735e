/**
 * The port of the load tester: one request and what was measured of it. Nothing is tried again, because a load test must
 * see what fails, and nothing is thrown: a request that failed has been measured too.
 */
import type { Refusal } from './pacing/refusal.ts';
import type { RateSeen } from './pacing/rate-seen.ts';
import type { TokenUsage } from './model.ts';

export interface LoadCall {
  /** The params as JSON. */
  readonly body: string;
  readonly stream: boolean;
  readonly betas: readonly string[];
  /** From the send to the end of the answer. */
  readonly timeoutMs: number;
  /** Is the text of the answer wanted? A conversation carries it on. */
  readonly keepsText: boolean;
}

/** Why a request has no good answer. */
export interface LoadFailure {
  /** `timeout`, `connection`, `cut_off`, `unreadable`, `canceled`, an error type of the API, or `http_<status>`. */
  readonly kind: string;
  /** What a 429 is about; null where it is none. */
  readonly refusal: Refusal | null;
  readonly retryAfterMs: number | null;
}

/** Times are milliseconds of the monotonic clock, and spans are from the send; null: did not happen. */
export interface LoadAnswer {
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  /** DNS, TCP and TLS; null where a connection was used again. */
  readonly connectMs: number | null;
  /** To the head of the answer. */
  readonly firstByteMs: number | null;
  /** To the first delta of a streamed answer. */
  readonly firstTokenMs: number | null;
  readonly status: number | null;
  /** Of the body. */
  readonly bytes: number;
  readonly requestId: string | null;
  readonly rates: RateSeen | null;
  readonly failure: LoadFailure | null;
  /** What the answer counted, as far as it came. */
  readonly usage: TokenUsage;
  /** As the answer names it. */
  readonly model: string | null;
  readonly text: string | null;
}

export interface LoadClient {
  /** Never rejects. */
  send(call: LoadCall): Promise<LoadAnswer>;
  /** What is under way ends as `canceled`. */
  cancelAll(): void;
  close(): void;
}
