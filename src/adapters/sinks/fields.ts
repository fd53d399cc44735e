/**
 * The fields of one row in `flat` and `csv`: ours first, then the input's columns.
 *
 * Here the result line is parsed, once. What is not known is null: tokens of a row without an answer, the cost of a
 * model without a price. An input column that is named like one of our fields, or like one of the answer, gets `input_`
 * in front of its name.
 */
import { BatchrunError, invariant } from '../../base/errors.ts';
import { costUsd } from '../../domain/pricing.ts';
import type { ResultLine } from '../../domain/result-line.ts';
import { messageText, readResultLine } from '../../domain/result-line.ts';
import type { OutputRecord } from '../../domain/output-record.ts';
import { errorMessageOf, errorTypeOf, resultText } from './record.ts';

/** Our fields after the id, in their order. `content` is there for answers that are more than text. */
export const OUR_FIELDS = [
  'status',
  'text',
  'content',
  'stop_reason',
  'model',
  'error_type',
  'error_message',
  'input_tokens',
  'output_tokens',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
  'cost_usd',
  'lane',
  'attempts',
] as const;

const ID_FIELD = 'custom_id';

export type OurField = (typeof OUR_FIELDS)[number];
export type OurFields = Readonly<Record<OurField, unknown>>;

/** Our fields of one row, by name. `content` is null where the answer is text only. */
export function fieldsOf(record: OutputRecord): OurFields {
  const { line, message } = readLine(record);
  const usage = line?.usage;
  const failed = record.state !== 'succeeded' && record.state !== 'canceled';
  return {
    status: record.state,
    text: message === null ? null : messageText(message),
    content: message === null ? null : beyondText(message['content']),
    stop_reason: line?.stopReason ?? null,
    model: line?.model ?? null,
    error_type: failed ? (record.errorType ?? line?.errorType ?? ownErrorType(record)) : null,
    error_message: failed ? (record.errorMessage ?? line?.errorMessage ?? ownErrorMessage(record)) : null,
    input_tokens: usage?.inputTokens ?? null,
    output_tokens: usage?.outputTokens ?? null,
    cache_creation_input_tokens: usage === undefined ? null : usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    cache_read_input_tokens: usage?.cacheReadTokens ?? null,
    cost_usd: costOf(record, line),
    lane: record.lane,
    attempts: record.attempts,
  };
}

/** How the columns of the input are called in the output: by name, and never twice the same. */
export function columnNames(
  columns: readonly string[],
  idName: string,
  answerNames: readonly string[] = [],
): ReadonlyMap<string, string> {
  const taken = new Set<string>([idName, ...OUR_FIELDS, ...answerNames]);
  const names = new Map<string, string>();
  // The columns that keep their names come first, so that a renamed one cannot take the name of another.
  for (const column of columns) if (!taken.has(column)) names.set(column, column);
  for (const name of names.values()) taken.add(name);
  for (const column of columns) {
    // The id column of the input is our id field already.
    if (names.has(column) || (column === idName && idName !== ID_FIELD)) continue;
    let name = `input_${column}`;
    while (taken.has(name)) name = `input_${name}`;
    taken.add(name);
    names.set(column, name);
  }
  // Back into the order of the input.
  return new Map(columns.flatMap((column) => (names.has(column) ? [[column, names.get(column) ?? column]] : [])));
}

/** The name of the id field: that of the input's id column, unless one of our fields is called so. */
export function idFieldName(idColumnName: string | undefined): string {
  const ours: readonly string[] = OUR_FIELDS;
  return idColumnName === undefined || ours.includes(idColumnName) ? ID_FIELD : idColumnName;
}

function readLine(record: OutputRecord): {
  line: ResultLine | null;
  message: Readonly<Record<string, unknown>> | null;
} {
  const text = resultText(record);
  if (text === null) {
    invariant(record.state !== 'succeeded', `row ${record.seq} succeeded but has no result line`);
    return { line: null, message: null };
  }
  const read = readResultLine(text);
  // Another row's line is never given out as this row's answer.
  if (read?.line.wireId !== record.wireId) {
    throw new BatchrunError('E_STATE_CORRUPT', `the result line of row ${record.seq} is not what its index says`);
  }
  return read;
}

/** The content blocks where there is anything other than text (tool_use, thinking, …), else null. */
function beyondText(content: unknown): unknown {
  if (!Array.isArray(content)) return null;
  const blocks: readonly unknown[] = content;
  return blocks.every(isTextBlock) ? null : content;
}

function isTextBlock(block: unknown): boolean {
  return typeof block === 'object' && block !== null && 'type' in block && block.type === 'text';
}

/** Rows without an answer are not billed (documentation 2026-09-26). Twelve digits: no noise of binary fractions. */
function costOf(record: OutputRecord, line: ResultLine | null): number | null {
  if (line?.usage === undefined) return 0;
  if (record.lane === 'copy') return 0;
  if (line.model === undefined || record.lane === null) return null;
  const cost = costUsd({ model: line.model, lane: record.lane, usage: line.usage, inferenceGeo: line.inferenceGeo });
  return cost === null ? null : Number(cost.toPrecision(12));
}

function ownErrorType(record: OutputRecord): string | null {
  return record.state === 'failed' || record.state === 'invalid' ? errorTypeOf(record) : null;
}

function ownErrorMessage(record: OutputRecord): string | null {
  return record.state === 'failed' || record.state === 'invalid' ? errorMessageOf(record) : null;
}
