/**
 * Looks at a sample of the rows while their chunk files exist: how much text of which kind they hold, and what they all
 * begin with. Of a row only its numbers are kept, and its text where it is short enough to be counted by the API.
 */
import { requestHead, REQUEST_TAIL } from '../../domain/chunk-text.ts';
import {
  addText,
  measureRequest,
  noBytes,
  type RequestText,
  type TextBytes,
} from '../../domain/estimate/request-text.ts';
import { tagOf } from '../../domain/ids.ts';
import { decodeRequestIndex } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import { wireId } from '../../domain/result-line.ts';
import { isObject } from '../../domain/row/shape.ts';
import type { Store } from '../../domain/store.ts';
import { readSample, type SampledRow } from '../../engine/preflight/row-sample.ts';

export interface LookedRow extends Omit<SampledRow, 'paramsJson'> {
  readonly text: RequestText;
  /** Null where all texts together would be too much to keep. */
  readonly paramsJson: string | null;
}

/** What all rows of the sample begin with, whole blocks of system, tools and messages. */
export interface SharedPrefix {
  readonly blocks: number;
  readonly text: TextBytes;
  /** Bytes of text that the next block begins with in all rows: a prefix, were it a block of its own. */
  readonly moreBytes: number;
}

export interface SampleLook {
  readonly rows: readonly LookedRow[];
  readonly prefix: SharedPrefix;
  /** Bytes that a request has around its params, on average. */
  readonly frameBytes: number;
}

/** Rows that stand for all. A hundred give the total of like rows to a few per cent. */
const SAMPLE_ROWS = 100;
/** The longest decide what fits. */
const LONGEST_ROWS = 3;
/** Texts kept for counting, all together. */
const KEPT_BYTES_MAX = 32_000_000;

interface LookPorts {
  readonly store: Store;
  readonly files: Files;
}

export async function lookAtSample(ports: LookPorts, runId: string): Promise<SampleLook> {
  const rows: LookedRow[] = [];
  const prefix = new PrefixFinder();
  let kept = 0;
  let frames = 0;
  for await (const row of readSample(ports, runId, { count: SAMPLE_ROWS, longest: LONGEST_ROWS })) {
    const params: unknown = JSON.parse(row.paramsJson);
    prefix.add(params);
    frames += requestHead(wireId(tagOf(runId), row.chunkNo, row.index)).length + REQUEST_TAIL.length;
    const fits = kept + row.bytes <= KEPT_BYTES_MAX;
    if (fits) kept += row.bytes;
    rows.push({ ...row, text: measureRequest(params), paramsJson: fits ? row.paramsJson : null });
  }
  return { rows, prefix: prefix.result(), frameBytes: rows.length === 0 ? 0 : frames / rows.length };
}

class PrefixFinder {
  #first: readonly string[] | null = null;
  #common = 0;
  #more = Infinity;

  add(params: unknown): void {
    const blocks = blocksOf(params);
    if (this.#first === null) {
      this.#first = blocks;
      this.#common = blocks.length;
      return;
    }
    let same = 0;
    while (same < this.#common && blocks[same] === this.#first[same]) same++;
    if (same < this.#common) {
      this.#common = same;
      this.#more = Infinity;
    }
    this.#more = Math.min(this.#more, sameChars(this.#first[this.#common] ?? '', blocks[this.#common] ?? ''));
  }

  result(): SharedPrefix {
    const text = noBytes();
    const blocks = (this.#first ?? []).slice(0, this.#common);
    for (const block of blocks) addText(text, block.slice(HEAD_CHARS));
    const next = this.#first?.[this.#common] ?? '';
    const more = Number.isFinite(this.#more) ? next.slice(HEAD_CHARS, Math.max(HEAD_CHARS, this.#more)) : '';
    return { blocks: blocks.length, text, moreBytes: Buffer.byteLength(more) };
  }
}

/** Before the text of each block stands where it is: the same text is another block elsewhere. */
const HEAD_CHARS = 2;

function blocksOf(params: unknown): string[] {
  if (!isObject(params)) return [];
  const { tools, system, messages } = params;
  return [
    ...(Array.isArray(tools) ? tools : []).map((tool) => `t:${JSON.stringify(tool)}`),
    ...contentBlocks(system).map((text) => `s:${text}`),
    ...(Array.isArray(messages) ? messages : []).flatMap((message) => {
      if (!isObject(message)) return [];
      const head = message['role'] === 'assistant' ? 'a:' : 'u:';
      return contentBlocks(message['content']).map((text) => `${head}${text}`);
    }),
  ];
}

function contentBlocks(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  return content.map((block) => {
    if (isObject(block) && typeof block['text'] === 'string') return block['text'];
    return JSON.stringify(block);
  });
}

function sameChars(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let at = 0;
  while (at < most && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  return at;
}

export interface RowsAbove {
  readonly rows: number;
  /** Of their requests. */
  readonly bytes: number;
}

/** How many rows are larger than each of these, by the indexes of the chunks: no text is read. */
export async function rowsAbove(store: Store, runId: string, limits: readonly number[]): Promise<readonly RowsAbove[]> {
  const found = limits.map(() => ({ rows: 0, bytes: 0 }));
  for (const chunk of await store.chunks(runId)) {
    if (chunk.kind !== 'input') continue;
    const { requestBytes } = decodeRequestIndex((await store.chunkIndex(runId, chunk.chunkNo)).requests);
    for (const bytes of requestBytes) {
      limits.forEach((limit, at) => {
        const sum = found[at];
        if (!sum || bytes <= limit) return;
        sum.rows++;
        sum.bytes += bytes;
      });
    }
  }
  return found;
}
