/**
 * Everything that can be set about a simulated API, with its defaults.
 *
 * What the documentation leaves open (facts/api.md, "Open points") is a switch here, so that the client can be
 * tested against every answer. Rates are probabilities from 0 to 1; ranges are [least, most].
 */
import { ARCHIVED_AFTER_MS, EXPIRES_AFTER_MS, SIZES, TIERS, type MessageLimits, type SimTier } from './catalogue.ts';
import type { Answerer } from './answer.ts';
import type { Spread } from './draw.ts';
import type { FaultRates } from './faults.ts';
import { plainTextBytes, type TextBytes } from './prompt.ts';
import type { RateHeaderStyle } from './rate-headers.ts';

/** Which workspace a key opens. `workspaces` are further ones that the header anthropic-workspace-id may choose. */
export interface SimKey {
  readonly workspace: string;
  readonly organization?: string;
  readonly workspaces?: readonly string[];
  /** Of its organization: all keys of it share them. */
  readonly limits?: SimLimitsPart;
  /** What is wrong with the account behind this key alone. */
  readonly accountProblem?: AccountProblem;
}

/** What workspaces were set to, by workspace and class of models (`haiku_5.5`): the lower of both holds. */
export type WorkspaceLimits = Readonly<Record<string, Readonly<Record<string, Partial<MessageLimits>>>>>;

/** The open points of the facts page. */
export interface SimSwitches {
  /** When stream, speed and max_tokens 0 in a batch are refused: the whole create, or the row at its end. */
  readonly unsupportedParams: 'async' | 'sync';
  readonly queueOverflowMessage: string;
  readonly duplicateIdMessage: string;
  readonly rateHeadersOnBatches: boolean;
  readonly rateHeaders: RateHeaderStyle;
  /** Does an answer say which organization and workspace is behind the key? A proxy may drop it. */
  readonly identityHeaders: boolean;
  /** Limits enforced in steps of so long: a bucket holds no more than comes in that time. Null: a whole minute's. */
  readonly burstMs: number | null;
  /** A minute may see so many times the calls of the best of the minutes before (ramp.ts). Null: no such rule. */
  readonly rampPerMinute: number | null;
  /** 200: the batch as it is. */
  readonly cancelAfterEndStatus: 200 | 400 | 409;
  readonly cancelAgainStatus: 200 | 400;
  readonly deleteBeforeEndStatus: 400 | 409;
  readonly resultsBeforeEndStatus: 400 | 404;
  readonly resultsAfterArchiveStatus: 400 | 404 | 410;
  readonly chunkedUpload: 'accept' | 'refuse';
  readonly gzipBatchUpload: 'refuse' | 'accept';
  /** Largest single request inside a batch in bytes; null: only the limit of the whole body holds. */
  readonly rowBytesMax: number | null;
  /** What counts toward the queue: all rows of a batch until it ends, or only those not processed yet. */
  readonly queueCounts: 'until_batch_ends' | 'until_row_done';
  /** Unpaired surrogates in a string: the API's JSON parser does not take them. */
  readonly loneSurrogate: 'refuse' | 'accept';
  /** What models.retrieve says of a retired model. */
  readonly retiredModel: 'record' | 'not_found';
}

/** How rows and messages fare. May change while the world runs; a batch keeps those of its creation. */
export interface SimRates {
  /** Rows that end errored although nothing is wrong with them. */
  readonly errorRate: number;
  /** What these errors are, by weight. */
  readonly errorTypes: Readonly<Partial<Record<RowErrorType, number>>>;
  /** Rows that end expired (at the end of their batch, whenever that is). */
  readonly expireRate: number;
  /** Rows errored by an empty credit balance. */
  readonly billingErrorRate: number;
  /** Answers with stop_reason refusal. */
  readonly refusalRate: number;
  /** Answers to requests with a schema that do not follow it. */
  readonly schemaErrorRate: number;
  /** Realtime answers by status: {429: 0.01, 529: 0.02}. */
  readonly messageErrorRates: Readonly<Record<number, number>>;
}

export type RowErrorType =
  | 'api_error'
  | 'overloaded_error'
  | 'timeout_error'
  | 'rate_limit_error'
  | 'invalid_request_error'
  | 'request_too_large';

/** What is wrong with the account: every create and message is answered with it (facts 3.5). */
export type AccountProblem = 'credit_too_low' | 'spend_limit' | 'usage_limit' | 'on_hold' | 'billing' | 'permission';

