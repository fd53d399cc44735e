/**
 * Rows that stand for others: some of each kind of failure, of each notable stop reason, and of those that were skipped.
 * What the API said of them is told without the words of their requests; prompts and answers only where they are asked
 * for. A file that is gone or damaged leaves a gap and never ends the report.
 */
import { redact } from '../../base/log.ts';
import { isBatchrunError } from '../../base/errors.ts';
import { paths } from '../../domain/ids.ts';
import type { Ledger } from '../../domain/ledger.ts';
import { describeLocalError } from '../../domain/local-errors.ts';
import type { ResultLocation, RowRecord } from '../../domain/model.ts';
import { decodeRequestIndex, decodeResultIndex, OUTCOME, stopReasonOf } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import { messageText, NOTABLE_STOP_REASONS, readResultLine, type ReadLine } from '../../domain/result-line.ts';
import { saidOf } from '../../domain/said.ts';
import { publicErrorType } from '../../domain/schema-error.ts';
import { REALTIME_CHUNK_NO } from '../../engine/realtime/realtime-settle.ts';
import { RequestReader } from '../../engine/retry/requests.ts';
import { RowNames } from '../../engine/output/row-names.ts';
import { cutText, promptText } from './texts.ts';

export interface Example {
  /** As its user calls it; null where its file cannot be read. */
  readonly id: string | null;
  /** Line of the input, and which input, from 1. */
  readonly line: number | null;
  readonly file: number;
  readonly seq: number;
  readonly attempts: number;
  /** What was said of it; null where nothing was, or nobody knows what of it is private. */
  readonly said: string | null;
  /** Null where texts were not asked for. */
  readonly prompt: string | null;
  readonly answer: string | null;
}

export type Examples = Readonly<Record<string, readonly Example[]>>;

export interface ExampleScope {
  readonly ledger: Ledger;
  readonly files: Files;
  readonly runId: string;
  readonly texts: boolean;
}

const EXAMPLES_EACH = 5;
const KINDS_MAX = 20;
const PAGE_ROWS = 2_000;
/** Of a run where everything failed the first rows are enough. */
const RECORDS_LOOKED_AT = 250 * PAGE_ROWS;
const CHUNKS_LOOKED_AT = 2_000;
const ID_CHARS = 120;
const SAID_CHARS = 400;
const LINE_BYTES_MAX = 4 * 1024 * 1024;

/** Rows that did not succeed, by the kind of their failure. `kinds`: those that there are. */
export async function failureExamples(scope: ExampleScope, kinds: readonly string[]): Promise<Examples> {
  const wanted = new Set(kinds.slice(0, KINDS_MAX));
  const found: Record<string, RowRecord[]> = Object.create(null) as Record<string, RowRecord[]>;
  let looked = 0;
  for (let afterSeq = -1; wanted.size > 0 && looked < RECORDS_LOOKED_AT;) {
    const states = ['failed', 'expired', 'canceled'] as const;
    const page = await scope.ledger.rowRecords(scope.runId, { states, afterSeq, limit: PAGE_ROWS });
    for (const record of page) {
      const kind = publicErrorType(record.errorType ?? 'unknown');
      if (!wanted.has(kind)) continue;
      const list = (found[kind] ??= []);
      if (list.push(record) >= EXAMPLES_EACH) wanted.delete(kind);
    }
    looked += page.length;
    afterSeq = page.at(-1)?.seq ?? Infinity;
    if (page.length < PAGE_ROWS) break;
  }
  return toExamples(scope, found);
}

/** Answers that stopped for a reason that deserves a look, by the reason. Of rows that were answered in their first batch. */
export async function stopExamples(scope: ExampleScope, reasons: readonly string[]): Promise<Examples> {
  const wanted = new Set(reasons.filter((reason) => (NOTABLE_STOP_REASONS as readonly string[]).includes(reason)));
  const found: Record<string, RowRecord[]> = Object.create(null) as Record<string, RowRecord[]>;
  let looked = 0;
  for (let afterNo = 0; wanted.size > 0 && looked < CHUNKS_LOOKED_AT;) {
    const filter = { states: ['collected'], kind: 'input', afterNo, limit: 100 } as const;
    const page = await scope.ledger.chunks(scope.runId, filter);
    for (const { chunkNo } of page) if (wanted.size > 0) await lookAtChunk(scope, chunkNo, { wanted, found });
    looked += page.length;
    afterNo = page.at(-1)?.chunkNo ?? Infinity;
    if (page.length < 100) break;
  }
  return toExamples(scope, found);
}

