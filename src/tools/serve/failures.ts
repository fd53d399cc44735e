/**
 * Rows that did not succeed: why, how many, and which, page by page. Their ids and lines come from the user's files and
 * are shown only to those who have the token.
 */
import { deviationOf, publicErrorType } from '../../domain/schema-error.ts';
import { describeLocalError } from '../../domain/local-errors.ts';
import type { RowRecord } from '../../domain/model.ts';
import { decodeRequestIndex } from '../../domain/packed-index.ts';
import type { Files } from '../../domain/ports.ts';
import { RETRYABLE_ROW_STATES } from '../../domain/transitions.ts';
import type { RunView } from '../../engine/views/status.ts';
import { RowNames } from '../../engine/output/row-names.ts';
import { skippedRows } from '../../engine/output/walk-sources.ts';
import type { OpenedRun } from './state.ts';

export interface ReasonView {
  readonly reason: string;
  readonly rows: number;
  /** What it means, in a sentence; null where the name says it. */
  readonly says: string | null;
}

export interface FailedRow {
  readonly row: number;
  readonly state: string;
  readonly attempts: number;
  readonly reason: string;
  /** More than the reason, where there is more. */
  readonly detail: string | null;
  readonly id: string | null;
  readonly line: number | null;
  readonly file: string | null;
}

export interface FailurePage {
  readonly rows: readonly FailedRow[];
  /** Where the next page begins; null at the end. */
  readonly next: string | null;
}

/** Rows that were refused when the input was read, and rows of chunks that were canceled before they were sent. */
export const INVALID = 'invalid';
const UNSENT = 'batchrun_canceled';

const PAGE_MAX = 200;
/** Records that are looked through for one page; where no page is full by then, it goes on with the next. */
const LOOKED_AT_MAX = 20_000;
const READ_AT_ONCE = 1_000;

export function reasonsOf({ failures, rows }: Pick<RunView, 'failures' | 'rows'>): ReasonView[] {
  const counts = new Map(Object.entries(failures));
  const invalid = rows['invalid'] ?? 0;
  if (invalid > 0) counts.set(INVALID, invalid);
  // Rows of chunks that were canceled as a whole have no record of their own: they are what is missing in the sum.
  const recorded = [...Object.values(failures)].reduce((sum, count) => sum + count, 0);
  const unsent = RETRYABLE_ROW_STATES.reduce((sum, state) => sum + (rows[state] ?? 0), 0) - recorded;
  if (unsent > 0) counts.set(UNSENT, (counts.get(UNSENT) ?? 0) + unsent);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([reason, count]) => ({ reason, rows: count, says: SAYS[reason] ?? localSays(reason) }));
}

const SAYS: Readonly<Record<string, string>> = {
  [INVALID]: 'refused when the input was read; never sent',
  batchrun_schema: 'the answer does not follow the schema of the run',
  invalid_request_error: 'the API refuses the request as it is: the same request cannot succeed',
  request_too_large: 'the request is larger than the API takes',
  not_found_error: 'the API does not know something that the request names, such as its model',
  api_error: 'a fault of the API; every try met it',
  overloaded_error: 'the API was overloaded at every try',
  timeout_error: 'the API took too long at every try',
  rate_limit_error: 'the limits of the account were reached at every try',
  billing_error: 'the account has no credit, or its spend limit is reached',
  expired: 'the batch was not done within 24 hours',
  canceled: 'its batch was canceled',
};

function localSays(reason: string): string | null {
  const says = reason.startsWith('batchrun_') ? describeLocalError(reason) : reason;
  return says === reason ? null : says;
}

export interface PageAsked {
  readonly reason: string;
  readonly after: string | null;
  readonly limit: number;
  readonly withNames: boolean;
}

/** Cursors are `r<seq>` within records, `u<chunk>:<place>` within unsent chunks, `i<count>` within skipped rows. */
export async function pageOfFailures(opened: OpenedRun, files: Files, asked: PageAsked): Promise<FailurePage> {
  const page = { ...asked, limit: Math.min(Math.max(1, asked.limit), PAGE_MAX) };
  if (page.reason === INVALID) return skippedPage(opened, files, page);
  const names = new RowNames({ store: opened.ledger, files }, opened.run.id);
  const scope: Scope = { ...opened, names: page.withNames ? names : null };
  try {
    if (page.after?.startsWith('u') === true) return await unsentPage(scope, page);
    const recorded = await recordedPage(scope, page);
    if (recorded.next !== null || page.reason !== UNSENT) return recorded;
    const rest = await unsentPage(scope, { ...page, after: null, limit: page.limit - recorded.rows.length });
    return { rows: [...recorded.rows, ...rest.rows], next: rest.next };
  } finally {
    await names.close();
  }
}

interface Scope extends OpenedRun {
  readonly names: RowNames | null;
}