export interface SimOptions {
  readonly seed?: string | number;
  readonly tier?: SimTier;
  readonly limits?: SimLimitsPart;
  readonly switches?: Partial<SimSwitches>;
  readonly rates?: Partial<SimRates>;
  readonly faults?: FaultRates;
  readonly keys?: Readonly<Record<string, SimKey>>;
  /** Refuse keys that are not listed with 401. */
  readonly strictKeys?: boolean;
  /** Keys of the Admin API, and whose limits they show. */
  readonly adminKeys?: Readonly<Record<string, string>>;
  readonly workspaceLimits?: WorkspaceLimits;
  /** As a function it is given the rows of the batch. */
  readonly batchDurationMs?: Spread;
  /** From a cancel to the end of the batch, at most. */
  readonly cancelDurationMs?: number;
  readonly expiresAfterMs?: number;
  readonly archivedAfterMs?: number;
  readonly listLagMs?: number;
  /** Of every call but messages. */
  readonly latencyMs?: readonly [number, number];
  /** As a function it is given the tokens of the answer. */
  readonly messageLatencyMs?: Spread;
  /** Of a streamed message: the share of its latency until the first token; the rest of the answer comes evenly in what
   *  is left. Null: all of it comes at the end. */
  readonly firstTokenShare?: number | null;
  /** `retry-after` on a batch in progress; null leaves the header out. */
  readonly pollRetryAfterSeconds?: number | null;
  /** `retry-after` of a passing 429; null: 2 for creates, 1 for messages. */
  readonly retryAfterSeconds?: readonly [number, number] | null;
  readonly resultsOrder?: 'shuffled' | 'input';
  readonly answer?: Answerer;
  /** For texts that stand for longer ones: how many bytes each has. */
  readonly textBytes?: TextBytes;
  readonly accountProblem?: AccountProblem;
}

export interface SimLimits {
  readonly batchRpm: number;
  readonly batchQueueMax: number;
  readonly batchRowsMax: number;
  readonly batchBytesMax: number;
  /** Batches in progress at once; null: no such limit (the API documents none). */
  readonly batchesMax: number | null;
  readonly messageBytesMax: number;
  readonly countTokensRpm: number;
  readonly messages: MessageLimits;
  readonly messagesFable: MessageLimits;
  /** In the place of those two, for classes of models that have others. */
  readonly byClass?: Readonly<Record<string, Partial<MessageLimits>>>;
}

/** Some of the limits; those of messages one by one. */
export type SimLimitsPart = Partial<Omit<SimLimits, 'messages' | 'messagesFable'>> & {
  readonly messages?: Partial<MessageLimits>;
  readonly messagesFable?: Partial<MessageLimits>;
};

type Complete = Required<Omit<SimOptions, 'limits' | 'switches' | 'rates' | 'tier' | 'accountProblem' | 'faults'>>;

export interface SimSettings extends Complete {
  readonly limits: SimLimits;
  readonly switches: SimSwitches;
}

export const DEFAULT_SWITCHES: SimSwitches = {
  unsupportedParams: 'async',
  queueOverflowMessage:
    'Number of batch requests in the processing queue has exceeded your limit. Please wait for batches to be processed.',
  duplicateIdMessage: 'requests: custom_id values must be unique within a batch; duplicate: ',
  rateHeadersOnBatches: false,
  rateHeaders: 'anthropic',
  identityHeaders: true,
  burstMs: null,
  rampPerMinute: null,
  cancelAfterEndStatus: 400,
  cancelAgainStatus: 200,
  deleteBeforeEndStatus: 400,
  resultsBeforeEndStatus: 400,
  resultsAfterArchiveStatus: 404,
  chunkedUpload: 'accept',
  gzipBatchUpload: 'refuse',
  rowBytesMax: null,
  queueCounts: 'until_batch_ends',
  loneSurrogate: 'refuse',
  retiredModel: 'record',
};

export const DEFAULT_RATES: SimRates = {
  errorRate: 0,
  errorTypes: { api_error: 0.7, overloaded_error: 0.3 },
  expireRate: 0,
  billingErrorRate: 0,
  refusalRate: 0,
  schemaErrorRate: 0,
  messageErrorRates: {},
};

export function resolveOptions(options: SimOptions): SimSettings {
  return {
    seed: options.seed ?? 1,
    keys: options.keys ?? {},
    strictKeys: options.strictKeys ?? false,
    adminKeys: options.adminKeys ?? {},
    workspaceLimits: options.workspaceLimits ?? {},
    batchDurationMs: options.batchDurationMs ?? [60_000, 300_000],
    cancelDurationMs: options.cancelDurationMs ?? 10_000,
    expiresAfterMs: options.expiresAfterMs ?? EXPIRES_AFTER_MS,
    archivedAfterMs: options.archivedAfterMs ?? ARCHIVED_AFTER_MS,
    listLagMs: options.listLagMs ?? 30_000,
    latencyMs: options.latencyMs ?? [0, 0],
    messageLatencyMs: options.messageLatencyMs ?? [300, 1_500],
    firstTokenShare: options.firstTokenShare ?? null,
    pollRetryAfterSeconds: options.pollRetryAfterSeconds === undefined ? 10 : options.pollRetryAfterSeconds,
    retryAfterSeconds: options.retryAfterSeconds ?? null,
    resultsOrder: options.resultsOrder ?? 'shuffled',
    answer: options.answer ?? 'echo',
    textBytes: options.textBytes ?? plainTextBytes,
    limits: withPart({ ...TIERS[options.tier ?? 'start'], ...SIZES, batchesMax: null }, options.limits ?? {}),
    switches: { ...DEFAULT_SWITCHES, ...options.switches },
  };
}

/** The limits of messages are taken over one by one. */
export function withPart(limits: SimLimits, part: SimLimitsPart): SimLimits {
  return {
    ...limits,
    ...part,
    messages: { ...limits.messages, ...part.messages },
    messagesFable: { ...limits.messagesFable, ...part.messagesFable },
  };
}
