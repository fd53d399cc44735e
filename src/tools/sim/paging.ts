/**
 * Pages of a list that stands newest first: after_id goes to the older, before_id to the newer ones (facts 1.11).
 */
import { invalidRequest } from './http.ts';

const PAGE_DEFAULT = 20;

export interface Paging {
  readonly limit: number;
  readonly afterId: string | null;
  readonly beforeId: string | null;
}

export interface PageOf<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly first_id: string | null;
  readonly last_id: string | null;
}

export function readPaging(query: URLSearchParams, limitMax: number): Paging {
  const asked = query.get('limit');
  const limit = asked === null ? PAGE_DEFAULT : Number(asked);
  if (!Number.isInteger(limit)) throw invalidRequest('limit: Input should be a valid integer');
  if (limit < 1) throw invalidRequest('limit: Input should be greater than or equal to 1');
  if (limit > limitMax) throw invalidRequest(`limit: Input should be less than or equal to ${limitMax}`);
  const afterId = query.get('after_id');
  const beforeId = query.get('before_id');
  if (afterId !== null && beforeId !== null) throw invalidRequest('only one of after_id and before_id may be given');
  return { limit, afterId, beforeId };
}

/** `all` may hold items that are not shown: a cursor stays good although its item was deleted. */
export function pageOf<T>(
  all: readonly T[],
  paging: Paging,
  idOf: (item: T) => string,
  isShown: (item: T) => boolean,
): PageOf<T> {
  const { limit, afterId, beforeId } = paging;
  const cursor = afterId ?? beforeId;
  const at = cursor === null ? -1 : all.findIndex((item) => idOf(item) === cursor);
  if (cursor !== null && at === -1) {
    throw invalidRequest(`${afterId === null ? 'before_id' : 'after_id'}: no such object: ${cursor}`);
  }
  const shown = (beforeId === null ? all.slice(at + 1) : all.slice(0, at)).filter(isShown);
  const data = beforeId === null ? shown.slice(0, limit) : shown.slice(-limit);
  const first = data[0];
  const last = data.at(-1);
  return {
    data,
    has_more: shown.length > limit,
    first_id: first === undefined ? null : idOf(first),
    last_id: last === undefined ? null : idOf(last),
  };
}
