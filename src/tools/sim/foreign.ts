/**
 * Batches of other people and programs in the same workspace: they show in the list and fill the queue.
 *
 * They are what makes the search for one's own lost batch hard, so a test can give them any size and time.
 */
import { acceptBatch, batchDurationMs } from './batch-create.ts';
import type { SimRow } from './batch.ts';
import { DEFAULT_ORGANIZATION, DEFAULT_WORKSPACE } from './caller.ts';
import type { SimContext } from './context.ts';

/** A batch of somebody else. */
export interface ForeignBatch {
  readonly count: number;
  readonly workspace?: string;
  readonly organization?: string;
  /** Default: now. */
  readonly createdAtMs?: number;
  /** Default: drawn like any other. */
  readonly durationMs?: number;
  /** The rows' ids, from their index. Default: `foreign-<batch>-<index>`. */
  readonly customIdOf?: (index: number) => string;
}

export function addForeign(context: SimContext, foreign: ForeignBatch): string {
  const nth = context.nextOrdinal('foreign');
  const { count, customIdOf = (index: number) => `foreign-${nth}-${index}` } = foreign;
  const answer = { text: 'not yours', stopReason: 'end_turn', stopSequence: null, outputTokens: 3 } as const;
  const input = { plain: 10, write5m: 0, write1h: 0, read: 0 };
  const rows: SimRow[] = Array.from({ length: count }, (_, index) => ({
    ...{ customId: customIdOf(index), model: 'claude-haiku-5-5', paramsHash: `foreign${nth}`, input, answer },
  }));
  const owner = {
    organization: foreign.organization ?? DEFAULT_ORGANIZATION,
    workspace: foreign.workspace ?? DEFAULT_WORKSPACE,
    path: '',
  };
  const drawn = batchDurationMs(context, context.draws('foreign_duration', nth), count);
  const durationMs = foreign.durationMs ?? drawn;
  const createdAtMs = foreign.createdAtMs ?? context.clock.now();
  return acceptBatch(context, owner, rows, { key: `foreign|${nth}`, durationMs, createdAtMs, isForeign: true }).id;
}
