/**
 * Whether the API answers, and with more than errors, as its calls go. No answer at all is a silence: `--give-up` counts
 * from the last answer. Errors of its own (500, 529, …) are counted for each kind of call: a list that fails all night is
 * no news of the calls that go well beside it. A list of batches that is not found is such an error too, and
 * `--give-up` counts it where nothing else goes well. What lasts is told once, and its end too; a single slip is not.
 */
import { isListAbsent, type ApiFailure } from '../../domain/failure-router.ts';
import { causeOf } from './failure-cause.ts';

export type ApiCall = 'create' | 'list' | 'retrieve' | 'results' | 'cancel' | 'message';

export interface Outage {
  /** `silent`: no answer; `errors`: no other answers than errors. */
  readonly kind: 'silent' | 'errors';
  /** On the clock that never jumps. */
  readonly sinceMs: number;
  readonly cause: string;
  /** Which calls fail; null in a silence: it is of all. */
  readonly call: ApiCall | null;
}

export interface KnownOutage extends Outage {
  readonly lastMs: number;
}

/** So long a silence is no slip: by then a call has been made again a few times. */
const SILENT_TOLD_AFTER_MS = 15_000;
/** Errors pass more often than a silence does: 529 is a word of a busy API. */
const ERRORS_TOLD_AFTER_MS = 60_000;
const ERRORS_TOLD_MIN = 3;
/** Of calls that nobody makes any more nobody hears that they go well again. */
const FORGOTTEN_AFTER_MS = 15 * 60_000;

interface Trouble {
  readonly sinceMs: number;
  lastMs: number;
  count: number;
  cause: string;
}

export class Reach {
  readonly #nowMs: () => number;
  readonly #tell: (outage: Outage | null) => void;
  readonly #troubles = new Map<ApiCall, Trouble>();
  #silent: Trouble | null = null;
  /** The list was not found, and nothing has gone well since. */
  #absent: Trouble | null = null;
  #listAnswered = false;
  #told: Outage | null = null;
  /** Which call had an error last, where none has gone well since. */
  #lastFailed: ApiCall | null = null;
  /** What an earlier process has met and did not see the end of, and when it was last met. */
  #known: KnownOutage | null = null;

  /** Told of an outage, and with null that it is over. */
  constructor(nowMs: () => number, tell: (outage: Outage | null) => void) {
    this.#nowMs = nowMs;
    this.#tell = tell;
  }

  /** An earlier process has told this: the same outage, where calls still fail, and over as soon as one goes well. */
  resume(known: KnownOutage): void {
    this.#known = known;
  }

  /** A call went well. */
  heard(call: ApiCall): void {
    if (call === 'list') this.#listAnswered = true;
    this.#absent = null;
    this.#answered(call);
  }

