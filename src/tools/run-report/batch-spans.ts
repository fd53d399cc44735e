/**
 * The batches of a run in time: how long each took, and all of them as spans on one axis. Of many, those that were made
 * one after the other share a span, so that the picture stays whole.
 */
import type { BatchRecord } from '../../domain/model.ts';
import { requestCount } from '../../domain/model.ts';

export interface BatchSpan {
  /** Which of the batches, from 1, in the order in which they were made. */
  readonly first: number;
  readonly batches: number;
  /** Null where they are several. */
  readonly id: string | null;
  readonly rows: number;
  readonly fromMs: number;
  /** Null where one of them has not ended. */
  readonly toMs: number | null;
  /** Rows of it that did not succeed, as the API counts them. */
  readonly failed: number;
}

export interface BatchLook {
  readonly count: number;
  readonly open: number;
  readonly rows: number;
  readonly spans: readonly BatchSpan[];
  /** How long those took that have ended; null where none has. */
  readonly took: { readonly medianMs: number; readonly p90Ms: number; readonly longestMs: number } | null;
  readonly slowest: readonly { readonly id: string; readonly rows: number; readonly tookMs: number }[];
  readonly firstMs: number | null;
  readonly lastEndMs: number | null;
}

export const SPANS_MAX = 48;
const SLOWEST_SHOWN = 5;

export function lookAtBatches(batches: readonly BatchRecord[]): BatchLook {
  const sorted = [...batches].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  const ended = sorted.flatMap(({ id, counts, createdAtMs, endedAtMs }) => {
    if (endedAtMs === null) return [];
    return [{ id, rows: requestCount(counts), tookMs: Math.max(0, endedAtMs - createdAtMs) }];
  });
  ended.sort((a, b) => a.tookMs - b.tookMs);
  const quantile = (share: number): number => ended[Math.max(0, Math.ceil(ended.length * share) - 1)]?.tookMs ?? 0;
  const each = Math.max(1, Math.ceil(sorted.length / SPANS_MAX));
  const spans: BatchSpan[] = [];
  for (let at = 0; at < sorted.length; at += each) spans.push(spanOf(sorted.slice(at, at + each), at + 1));
  return {
    ...{ count: sorted.length, open: sorted.length - ended.length, spans },
    rows: sorted.reduce((sum, { counts }) => sum + requestCount(counts), 0),
    took:
      ended.length === 0
        ? null
        : { medianMs: quantile(0.5), p90Ms: quantile(0.9), longestMs: ended.at(-1)?.tookMs ?? 0 },
    slowest: ended.slice(-SLOWEST_SHOWN).reverse(),
    firstMs: sorted[0]?.createdAtMs ?? null,
    lastEndMs: sorted.reduce<number | null>((last, { endedAtMs }) => maxOf(last, endedAtMs), null),
  };
}

function spanOf(batches: readonly BatchRecord[], first: number): BatchSpan {
  const isOpen = batches.some(({ endedAtMs }) => endedAtMs === null);
  return {
    ...{ first, batches: batches.length, id: batches.length === 1 ? (batches[0]?.id ?? null) : null },
    rows: batches.reduce((sum, { counts }) => sum + requestCount(counts), 0),
    fromMs: batches[0]?.createdAtMs ?? 0,
    toMs: isOpen ? null : batches.reduce((end, { endedAtMs }) => Math.max(end, endedAtMs ?? 0), 0),
    failed: batches.reduce((sum, { counts }) => sum + counts.errored + counts.canceled + counts.expired, 0),
  };
}

function maxOf(one: number | null, other: number | null): number | null {
  return one === null ? other : other === null ? one : Math.max(one, other);
}
