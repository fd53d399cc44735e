/**
 * Reads what matters out of the params of a request: its texts, its size in tokens, its hash.
 *
 * Tokens are an estimate that anyone can redo: the UTF-8 bytes of all texts in system, tools and messages divided
 * by four, rounded up, at least one; an image or document in base64 counts 1,600. It is no tokenizer and need not be.
 */
import { createHash } from 'node:crypto';
import { isArray, isRecord, type JsonRecord } from './json.ts';

export const BYTES_PER_TOKEN = 4;
const BINARY_BYTES = 1_600 * BYTES_PER_TOKEN;

export function tokensOfBytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / BYTES_PER_TOKEN));
}

/** The bytes that a text counts for. */
export type TextBytes = (text: string) => number;

export const plainTextBytes: TextBytes = (text) => Buffer.byteLength(text);

export function promptTokens(params: JsonRecord, bytesOf: TextBytes): number {
  const { system, tools, messages } = params;
  return tokensOfBytes(textBytes(system, bytesOf) + textBytes(tools, bytesOf) + textBytes(messages, bytesOf));
}

/** Bytes of every string below this value; the names of types and roles are not text. */
export function textBytes(value: unknown, bytesOf: TextBytes): number {
  if (typeof value === 'string') return bytesOf(value);
  if (isArray(value)) return value.reduce((sum: number, item) => sum + textBytes(item, bytesOf), 0);
  if (!isRecord(value)) return 0;
  if (value['type'] === 'base64' && typeof value['data'] === 'string') return BINARY_BYTES;
  let sum = 0;
  for (const [name, item] of Object.entries(value)) {
    if (name !== 'type' && name !== 'role' && name !== 'cache_control') sum += textBytes(item, bytesOf);
  }
  return sum;
}

/** The text of the last user turn, its text blocks joined by newlines. */
export function lastUserText(params: JsonRecord): string {
  const messages = isArray(params['messages']) ? params['messages'] : [];
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = messages[at];
    if (isRecord(message) && message['role'] === 'user') return contentText(message['content']);
  }
  return '';
}

export function systemText(params: JsonRecord): string {
  return contentText(params['system']);
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!isArray(content)) return '';
  return content
    .filter(isRecord)
    .map((block) => block['text'])
    .filter((text) => typeof text === 'string')
    .join('\n');
}

/**
 * Names a request: equal params give equal hashes in a batch and in realtime, so that a test can see one row paid
 * twice across both. `stream` is how the answer travels, not what is asked, and is left out.
 */
export function paramsHashOf(params: JsonRecord): string {
  const asked = Object.fromEntries(Object.entries(params).filter(([name]) => name !== 'stream'));
  // A slice of the longer text would keep all of it alive, and a batch keeps 100,000 of these.
  return createHash('sha256').update(JSON.stringify(asked)).digest().toString('hex', 0, 8);
}
