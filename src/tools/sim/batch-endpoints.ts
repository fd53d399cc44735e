/**
 * Everything below /v1/messages/batches except create: list, retrieve, cancel, delete, and the way to the results.
 */
import { batchJson, isArchived, statusOf, type SimBatch } from './batch.ts';
import { batchResults } from './batch-results.ts';
import type { Caller, SimContext } from './context.ts';
import { invalidRequest, jsonResponse, refusalOf, type SimResponse } from './http.ts';
import { pageOf, readPaging } from './paging.ts';

const PAGE_MAX = 1_000;
const LIST_STATUS = { 'list.404': 404, 'list.500': 500, 'list.503': 503 } as const;

export function listBatches(context: SimContext, caller: Caller): SimResponse {
  const fault = context.faults.firstOf(['list.404', 'list.500', 'list.503'], caller.path);
  if (fault !== undefined) throw refusalOf(LIST_STATUS[fault]);
  const paging = readPaging(caller.query, PAGE_MAX);
  const all = context.batches.inWorkspace(caller.organization, caller.workspace);
  const page = pageOf(
    all,
    paging,
    (batch) => batch.id,
    (batch) => context.batches.isVisible(batch),
  );
  return jsonResponse({ ...page, data: page.data.map((batch) => batchJson(context, batch, caller.origin)) });
}

export function retrieveBatch(context: SimContext, caller: Caller, id: string): SimResponse {
  const fault = context.faults.firstOf(['retrieve.404', 'retrieve.500'], caller.path);
  if (fault === 'retrieve.500') throw refusalOf(500);
  if (fault === 'retrieve.404') throw notFound(id);
  const batch = findBatch(context, caller, id);
  const seconds = context.settings.pollRetryAfterSeconds;
  const isRunning = statusOf(context, batch) !== 'ended';
  const headers = isRunning && seconds !== null ? { 'retry-after': String(seconds) } : {};
  return jsonResponse(batchJson(context, batch, caller.origin), headers);
}

export function cancelBatch(context: SimContext, caller: Caller, id: string): SimResponse {
  const batch = findBatch(context, caller, id);
  const { cancelAfterEndStatus, cancelAgainStatus } = context.settings.switches;
  if (context.faults.fires('cancel.500', caller.path)) throw refusalOf(500);
  const status = statusOf(context, batch);
  if (status === 'ended' && cancelAfterEndStatus !== 200) {
    throw refusalOf(cancelAfterEndStatus, 'Message Batch has already ended and cannot be canceled.');
  }
  if (status === 'canceling' && cancelAgainStatus !== 200) {
    throw refusalOf(cancelAgainStatus, 'Message Batch is already being canceled.');
  }
  if (status === 'in_progress') batch.cancelAtMs = context.clock.now();
  if (context.faults.fires('cancel.500_after', caller.path)) throw refusalOf(500);
  return jsonResponse(batchJson(context, batch, caller.origin));
}

export function deleteBatch(context: SimContext, caller: Caller, id: string): SimResponse {
  const batch = findBatch(context, caller, id);
  if (statusOf(context, batch) !== 'ended') {
    throw refusalOf(
      context.settings.switches.deleteBeforeEndStatus,
      'Message Batch is still processing: cancel it before it can be deleted.',
    );
  }
  batch.isDeleted = true;
  return jsonResponse({ id: batch.id, type: 'message_batch_deleted' });
}

export function resultsOfBatch(context: SimContext, caller: Caller, id: string): SimResponse {
  const batch = findBatch(context, caller, id);
  const { resultsBeforeEndStatus, resultsAfterArchiveStatus } = context.settings.switches;
  if (statusOf(context, batch) !== 'ended') {
    throw refusalOf(resultsBeforeEndStatus, 'Message Batch results are not available before processing has ended.');
  }
  if (isArchived(context, batch)) {
    throw refusalOf(resultsAfterArchiveStatus, 'Message Batch results are no longer available.');
  }
  return batchResults(context, caller, batch);
}

/** A batch of another workspace is answered like one that does not exist. */
function findBatch(context: SimContext, caller: Caller, id: string): SimBatch {
  const batch = context.batches.find(id, caller.organization, caller.workspace);
  if (batch === undefined) throw notFound(id);
  return batch;
}

function notFound(id: string): Error {
  if (!/^[A-Za-z0-9_-]+$/.test(id)) return invalidRequest('message_batch_id: Input should be a valid id');
  return refusalOf(404, `Message Batch not found: ${id}`);
}