  #answered(call: ApiCall): void {
    this.#lastFailed = null;
    this.#silent = null;
    this.#troubles.delete(call);
    const forgottenMs = this.#nowMs() - FORGOTTEN_AFTER_MS;
    for (const [other, { lastMs }] of this.#troubles) if (lastMs < forgottenMs) this.#troubles.delete(other);
    const known = this.#known;
    const wasKnown = known !== null && (known.call === null || known.call === call || known.lastMs < forgottenMs);
    if (wasKnown) this.#known = null;
    const isOver = this.#told !== null && (this.#told.kind === 'silent' || this.#lasting() === null);
    if (isOver) this.#told = null;
    if ((isOver || wasKnown) && this.#told === null && this.#known === null) this.#tell(null);
  }

  failed(call: ApiCall, failure: ApiFailure): void {
    // Broken off by ourselves: it says nothing of the API.
    if (failure.connection === 'aborted') return;
    if (isTrouble(call, failure)) this.#hasFailed(call, failure);
    else if (failure.status === null || failure.unreadable) {
      this.#silent = noted(this.#silent, this.#nowMs(), failure.message);
      if (this.silentForMs() >= SILENT_TOLD_AFTER_MS) this.say();
    } else this.#answered(call);
  }

  /** Tells of an outage that was not told yet, however short: for those who stop now. */
  say(): void {
    const outage = this.#outage();
    if (outage === null || outage.kind === this.#told?.kind) return;
    this.#told = outage;
    this.#tell(outage);
  }

  /** As it was told, and not over yet. */
  get told(): Outage | null {
    return this.#told;
  }

  /** What an earlier process has told may last still: no call has shown anything else. */
  get isResumed(): boolean {
    return this.#known !== null;
  }

  silentForMs(): number {
    return this.#silent === null ? 0 : this.#nowMs() - this.#silent.sinceMs;
  }

  /** How long there has been nothing to work with: no answer, or no list of batches. */
  awayForMs(): number {
    return Math.max(this.silentForMs(), lengthMs(this.#absent));
  }

  /** The list was not found so often, and for so long, where it has never answered in this process. */
  get neverListed(): { readonly tries: number; readonly forMs: number } | null {
    if (this.#listAnswered || this.#absent === null) return null;
    return { tries: this.#absent.count, forMs: lengthMs(this.#absent) };
  }

  #hasFailed(call: ApiCall, failure: ApiFailure): void {
    const wasSilent = this.#told?.kind === 'silent';
    if (call === 'list' && isListAbsent(failure)) {
      this.#absent = noted(this.#absent, this.#nowMs(), causeOf(failure));
    }
    // It answers, if only that: what began as a silence goes on as errors.
    const before = wasSilent && this.#silent ? { ...this.#silent, count: ERRORS_TOLD_MIN } : null;
    this.#silent = null;
    const trouble = this.#troubles.get(call) ?? before;
    this.#lastFailed = call;
    this.#troubles.set(call, noted(trouble, this.#nowMs(), `${causeOf(failure)} on ${call}`));
    if (wasSilent || (this.#told === null && this.#lasting() !== null)) this.say();
  }

  /** The calls that have failed for long enough, the longest of them. */
  #lasting(): [ApiCall, Trouble] | null {
    const lasting = [...this.#troubles].filter(
      ([, { sinceMs, lastMs, count }]) => count >= ERRORS_TOLD_MIN && lastMs - sinceMs >= ERRORS_TOLD_AFTER_MS,
    );
    return lasting.sort(([, one], [, other]) => one.sinceMs - other.sinceMs)[0] ?? null;
  }

  #outage(): Outage | null {
    // One that changes its kind is the same one.
    const sinceMs = (ownMs: number): number =>
      Math.min(ownMs, this.#known?.sinceMs ?? Infinity, this.#told?.sinceMs ?? Infinity);
    if (this.#silent !== null) {
      const { sinceMs: ownMs, cause } = this.#silent;
      return { kind: 'silent', sinceMs: sinceMs(ownMs), cause, call: null };
    }
    // A slip is no outage where calls went well after it; a pass that ends with one knows no better.
    const [call, trouble] = this.#lasting() ?? [...this.#troubles].find(([name]) => name === this.#lastFailed) ?? [];
    if (call === undefined || trouble === undefined) return null;
    return { kind: 'errors', sinceMs: sinceMs(trouble.sinceMs), cause: trouble.cause, call };
  }
}

/**
 * Errors of the API itself, and a list that is not there. Another refusal is a sound answer; what cannot be read may be
 * of anybody (a portal in between).
 */
function isTrouble(call: ApiCall, failure: ApiFailure): boolean {
  const { status } = failure;
  return (status !== null && status >= 500) || (call === 'list' && isListAbsent(failure));
}

function noted(before: Trouble | null, nowMs: number, cause: string): Trouble {
  return { sinceMs: before?.sinceMs ?? nowMs, lastMs: nowMs, count: (before?.count ?? 0) + 1, cause };
}

/** From the first time to the last: what came after it is not known to be the same. */
function lengthMs(trouble: Trouble | null): number {
  return trouble === null ? 0 : trouble.lastMs - trouble.sinceMs;
}
