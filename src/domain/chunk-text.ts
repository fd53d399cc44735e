/**
 * How a chunk is written: the body of a create, `{"requests":[…,…]}`, each request as
 * `{"custom_id":"<wire id>","params":<params>}` with nothing in between. The packed index and the readers of requests
 * rely on exactly this form, so it is made and taken apart only here.
 */
import { BatchrunError } from '../base/errors.ts';
import { BODY_HEAD, BODY_TAIL } from './limits.ts';
import type { Lane, MediaSums, ModelMix, PartSums } from './model.ts';
import type { RowKind } from './row/row-block.ts';

const REQUEST_HEAD = '{"custom_id":"';
const REQUEST_MIDDLE = '","params":';

/** A request ends with this. */
export const REQUEST_TAIL = '}';

/** A request up to its params. Wire ids need no escaping. */
export function requestHead(wireId: string): string {
  return `${REQUEST_HEAD}${wireId}${REQUEST_MIDDLE}`;
}

/** One request. */
export function requestText(wireId: string, paramsJson: string): string {
  return `${requestHead(wireId)}${paramsJson}${REQUEST_TAIL}`;
}

/** Bytes of a body with these requests. */
export function bodyBytes(requestBytes: number, rowCount: number): number {
  return BODY_HEAD.length + requestBytes + Math.max(0, rowCount - 1) + BODY_TAIL.length;
}

/**
 * The params of a request as JSON text, untouched. `wireId`: the id that it must bear; null where only its batch's maker
 * knows. A file that was damaged must never give a row the request of another one.
 */
export function paramsOf(request: string, wireId: string | null): string {
  const middle = request.indexOf(REQUEST_MIDDLE);
  const isHead = request.startsWith(wireId === null ? REQUEST_HEAD : `${REQUEST_HEAD}${wireId}${REQUEST_MIDDLE}`);
  if (!isHead || middle <= 0) {
    throw new BatchrunError(
      'E_STATE_CORRUPT',
      'a request in a chunk file (runs/<run>/chunks) is not as it was written',
    );
  }
  return request.slice(middle + REQUEST_MIDDLE.length, -1);
}

interface Sums {
  rows: number;
  bytes: number;
  maxTokens: number;
  largestBytes: number;
  cachingRows: number;
  addedTokens?: number;
  media?: MediaSums;
}

/** A mix of models while it is being added up. */
export type MixSums = Record<string, Sums & { lanes?: Partial<Record<Lane, Sums>> }>;

/** Adds up mixes of models. */
export function addMix(into: MixSums, other: ModelMix): void {
  for (const [model, part] of Object.entries(other)) {
    const sum = (into[model] ??= noSums());
    addSums(sum, part);
    for (const lane of LANES) {
      const forced = part.lanes?.[lane];
      if (forced) addSums(((sum.lanes ??= {})[lane] ??= noSums()), forced);
    }
  }
}

const LANES: readonly Lane[] = ['batch', 'realtime'];

export function noSums(): Sums {
  return { rows: 0, bytes: 0, maxTokens: 0, largestBytes: 0, cachingRows: 0 };
}

/** One request more. Called for every row. */
export function addRequest(
  sum: Sums,
  bytes: number,
  { maxTokens, caches, addedTokens, media }: Pick<RowKind, 'maxTokens' | 'caches' | 'addedTokens' | 'media'>,
): void {
  // Before the largest is: what was added before had none.
  if (media || sum.media) sum.media = mediaWith(sum, mediaSumsOf(bytes, media));
  sum.rows++;
  sum.bytes += bytes;
  sum.maxTokens += maxTokens;
  if (bytes > sum.largestBytes) sum.largestBytes = bytes;
  if (caches === true) sum.cachingRows++;
  if (addedTokens) sum.addedTokens = (sum.addedTokens ?? 0) + addedTokens;
}

function addSums(sum: Sums, part: PartSums): void {
  if (part.media || sum.media) {
    sum.media = mediaWith(sum, part.media ?? mediaSumsOf(part.largestBytes ?? part.bytes));
  }
  sum.rows += part.rows;
  sum.bytes += part.bytes;
  sum.maxTokens += part.maxTokens;
  sum.largestBytes = Math.max(sum.largestBytes, part.largestBytes ?? part.bytes);
  sum.cachingRows += part.cachingRows ?? part.rows;
  if (part.addedTokens !== undefined) sum.addedTokens = (sum.addedTokens ?? 0) + part.addedTokens;
}

function mediaSumsOf(bytes: number, media: RowKind['media'] | null = null): MediaSums {
  if (media === null) return { bytes: 0, tokens: 0, largestTokens: 0, largestTextBytes: bytes };
  const largestTextBytes = Math.max(0, bytes - media.bytes);
  return { bytes: media.bytes, tokens: media.tokens, largestTokens: media.tokens, largestTextBytes };
}

function mediaWith({ media, largestBytes }: Sums, more: MediaSums): MediaSums {
  const before = media ?? mediaSumsOf(largestBytes);
  return {
    bytes: before.bytes + more.bytes,
    tokens: before.tokens + more.tokens,
    largestTokens: Math.max(before.largestTokens, more.largestTokens),
    largestTextBytes: Math.max(before.largestTextBytes, more.largestTextBytes),
  };
}
