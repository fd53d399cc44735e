/**
 * One row: what became of it, and on demand what was asked and answered. The texts are the user's: only those who have the
 * token get them, and the page shows them as text.
 */
import { BatchrunError } from '../../base/errors.ts';
import { describeLocalError } from '../../domain/local-errors.ts';
import type { ChunkRecord } from '../../domain/model.ts';
import { decodeRequestIndex } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import { messageText, readResult } from '../../domain/result-line.ts';
import { originalRequest } from '../../engine/output/output.ts';
import { RequestReader } from '../../engine/retry/requests.ts';
import { walkRows } from '../../engine/output/walk.ts';
import type { WalkedRow } from '../../engine/output/walked-row.ts';
import { INVALID } from './failures.ts';
import type { OpenedRun } from './state.ts';

export interface RowView {
  readonly row: number;
  readonly state: string;
  readonly attempts: number;
  readonly lane: string | null;
  readonly chunk: number | null;
  readonly reason: string | null;
  readonly says: string | null;
  readonly id: string | null;
  readonly line: number | null;
  readonly file: string | null;
}

export interface TextView {
  readonly text: string;
  /** Characters in all, where not all are here. */
  readonly cut_from: number | null;
}

export interface RowTexts {
  /** The params of the request as JSON; null where the row never had any. */
  readonly request: TextView | null;
  /** The text of the answer; null where there is none. */
  readonly answer: TextView | null;
  /** The line of the API as it came. */
  readonly result: TextView | null;
  /** What the API said went wrong: it may quote the request. */
  readonly message: string | null;
}

/** More than a screen can show of one text; the rest is in the output. */
const TEXT_CHARS_MAX = 200_000;

export async function viewRow(opened: OpenedRun, files: Files, seq: number, withName: boolean): Promise<RowView> {
  return found(opened, files, seq, (row) => {
    const { entry, state, attempts, lane, errorType } = row;
    const name = { id: entry.id, line: entry.line, file: opened.run.inputs[entry.file ?? 0] ?? null };
    const says = errorType === null ? null : describeLocalError(errorType);
    return Promise.resolve({
      row: row.seq,
      state,
      attempts,
      lane,
      chunk: row.home?.homeChunkNo ?? null,
      reason: state === INVALID ? INVALID : errorType,
      says: says === errorType ? null : says,
      ...(withName ? name : { id: null, line: null, file: null }),
    });
  });
}

export async function readTexts(opened: OpenedRun, files: Files, seq: number): Promise<RowTexts> {
  const requests = new RequestReader(opened.ledger, files);
  try {
    return await found(opened, files, seq, async (row) => {
      const { paramsJson } = await originalRequest(requests, opened.run, row);
      const line = row.resultLine?.toString() ?? null;
      const read = line === null ? null : readResult(JSON.parse(line));
      return {
        request: paramsJson === null ? null : cut(pretty(paramsJson)),
        answer: read?.message ? cut(messageText(read.message)) : null,
        result: line === null ? null : cut(pretty(line)),
        message: read?.line.errorMessage ?? row.errorMessage,
      };
    });
  } finally {
    await requests.close();
  }
}

async function found<T>(opened: OpenedRun, files: Files, seq: number, use: (row: WalkedRow) => Promise<T>): Promise<T> {
  const { ledger, run } = opened;
  const chunk = await chunkOf(opened, seq);
  // Skipped rows are in no chunk: then the whole run is walked, which only runs with such rows need.
  const only = chunk && new Set([chunk.chunkNo]);
  if (only || run.rows.invalid > 0) {
    for await (const row of walkRows({ store: ledger, files }, run, only ?? undefined)) {
      if (row.seq === seq) return use(row);
      if (row.seq > seq) break;
    }
  }
  throw new BatchrunError('E_RUN_UNKNOWN', `run ${run.id} has no row ${seq}`);
}

/** The input chunk that holds a row. Chunks with rows of one kind only lie between each other: the nearest first. */
async function chunkOf({ ledger, run }: OpenedRun, seq: number): Promise<ChunkRecord | null> {
  const record = await ledger.rowRecord(run.id, seq);
  if (record) return ledger.chunk(run.id, record.homeChunkNo);
  const chunks = await ledger.chunks(run.id, { kind: 'input' });
  const before = chunks.filter(({ firstSeq, state }) => firstSeq <= seq && state !== 'split');
  for (const chunk of before.sort((a, b) => b.firstSeq - a.firstSeq).slice(0, CHUNKS_LOOKED_AT)) {
    const { seqs } = decodeRequestIndex((await ledger.chunkIndex(run.id, chunk.chunkNo)).requests);
    if (seqs.includes(seq)) return chunk;
  }
  return null;
}

const CHUNKS_LOOKED_AT = 20;

function pretty(json: string): string {
  // What is too long to be shown is not parsed for its looks.
  if (json.length > TEXT_CHARS_MAX) return json;
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

function cut(text: string): TextView {
  if (text.length <= TEXT_CHARS_MAX) return { text, cut_from: null };
  return { text: text.slice(0, TEXT_CHARS_MAX), cut_from: text.length };
}
