/**
 * GET …/results: the JSONL file of a batch that has ended, made line by line while it is read.
 *
 * 100,000 lines never stand in memory at once. The order is shuffled unless the world is told otherwise, because
 * the API promises none. The faults are those that users met: a file that ends too early and looks whole.
 */
import { shuffled } from '../../base/random.ts';
import { outcomeOf, type BatchView, type SimBatch, type SimRow } from './batch.ts';
import type { Caller, SimContext } from './context.ts';
import { makeId } from './draw.ts';
import type { FaultName } from './faults.ts';
import { refusalOf, type SimResponse, type WireFault } from './http.ts';
import { batchMessage } from './message-shape.ts';

const CHUNK_CHARS = 65_536;
const RESULT_FAULTS = [
  ...(['results.404', 'results.503', 'results.empty', 'results.cut_line', 'results.cut_inside'] as const),
  ...(['results.reset', 'results.stall', 'results.duplicate_line', 'results.foreign_line'] as const),
] as const satisfies readonly FaultName[];
type ResultFault = (typeof RESULT_FAULTS)[number];

export function batchResults(context: SimContext, caller: Caller, batch: SimBatch): SimResponse {
  const fault = context.faults.firstOf(RESULT_FAULTS, caller.path);
  if (fault === 'results.404') throw refusalOf(404, `Message Batch not found: ${batch.id}`);
  if (fault === 'results.503') throw refusalOf(503);
  const at = Math.floor(context.draws('cut', context.nextOrdinal('results')).next() * batch.rows.length);
  const download = context.nextOrdinal(`order|${batch.id}`);
  const wire = wireFaultOf(fault);
  return {
    status: 200,
    headers: {
      'content-type': 'application/x-jsonl',
      'content-disposition': `attachment; filename="${batch.id}_results.jsonl"`,
    },
    body: inChunks(damaged(lines(context, batch, download), batch, fault, at)),
    ...(wire === undefined ? {} : { fault: wire }),
  };
}

function wireFaultOf(fault: ResultFault | undefined): WireFault | undefined {
  if (fault === 'results.reset') return 'body_reset';
  return fault === 'results.stall' ? 'body_stall' : undefined;
}

/** The lines as the fault leaves them; `at` is the line where it strikes. */
function* damaged(
  whole: Iterable<string>,
  batch: SimBatch,
  fault: ResultFault | undefined,
  at: number,
): Iterable<string> {
  if (fault === 'results.empty') return;
  let index = 0;
  for (const line of whole) {
    if (index++ !== at) {
      yield line;
      continue;
    }
    if (fault === 'results.cut_line') return;
    if (fault === 'results.cut_inside' || fault === 'results.reset' || fault === 'results.stall') {
      yield line.slice(0, Math.floor(line.length / 2));
      return;
    }
    yield line;
    if (fault === 'results.duplicate_line') yield line;
    if (fault === 'results.foreign_line')
      yield `{"custom_id":"not-yours-${batch.ordinal}","result":{"type":"expired"}}\n`;
  }
}

/** Two downloads of one batch may come in two orders: a client that mixes them up must be caught. */
function* lines(view: BatchView, batch: SimBatch, download: number): Iterable<string> {
  const { seed, resultsOrder } = view.settings;
  const order = view.draws('order', `${batch.id}|${download}`);
  const rows = resultsOrder === 'input' ? batch.rows : shuffled(order, batch.rows);
  for (const row of rows)
    yield `${JSON.stringify({ custom_id: row.customId, result: result(view, batch, row, seed) })}\n`;
}

function result(view: BatchView, batch: SimBatch, row: SimRow, seed: string | number): unknown {
  const outcome = outcomeOf(view, batch, row);
  switch (outcome.type) {
    case 'succeeded': {
      const id = makeId('msg', seed, `${batch.id}|${row.customId}`);
      return { type: 'succeeded', message: batchMessage(id, row.model, outcome.answer, row.input) };
    }
    case 'errored': {
      // Nested twice, as the API does it: the kind is result.error.error.type.
      const { type, message } = outcome.problem;
      const error = { details: { error_visibility: 'user_facing' }, type, message };
      return { type: 'errored', error: { type: 'error', error, request_id: null } };
    }
    default:
      return { type: outcome.type };
  }
}

function* inChunks(parts: Iterable<string>): Iterable<string> {
  let chunk = '';
  for (const part of parts) {
    chunk += part;
    if (chunk.length < CHUNK_CHARS) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}
