/**
 * What matters of the content of a request: how many bytes of text it has, what its images and documents count, and where
 * a shared prefix ends that is to be cached.
 */
import { createHash } from 'node:crypto';
import { isObject } from '../../domain/row/shape.ts';

export interface Content {
  readonly textBytes: number;
  /** Tokens of images and documents. */
  readonly mediaTokens: number;
  /** One for each `cache_control`, in their order: all that stands before its end. */
  readonly prefixes: readonly Prefix[];
}

export interface Prefix {
  readonly textBytes: number;
  readonly mediaTokens: number;
  readonly hash: string;
  readonly control: unknown;
}

/** An image or document in base64: about the most that an image counts (facts, section 2). */
const MEDIA_TOKENS = 1_600;
const HASH_CHARS = 8;
/** Names of things, not text. */
const NAMES = new Set(['type', 'role', 'cache_control']);

/** What was counted so far. */
interface Sum {
  textBytes: number;
  mediaTokens: number;
}

export function contentOf(params: Readonly<Record<string, unknown>>): Content {
  const { system, tools, messages } = params;
  const sum: Sum = { textBytes: 0, mediaTokens: 0 };
  // Most requests cache nothing: their blocks need not be told apart.
  if (!hasControl(params)) {
    add(sum, tools);
    add(sum, system);
    add(sum, messages);
    return { ...sum, prefixes: [] };
  }
  const hash = createHash('sha256');
  const prefixes: Prefix[] = [];
  const end = (control: unknown): void => {
    prefixes.push({ ...sum, hash: hash.copy().digest('hex').slice(0, HASH_CHARS), control });
  };
  for (const block of blocksIn(params)) {
    add(sum, block);
    hash.update(JSON.stringify(block));
    if (isObject(block) && block['cache_control'] !== undefined) end(block['cache_control']);
  }
  // At the top of a request it stands for one on the last block.
  if (params['cache_control'] !== undefined) end(params['cache_control']);
  return { ...sum, prefixes };
}

function hasControl(params: Readonly<Record<string, unknown>>): boolean {
  if (params['cache_control'] !== undefined) return true;
  for (const block of blocksIn(params)) if (isObject(block) && block['cache_control'] !== undefined) return true;
  return false;
}

/** In the order in which a prefix is made of them: tools, system, messages. */
function* blocksIn({ tools, system, messages }: Readonly<Record<string, unknown>>): Iterable<unknown> {
  yield* listOf(tools);
  yield* listOf(system);
  for (const message of listOf(messages)) if (isObject(message)) yield* listOf(message['content']);
}

function listOf(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value : [];
}

function add(sum: Sum, value: unknown): void {
  if (typeof value === 'string') sum.textBytes += Buffer.byteLength(value);
  else if (Array.isArray(value)) for (const item of value) add(sum, item);
  else if (isObject(value)) {
    if (value['type'] === 'base64' && typeof value['data'] === 'string') sum.mediaTokens += MEDIA_TOKENS;
    else for (const name in value) if (!NAMES.has(name)) add(sum, value[name]);
  }
}
