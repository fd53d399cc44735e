/**
 * One row of a results file, whatever wrote it: the API's own lines, `--format jsonl`, `flat` or `csv`, or the file of
 * `--errors`. What a line does not say is null; what it must say and does not makes it no result at all.
 */
import { costUsd } from '../../domain/pricing.ts';
import { NO_USAGE, ROW_STATES, type Lane, type TokenUsage } from '../../domain/model.ts';
import { messageText, readResult, type ReadLine } from '../../domain/result-line.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';

export const OUTCOMES = ['succeeded', 'failed', 'expired', 'canceled', 'unfinished'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface ResultView {
  readonly id: string;
  readonly outcome: Outcome;
  readonly errorType: string | null;
  readonly stopReason: string | null;
  readonly model: string | null;
  readonly lane: Lane | null;
  /** The line does not say in which lane it was: a file of the API's is one of a batch. */
  readonly isLaneAssumed: boolean;
  readonly usage: TokenUsage | null;
  /** 0 for a row without an answer; null where the price is not known. */
  readonly costUsd: number | null;
  /** The text of the answer; null where there is none. */
  readonly text: string | null;
  /** What the answer calls tools with, by their names; empty for nearly all. */
  readonly calls: readonly ToolCall[];
}

export interface ToolCall {
  readonly name: string;
  readonly input: unknown;
}

export interface ResultFile {
  /** Of a CSV. */
  readonly columns: readonly string[];
  /** From --id-column. */
  readonly idColumn?: string | undefined;
}

/** Null where the value is no result. */
export function viewResult(value: unknown, file: ResultFile): ResultView | null {
  if (!isObject(value)) return null;
  const read = readResult(value);
  if (read) return ofLine(read);
  if (typeof value['status'] === 'string') return ofRecord(value, value['status'], file);
  return isObject(value['error']) && 'params' in value ? ofErrors(value, value['error']) : null;
}

function ofLine({ line, message }: ReadLine): ResultView {
  const usage = isObject(message?.['usage']) ? message['usage'] : {};
  const tier = usage['service_tier'];
  const lane: Lane = tier === 'standard' || tier === 'priority' ? 'realtime' : 'batch';
  const errorType = line.errorType ?? null;
  const priced = line.usage && line.model !== undefined ? { model: line.model, usage: line.usage } : null;
  return {
    id: line.wireId,
    outcome: line.type === 'errored' ? outcomeOfError(errorType) : line.type,
    errorType,
    stopReason: line.stopReason ?? null,
    model: line.model ?? null,
    lane: message === null ? null : lane,
    isLaneAssumed: message !== null && lane === 'batch' && tier !== 'batch',
    usage: line.usage ?? null,
    costUsd: priced ? costUsd({ ...priced, lane, inferenceGeo: line.inferenceGeo }) : message === null ? 0 : null,
    text: message === null ? null : messageText(message),
    calls: message === null ? [] : callsIn(message['content']),
  };
}

/** In the API's shape a row that is not finished is an error of ours. */
function outcomeOfError(errorType: string | null): Outcome {
  return errorType === 'batchrun_not_finished' ? 'unfinished' : 'failed';
}

function ofRecord(value: JsonObject, status: string, file: ResultFile): ResultView | null {
  const outcome = outcomeOfState(status);
  const id = idOf(value, file);
  if (outcome === null || id === null) return null;
  const lane = value['lane'] === 'batch' || value['lane'] === 'realtime' ? value['lane'] : null;
  const content = value['content'];
  const hasAnswer = outcome === 'succeeded';
  return {
    id,
    outcome,
    errorType: textOf(value['error_type']),
    stopReason: textOf(value['stop_reason']),
    model: textOf(value['model']),
    lane,
    isLaneAssumed: false,
    usage: usageOf(value),
    costUsd: numberOf(value['cost_usd']),
    // A CSV cannot tell an empty answer from none.
    text: hasAnswer ? (textOf(value['text']) ?? '') : null,
    calls: hasAnswer ? callsIn(typeof content === 'string' ? parsed(content) : content) : [],
  };
}

function outcomeOfState(status: string): Outcome | null {
  if (status === 'succeeded' || status === 'failed' || status === 'expired' || status === 'canceled') return status;
  if (status === 'invalid') return 'failed';
  return (ROW_STATES as readonly string[]).includes(status) ? 'unfinished' : null;
}

/** The id comes first, under the name that the input's id column had. */
function idOf(value: JsonObject, { columns, idColumn }: ResultFile): string | null {
  const first = columns[0] ?? Object.keys(value)[0] ?? '';
  const named = [idColumn, 'custom_id'].find((name) => name !== undefined && Object.hasOwn(value, name));
  const id = value[named ?? first];
  return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
}

function usageOf(value: JsonObject): TokenUsage | null {
  const inputTokens = numberOf(value['input_tokens']);
  const outputTokens = numberOf(value['output_tokens']);
  if (inputTokens === null || outputTokens === null) return null;
  return {
    ...NO_USAGE,
    inputTokens,
    outputTokens,
    // How long they were to be kept is not told apart here; for counting it does not matter, and cost has its own field.
    cacheWrite5mTokens: numberOf(value['cache_creation_input_tokens']) ?? 0,
    cacheReadTokens: numberOf(value['cache_read_input_tokens']) ?? 0,
  };
}

/** A line of --errors: no answer, but the reason. */
function ofErrors(value: JsonObject, error: JsonObject): ResultView | null {
  const id = value['custom_id'];
  const status = textOf(error['status']) ?? 'failed';
  const outcome = outcomeOfState(status);
  if (typeof id !== 'string' || outcome === null) return null;
  const nothing = { stopReason: null, model: null, lane: null, isLaneAssumed: false, usage: null, text: null };
  return { id, outcome, errorType: textOf(error['type']), ...nothing, costUsd: 0, calls: [] };
}

/** Ids of calls and signatures of thoughts differ from answer to answer: what is called, and with what, does not. */
function callsIn(content: unknown): readonly ToolCall[] {
  if (!Array.isArray(content)) return NO_CALLS;
  const calls: ToolCall[] = [];
  for (const block of content as readonly unknown[]) {
    if (!isObject(block) || block['type'] !== 'tool_use') continue;
    calls.push({ name: textOf(block['name']) ?? '', input: block['input'] });
  }
  return calls.length === 0 ? NO_CALLS : calls;
}

const NO_CALLS: readonly ToolCall[] = [];

function parsed(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    // A cell that somebody has edited: then there are no calls to compare.
    return null;
  }
}

/** An empty cell of a CSV is null elsewhere. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return value;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
  return Number.isFinite(number) ? number : null;
}
