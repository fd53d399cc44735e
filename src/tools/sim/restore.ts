/**
 * Batches that were made before this world was: a test that opens a state folder of another day puts in what the API
 * still has of it, under the ids and times that the folder knows.
 */
import { acceptBatch, batchDurationMs } from './batch-create.ts';
import { takeRows } from './batch-intake.ts';
import { API_VERSIONS } from './catalogue.ts';
import { DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE } from './caller.ts';
import type { SimContext } from './context.ts';

export interface RestoredBatch {
  readonly id: string;
  readonly createdAtMs: number;
  /** The body of its create. */
  readonly body: Uint8Array;
  readonly betas?: readonly string[];
  readonly workspace?: string;
  readonly organization?: string;
  /** Default: drawn like any other. */
  readonly durationMs?: number;
}

/** Its rows are checked as those of a create are; faults, caps and the prompt cache are left out. */
export function restoreBatch(context: SimContext, restored: RestoredBatch): void {
  const { id, createdAtMs, body } = restored;
  const caller = {
    organization: restored.organization ?? DEFAULT_ORGANIZATION,
    workspace: restored.workspace ?? DEFAULT_WORKSPACE,
    version: API_VERSIONS.at(-1) ?? '',
    betas: restored.betas ?? [],
    origin: '',
    path: '',
    query: new URLSearchParams(),
    signal: undefined,
  };
  const nowMs = context.clock.now();
  const rows = takeRows(
    context,
    caller,
    Buffer.from(body),
    (params) => context.cache.look(`${id}|restored`, params, nowMs).input,
  );
  const drawn = batchDurationMs(context, context.draws('duration', id), rows.length);
  const durationMs = restored.durationMs ?? drawn;
  acceptBatch(context, caller, rows, { id, key: id, durationMs, createdAtMs, isForeign: false });
}
