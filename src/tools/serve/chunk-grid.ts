/**
 * All chunks of a run in columns, for a grid that ten thousand of them fit into; and one of them with its batch. The page
 * keeps its grid up to date by the events of the log, so this is asked for once.
 */
import { BatchrunError } from '../../base/errors.ts';
import { CHUNK_STATES, type ChunkRecord } from '../../domain/model.ts';
import type { OpenedRun } from './state.ts';

export interface ChunkGrid {
  readonly run: string;
  /** What happened after this event is not in it. */
  readonly event_id: number;
  readonly states: readonly string[];
  readonly no: readonly number[];
  /** Of each chunk the place of its state in `states`. */
  readonly state: readonly number[];
  readonly rows: readonly number[];
  /** Numbers of the chunks that hold rows that are tried again, and of those that take answers of others. */
  readonly retries: readonly number[];
  readonly copies: readonly number[];
}

export async function viewChunks({ ledger, run }: OpenedRun): Promise<ChunkGrid> {
  // The event first: one that comes in between is applied twice, which changes nothing.
  const [event] = await ledger.events(run.id, { limit: 1, newest: true });
  const chunks = await ledger.chunks(run.id);
  const numbers = (keep: (chunk: ChunkRecord) => boolean): number[] =>
    chunks.filter(keep).map((chunk) => chunk.chunkNo);
  return {
    run: run.id,
    event_id: event?.id ?? 0,
    states: CHUNK_STATES,
    no: chunks.map((chunk) => chunk.chunkNo),
    state: chunks.map((chunk) => CHUNK_STATES.indexOf(chunk.state)),
    rows: chunks.map((chunk) => chunk.rowCount),
    retries: numbers((chunk) => chunk.kind === 'retry'),
    copies: numbers((chunk) => chunk.answers !== 'api'),
  };
}

export async function viewChunk({ ledger, run }: OpenedRun, chunkNo: number): Promise<Record<string, unknown>> {
  const chunk = await ledger.chunk(run.id, chunkNo);
  if (!chunk) throw new BatchrunError('E_RUN_UNKNOWN', `run ${run.id} has no chunk ${chunkNo}`);
  const batch = chunk.batchId === null ? null : await ledger.batch(chunk.batchId);
  return {
    chunk: chunk.chunkNo,
    state: chunk.state,
    kind: chunk.kind,
    rows: chunk.rowCount,
    bytes: chunk.bytes,
    first_row: chunk.firstSeq,
    answers: chunk.answers,
    cut_from: chunk.parentNo,
    models: Object.keys(chunk.mix),
    priority: chunk.priority,
    betas: chunk.betas,
    sealed_at: iso(chunk.sealedAtMs),
    fetches: chunk.fetches,
    batch: batch && {
      id: batch.id,
      status: batch.status,
      proven: batch.proven,
      counts: batch.counts,
      created_at: iso(batch.createdAtMs),
      expires_at: iso(batch.expiresAtMs),
      ended_at: batch.endedAtMs === null ? null : iso(batch.endedAtMs),
    },
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