async function recordedPage(scope: Scope, { reason, after, limit }: PageAsked): Promise<FailurePage> {
  const { ledger, run } = scope;
  const rows: FailedRow[] = [];
  let afterSeq = numberIn(after, 'r') ?? -1;
  for (let looked = 0; looked < LOOKED_AT_MAX;) {
    const records = await ledger.rowRecords(run.id, { states: RETRYABLE_ROW_STATES, afterSeq, limit: READ_AT_ONCE });
    for (const record of records) {
      afterSeq = record.seq;
      looked++;
      if ((publicErrorType(record.errorType) ?? 'unknown') !== reason) continue;
      rows.push(await toFailedRow(scope, record));
      if (rows.length === limit) return { rows, next: `r${afterSeq}` };
    }
    if (records.length < READ_AT_ONCE) return { rows, next: null };
  }
  return { rows, next: `r${afterSeq}` };
}

async function toFailedRow(scope: Scope, record: RowRecord): Promise<FailedRow> {
  const { seq, state, attempts, errorType, homeChunkNo, homeIndex } = record;
  const detail = deviationOf(errorType) === null ? null : describeLocalError(errorType ?? '');
  const base = { row: seq, state, attempts, reason: publicErrorType(errorType) ?? 'unknown', detail };
  return { ...base, ...(await nameOf(scope, homeChunkNo, homeIndex)) };
}

type Name = Pick<FailedRow, 'id' | 'line' | 'file'>;

async function nameOf({ names, run }: Scope, chunkNo: number, index: number): Promise<Name> {
  const entry = await names?.of(chunkNo, index);
  if (!entry) return { id: null, line: null, file: null };
  return { id: entry.id, line: entry.line, file: run.inputs[entry.file ?? 0] ?? null };
}

/** Rows of input chunks that were canceled before they were sent, and have no record. */
async function unsentPage(scope: Scope, { after, limit }: PageAsked): Promise<FailurePage> {
  const { ledger, run } = scope;
  const rows: FailedRow[] = [];
  const [fromChunk, fromPlace] = placeIn(after);
  const chunks = await ledger.chunks(run.id, {
    states: ['canceled'],
    kind: 'input',
    afterNo: fromChunk - 1,
    limit: 50,
  });
  for (const chunk of chunks) {
    const { seqs } = decodeRequestIndex((await ledger.chunkIndex(run.id, chunk.chunkNo)).requests);
    const known = await recordedSeqs(scope, seqs);
    for (let at = chunk.chunkNo === fromChunk ? fromPlace : 0; at < seqs.length; at++) {
      if (rows.length >= limit) return { rows, next: `u${chunk.chunkNo}:${at}` };
      const seq = seqs[at] ?? 0;
      if (known.has(seq)) continue;
      const base = { row: seq, state: 'canceled', attempts: 0, reason: UNSENT, detail: null };
      rows.push({ ...base, ...(await nameOf(scope, chunk.chunkNo, at)) });
    }
  }
  const last = chunks.at(-1);
  return { rows, next: last && chunks.length === 50 ? `u${last.chunkNo + 1}:0` : null };
}

/** After a retry the rows of a canceled chunk have records of their own. */
async function recordedSeqs({ ledger, run }: Scope, seqs: Float64Array): Promise<ReadonlySet<number>> {
  const [first = 0] = seqs;
  const records = await ledger.rowRecords(run.id, { afterSeq: first - 1, limit: seqs.length });
  return new Set(records.map(({ seq }) => seq));
}

async function skippedPage({ run }: OpenedRun, files: Files, asked: PageAsked): Promise<FailurePage> {
  const rows: FailedRow[] = [];
  const from = numberIn(asked.after, 'i') ?? 0;
  let at = 0;
  for await (const { seq, id, line, file = 0, problems } of skippedRows({ files }, run)) {
    if (at++ < from) continue;
    if (rows.length === asked.limit) return { rows, next: `i${at - 1}` };
    const name = asked.withNames ? { id, line, file: run.inputs[file] ?? null } : { id: null, line: null, file: null };
    const [problem] = problems;
    // What is wrong may quote what stands there.
    const detail = asked.withNames ? (problem?.message ?? null) : (problem?.code ?? null);
    rows.push({ row: seq, state: 'invalid', attempts: 0, reason: INVALID, detail, ...name });
  }
  return { rows, next: null };
}

function numberIn(cursor: string | null, kind: string): number | null {
  const digits = cursor?.startsWith(kind) === true ? /^\d{1,15}$/.exec(cursor.slice(1))?.[0] : undefined;
  return digits === undefined ? null : Number(digits);
}

function placeIn(cursor: string | null): [number, number] {
  const match = /^u(\d{1,9}):(\d{1,9})$/.exec(cursor ?? '');
  return match ? [Number(match[1]), Number(match[2])] : [1, 0];
}
