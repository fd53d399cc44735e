/**
 * The lines of the API's results file: read, rename, and write in its shape.
 *
 * A line carries our wire id (`<run tag>-<chunk>-<row>`), which finds the row without a look-up and proves whose batch
 * it is. Reading is tolerant: real lines lack the newer keys of usage, and unknown keys are no fault. Renaming keeps
 * the API's bytes as they are. Errors are nested twice: the kind is `result.error.error.type` (facts, section 1.7),
 * which at least four other clients read wrongly.
 */
import { BatchrunError, invariant } from '../base/errors.ts';
import { WIRE_ID_CHARS_MAX } from './limits.ts';
import type { TokenUsage } from './model.ts';
import { NO_USAGE } from './model.ts';
import { isObject, type JsonObject } from './row/shape.ts';

export type ResultType = 'succeeded' | 'errored' | 'canceled' | 'expired';

export interface ResultLine {
  readonly wireId: string;
  readonly type: ResultType;
  readonly model?: string | undefined;
  readonly stopReason?: string | undefined;
  readonly usage?: TokenUsage | undefined;
  readonly inferenceGeo?: string | undefined;
  /** `result.error.error.type`; `unknown_result_type` and `missing_message` where the line itself is odd. */
  readonly errorType?: string | undefined;
  readonly errorMessage?: string | undefined;
  /** `result.error.error.details.error_code`. */
  readonly errorCode?: string | undefined;
  readonly requestId?: string | undefined;
  /** The error type of an answer that does not follow the run's schema, where that was looked at. */
  readonly deviation?: string;
}

export interface WireIdParts {
  readonly tag: string;
  readonly chunkNo: number;
  readonly index: number;
}

/** Answers that stopped for one of these reasons succeeded, but are counted and shown apart (design, section 3.2). */
export const NOTABLE_STOP_REASONS = [
  'max_tokens',
  'refusal',
  'pause_turn',
  'model_context_window_exceeded',
] as const satisfies readonly string[];

/** What a line says, or null where it is not a line of a results file at all. */
export function parseResultLine(text: string): ResultLine | null {
  return readResultLine(text)?.line ?? null;
}

export interface ReadLine {
  readonly line: ResultLine;
  readonly message: JsonObject | null;
}

