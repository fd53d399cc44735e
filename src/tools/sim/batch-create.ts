/**
 * POST /v1/messages/batches: accepts a batch, or refuses it, or does either and loses the answer.
 *
 * The order is the API's: account, edge, JSON and custom_ids, queue; then the batch exists, and only what travels
 * back can still go wrong.
 */
import { batchJson, endsAtMs, type SimBatch, type SimRow } from './batch.ts';
import { takeRows } from './batch-intake.ts';
import { BATCHES_CLASS } from './buckets.ts';
import { checkAccount, retryAfter, type Caller, type SimContext } from './context.ts';
import { drawFrom, makeId, sha256Hex } from './draw.ts';
import type { Rng } from '../../base/random.ts';
import { jsonResponse, noAnswer, Refusal, refusalOf, tooLargeResponse, type SimResponse } from './http.ts';

const RETRY_AFTER_SECONDS = 2;
/** While the queue is full: nothing gets free before a batch has ended. */
const QUEUE_RETRY_AFTER = { 'retry-after': '30' } as const;

export function createBatch(context: SimContext, caller: Caller, body: Buffer): SimResponse {
  checkAccount(context, caller);
  const before = failBefore(context, caller);
  if (before !== undefined) return before;
  const nowMs = context.clock.now();
  const key = keyOf(context, body);
  const scope = `${caller.organization}|${caller.workspace}`;
  const keeps: ((readableFromMs: number) => void)[] = [];
  const rows = takeRows(context, caller, body, (params) => {
    const { input, keep } = context.cache.look(scope, params, nowMs);
    if (keep !== undefined) keeps.push(keep);
    return input;
  });
  checkCapacity(context, caller, rows.length);
  const durationMs = batchDurationMs(context, context.draws('duration', key), rows.length);
  const batch = acceptBatch(context, caller, rows, { key, durationMs, isForeign: false });
  for (const keep of keeps) keep(endsAtMs(context, batch));
  return answerCreate(context, caller, batch);
}

/** How long a batch of so many rows takes. */
export function batchDurationMs(context: SimContext, rng: Rng, rowCount: number): number {
  return Math.round(drawFrom(rng, context.settings.batchDurationMs, rowCount));
}

/** How far into the body a batch is known by: the first custom_id stands there. */
const KEY_BYTES = 512;

/** Names a batch by what it holds and not by when it came, so that its fate does not hang on the order of uploads. */
function keyOf(context: SimContext, body: Buffer): string {
  const content = sha256Hex(`${body.length}|${body.toString('latin1', 0, KEY_BYTES)}`).slice(0, 16);
  return `${content}|${context.nextOrdinal(`create|${content}`)}`;
}

function failBefore(context: SimContext, caller: Caller): SimResponse | undefined {
  const fault = context.faults.firstOf(
    ['create.429', 'create.413', 'create.500_before', 'create.reset_before', 'create.hang_before'],
    caller.path,
  );
  switch (fault) {
    case undefined:
      return undefined;
    case 'create.429':
      throw refusalOf(429, undefined, { headers: retryAfter(context, RETRY_AFTER_SECONDS) });
    case 'create.413':
      context.ledger.noteRefusal(413, 'request_too_large');
      return tooLargeResponse();
    case 'create.500_before':
      throw refusalOf(500);
    case 'create.reset_before':
      return noAnswer('reset');
    case 'create.hang_before':
      return noAnswer('hang');
  }
}

function checkCapacity(context: SimContext, caller: Caller, rowCount: number): void {
  const { switches } = context.settings;
  const { organization } = caller;
  const limits = context.limits.of(organization);
  const load = context.batches.load(organization);
  if (load.queued + rowCount > limits.batchQueueMax) {
    context.ledger.rateBook.noteLimited(organization, BATCHES_CLASS, 'queue');
    throw new Refusal(429, 'rate_limit_error', switches.queueOverflowMessage, { headers: QUEUE_RETRY_AFTER });
  }
  if (limits.batchesMax !== null && load.batches >= limits.batchesMax) {
    context.ledger.rateBook.noteLimited(organization, BATCHES_CLASS, 'batches');
    const message = `Number of concurrent batches has exceeded your limit of ${limits.batchesMax}.`;
    throw new Refusal(429, 'rate_limit_error', message, { headers: QUEUE_RETRY_AFTER });
  }
}

export interface Acceptance {
  /** Of a batch that was made before this world was: no fault strikes it. Default: made from the key. */
  readonly id?: string;
  /** The draws of this batch hang on it. */
  readonly key: string;
  readonly durationMs: number;
  readonly isForeign: boolean;
  readonly createdAtMs?: number;
}

/** From here on the batch exists and will be billed. */
export function acceptBatch(
  context: SimContext,
  owner: Pick<Caller, 'organization' | 'workspace' | 'path'>,
  rows: readonly SimRow[],
  acceptance: Acceptance,
): SimBatch {
  const { settings, faults, clock } = context;
  const { key, durationMs, isForeign } = acceptance;
  const createdAtMs = acceptance.createdAtMs ?? clock.now();
  const ordinal = context.nextOrdinal('batch');
  const isSpared = isForeign || acceptance.id !== undefined;
  const isLagging = !isSpared && faults.fires('list.lag', owner.path);
  const isCanceledByOther = !isSpared && faults.fires('batch.canceled_by_other', owner.path);
  const cancelShare = context.draws('cancel', key).next();
  const batch: SimBatch = {
    id: acceptance.id ?? makeId('msgbatch', settings.seed, key),
    ordinal,
    organization: owner.organization,
    workspace: owner.workspace,
    rows,
    rates: context.current.rates,
    createdAtMs,
    durationMs,
    expiresAtMs: createdAtMs + settings.expiresAfterMs,
    archivedAtMs: createdAtMs + settings.archivedAfterMs,
    visibleAtMs: createdAtMs + (isLagging ? settings.listLagMs : 0),
    expiresWhole: !isSpared && faults.fires('batch.expire', owner.path),
    isForeign,
    cancelAtMs: isCanceledByOther ? createdAtMs + Math.floor(durationMs * cancelShare) : undefined,
    isDeleted: false,
    wasAnswered: true,
    finalCounts: undefined,
  };
  context.batches.add(batch);
  context.ledger.noteBatch(batch);
  noteLoad(context, owner.organization);
  return batch;
}

function noteLoad(context: SimContext, organization: string): void {
  const load = context.batches.load(organization);
  const { batchQueueMax: queueMax, batchesMax } = context.limits.of(organization);
  context.ledger.noteLoad(load);
  context.ledger.rateBook.noteOpen({ organization, ...load, queueMax, batchesMax });
}

function answerCreate(context: SimContext, caller: Caller, batch: SimBatch): SimResponse {
  const fault = context.faults.firstOf(
    ['create.reset_after', 'create.hang_after', 'create.504_after', 'create.500_after', 'create.garbage_answer'],
    caller.path,
  );
  batch.wasAnswered = fault === undefined;
  switch (fault) {
    case undefined:
      return jsonResponse(batchJson(context, batch, caller.origin));
    case 'create.reset_after':
      return noAnswer('reset');
    case 'create.hang_after':
      return noAnswer('hang');
    case 'create.504_after':
      throw refusalOf(504);
    case 'create.500_after':
      throw refusalOf(500);
    case 'create.garbage_answer':
      return { ...jsonResponse(null), body: ['{"id":"msgbatch_', '<html>502 Bad Gateway</html>'] };
  }
}