async function lookAtChunk(
  { ledger, runId }: ExampleScope,
  chunkNo: number,
  { wanted, found }: { readonly wanted: Set<string>; readonly found: Record<string, RowRecord[]> },
): Promise<void> {
  const { outcomes, requests, results } = await ledger.chunkIndex(runId, chunkNo);
  if (outcomes === null) return;
  let seqs: Float64Array | undefined;
  for (const [at, byte] of outcomes.entries()) {
    if ((byte & 15) !== OUTCOME.succeeded) continue;
    const reason = stopReasonOf(byte);
    if (reason === null || !wanted.has(reason)) continue;
    seqs ??= decodeRequestIndex(requests).seqs;
    const list = (found[reason] ??= []);
    const result = results === null ? null : placeOf(results, at, chunkNo);
    const base = { runId, seq: seqs[at] ?? 0, homeChunkNo: chunkNo, homeIndex: at, result };
    const rest = { errorType: null, notBeforeMs: 0, truncations: 0, maxTokens: null };
    if (list.push({ ...base, ...rest, state: 'succeeded', attempts: 1 }) >= EXAMPLES_EACH) wanted.delete(reason);
    if (wanted.size === 0) return;
  }
}

async function toExamples(
  scope: ExampleScope,
  found: Readonly<Record<string, readonly RowRecord[]>>,
): Promise<Examples> {
  const { ledger, files, runId } = scope;
  const names = new RowNames({ store: ledger, files }, runId);
  const requests = new RequestReader(ledger, files);
  try {
    const examples: Record<string, Example[]> = {};
    for (const [kind, records] of Object.entries(found)) {
      const list: Example[] = (examples[kind] = []);
      for (const record of records) list.push(await toExample(scope, record, { names, requests }));
    }
    return examples;
  } finally {
    await names.close();
    await requests.close();
  }
}

async function toExample(
  scope: ExampleScope,
  record: RowRecord,
  { names, requests }: { readonly names: RowNames; readonly requests: RequestReader },
): Promise<Example> {
  const { seq, homeChunkNo, homeIndex, attempts, errorType, result } = record;
  const entry = await readable(() => names.of(homeChunkNo, homeIndex));
  const line = result === null ? null : await readable(() => resultOf(scope, result));
  const message = line?.line.errorMessage ?? null;
  const wantsParams = scope.texts || message !== null;
  const request = wantsParams ? await readable(() => requests.params(scope.runId, record)) : null;
  const params = request === null ? null : parsed(request.paramsJson);
  const answer = line?.message === undefined || line.message === null ? null : messageText(line.message);
  return {
    ...{ seq, attempts, file: (entry?.file ?? 0) + 1, line: entry?.line ?? null },
    id: entry === null ? null : cutText(redact(entry.id), ID_CHARS),
    said: saidText({ message, errorType, params, texts: scope.texts }),
    prompt: scope.texts && params !== null ? promptText(params) : null,
    answer: scope.texts && answer !== null && answer !== '' ? cutText(redact(answer)) : null,
  };
}

function saidText(parts: {
  readonly message: string | null;
  readonly errorType: string | null;
  readonly params: unknown;
  readonly texts: boolean;
}): string | null {
  const { message, errorType, params, texts } = parts;
  if (message !== null) {
    if (texts) return cutText(redact(message), SAID_CHARS);
    // Without the request nobody can tell what of it is quoted.
    return params === null ? null : saidOf(message, params);
  }
  const described = errorType === null ? null : describeLocalError(errorType);
  return described === errorType ? null : described;
}

/** Where the answer of a row lies in the results of its chunk. */
function placeOf(results: Uint8Array, at: number, chunkNo: number): ResultLocation | null {
  const place = decodeResultIndex(results).at(at);
  return place && { chunkNo, ...place };
}

async function resultOf(
  { files, runId }: ExampleScope,
  { chunkNo, offset, length }: ResultLocation,
): Promise<ReadLine | null> {
  if (length > LINE_BYTES_MAX) return null;
  const path = chunkNo === REALTIME_CHUNK_NO ? paths.realtime(runId) : paths.results(runId, chunkNo);
  const reader = await files.open(path);
  try {
    return readResultLine((await reader.read(offset, length)).toString());
  } finally {
    await reader.close();
  }
}

async function readable<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (isBatchrunError(error, 'E_FILE') || isBatchrunError(error, 'E_STATE_CORRUPT')) return null;
    throw error;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // A damaged file: then there is no prompt to show, and no message.
    return null;
  }
}