/** The same with the message of a succeeded line, for those who need its content: the line is parsed once. */
export function readResultLine(text: string): ReadLine | null {
  try {
    return readResult(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The same of a line that is parsed already. */
export function readResult(parsed: unknown): ReadLine | null {
  if (!isObject(parsed) || typeof parsed['custom_id'] !== 'string' || !isObject(parsed['result'])) return null;
  const wireId = parsed['custom_id'];
  const result = parsed['result'];
  switch (result['type']) {
    case 'succeeded': {
      const message = result['message'];
      if (!isObject(message))
        return { line: oddLine(wireId, 'missing_message', 'succeeded, but no message'), message: null };
      return { line: succeededLine(wireId, message), message };
    }
    case 'errored':
      return { line: erroredLine(wireId, result['error']), message: null };
    case 'canceled':
    case 'expired':
      return { line: { wireId, type: result['type'] }, message: null };
    default:
      if (typeof result['type'] !== 'string') return null;
      return {
        line: oddLine(wireId, 'unknown_result_type', `result type ${result['type'].slice(0, 64)}`),
        message: null,
      };
  }
}

function succeededLine(wireId: string, message: JsonObject): ResultLine {
  const usage = isObject(message['usage']) ? message['usage'] : {};
  return {
    wireId,
    type: 'succeeded',
    model: textOf(message['model']),
    stopReason: textOf(message['stop_reason']),
    usage: readUsage(usage),
    inferenceGeo: textOf(usage['inference_geo']),
  };
}

function erroredLine(wireId: string, outer: unknown): ResultLine {
  const envelope = isObject(outer) ? outer : {};
  const inner = isObject(envelope['error']) ? envelope['error'] : {};
  const details = isObject(inner['details']) ? inner['details'] : {};
  return {
    wireId,
    type: 'errored',
    errorType: textOf(inner['type']) ?? 'unknown_error',
    errorMessage: textOf(inner['message']),
    errorCode: textOf(details['error_code']),
    requestId: textOf(envelope['request_id']),
  };
}

function oddLine(wireId: string, errorType: string, errorMessage: string): ResultLine {
  return { wireId, type: 'errored', errorType, errorMessage };
}

/** The usage block of a message. Keys that are missing or null count as 0. */
export function readUsage(usage: unknown): TokenUsage {
  if (!isObject(usage)) return NO_USAGE;
  const lifetimes = isObject(usage['cache_creation']) ? usage['cache_creation'] : {};
  const write5m = count(lifetimes['ephemeral_5m_input_tokens']);
  const write1h = count(lifetimes['ephemeral_1h_input_tokens']);
  // What the total has beyond its break-down was written with the default lifetime, which is 5 minutes.
  const rest = Math.max(0, count(usage['cache_creation_input_tokens']) - write5m - write1h);
  return {
    inputTokens: count(usage['input_tokens']),
    outputTokens: count(usage['output_tokens']),
    cacheWrite5mTokens: write5m + rest,
    cacheWrite1hTokens: write1h,
    cacheReadTokens: count(usage['cache_read_input_tokens']),
  };
}

/** The text blocks of a message, one after the other; '' where it has none. */
export function messageText(message: unknown): string {
  if (!isObject(message) || !Array.isArray(message['content'])) return '';
  let text = '';
  for (const block of message['content'] as readonly unknown[]) {
    if (isObject(block) && block['type'] === 'text' && typeof block['text'] === 'string') text += block['text'];
  }
  return text;
}

/** What the API takes as a custom_id (facts, section 1.4). */
export const CUSTOM_ID = /^[a-zA-Z0-9_-]{1,64}$/;

const TAG = /^[a-z0-9]{6,24}$/;
const WIRE_ID = /^([a-z0-9]{6,24})-(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/;

/** `<tag>-<chunk>-<row>`: within what the API takes as a custom_id (`^[a-zA-Z0-9_-]{1,64}$`). */
export function wireId(tag: string, chunkNo: number, index: number): string {
  invariant(TAG.test(tag), `run tag ${tag} does not fit into wire ids`);
  invariant(isCount(chunkNo) && isCount(index), `chunk ${chunkNo}, row ${index} do not fit into a wire id`);
  const id = `${tag}-${chunkNo}-${index}`;
  invariant(id.length <= WIRE_ID_CHARS_MAX, `wire id ${id} is too long`);
  return id;
}

/** Null for anything that `wireId` would not have written: such a line is not ours. */
export function parseWireId(id: string): WireIdParts | null {
  const match = WIRE_ID.exec(id);
  if (match === null) return null;
  const [, tag = '', chunk, row] = match;
  const chunkNo = Number(chunk);
  const index = Number(row);
  return isCount(chunkNo) && isCount(index) ? { tag, chunkNo, index } : null;
}

/**
 * The API's line with the user's id in place of the wire id. Byte-exact otherwise where the line begins with the id,
 * as all lines seen so far do. A line of another row means that file and index do not belong together: it is never
 * given out as this row's answer.
 */
export function renameResultLine(line: Buffer | string, id: string, userId: string): string {
  const text = typeof line === 'string' ? line : line.toString('utf8');
  const start = `{"custom_id":"${id}"`;
  if (text.startsWith(start)) return `{"custom_id":${JSON.stringify(userId)}${text.slice(start.length)}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new BatchrunError('E_STATE_CORRUPT', `the result line of ${id} cannot be read`, { cause });
  }
  if (!isObject(parsed) || parsed['custom_id'] !== id) {
    throw new BatchrunError('E_STATE_CORRUPT', `the result line where ${id} should be is not its line`);
  }
  // Assigning keeps the key in its place.
  return JSON.stringify(Object.assign(parsed, { custom_id: userId }));
}

/** A line in the API's shape for a row that failed without one. Types of our own begin with `batchrun_`. */
export function localErrorLine(userId: string, errorType: string, message: string, details?: JsonObject): string {
  const inner = details === undefined ? { type: errorType, message } : { type: errorType, message, details };
  const error = { type: 'error', error: inner, request_id: null };
  return JSON.stringify({ custom_id: userId, result: { type: 'errored', error } });
}

/** The line that a batch would have had for an answer of the Messages API; the answer's text stays as it came. */
export function realtimeResultLine(id: string, messageJson: string): string {
  return `{"custom_id":${JSON.stringify(id)},"result":{"type":"succeeded","message":${jsonOnOneLine(messageJson)}}}`;
}

/** The same JSON without raw line breaks, for files of lines. They can only stand between tokens, never in a string. */
export function jsonOnOneLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, ' ').trim() : json;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
