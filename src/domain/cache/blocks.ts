/**
 * A request as the prompt cache sees it: blocks in the order tools, system, messages. A prefix ends at one of them; what
 * else steers the request (thinking, tool_choice, output_config) has to be the same for an entry to be found.
 */
import { createHash } from 'node:crypto';
import { isObject, type JsonObject } from '../row/shape.ts';
import type { CacheTtl } from './ttl.ts';

export type Section = 'tools' | 'system' | 'messages';

export const TTL_MS: Readonly<Record<CacheTtl, number>> = { '5m': 300_000, '1h': 3_600_000 };

export interface PrefixMessage {
  readonly role: string;
  readonly blocks: readonly JsonObject[];
}

/** What rows have in common from their beginning on. Plain data: it travels to the thread that reads. */
export interface SharedPrefix {
  readonly key: string;
  readonly model: string;
  readonly steering: string;
  readonly tools: readonly JsonObject[];
  readonly system: readonly JsonObject[];
  readonly messages: readonly PrefixMessage[];
  /** Where its last block is. */
  readonly end: Section;
  /** Its last block may be the head of a longer text, which is cut in two at that point. */
  readonly splits: boolean;
}

export type MarkedPrefix = SharedPrefix & { readonly ttl: CacheTtl };

/** Does the cache depend on these? To be safe: thinking and tool_choice count for messages only (CACHEDOC). */
export function steeringOf({ thinking, tool_choice: choice, output_config: config }: JsonObject): string {
  if (thinking === undefined && choice === undefined && config === undefined) return '';
  return JSON.stringify([thinking ?? null, choice ?? null, config ?? null]);
}

/** The same prefix has the same key, wherever it is met: in a sample, or in a row that was marked. */
export function keyOf(prefix: Omit<SharedPrefix, 'key' | 'end' | 'splits'>): string {
  const { model, steering, tools, system, messages } = prefix;
  const parts = [model, steering, tools, system, messages.map(({ role, blocks }) => [role, blocks])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/** A text stands for one block; null where it is nothing that has blocks. */
export function blocksOf(content: unknown): readonly JsonObject[] | null {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content) || !content.every(isObject)) return null;
  return content;
}

/** A block of text with nothing else to it: it can be cut in two. */
export function isPlainText(block: JsonObject): block is JsonObject & { readonly text: string } {
  if (block['type'] !== 'text' || typeof block['text'] !== 'string') return false;
  for (const name in block) if (name !== 'type' && name !== 'text') return false;
  return true;
}

/** Takes the API a cache_control on this block? Not on thinking, on nothing, and on tools that are loaded later. */
export function isMarkable(block: JsonObject, section: Section): boolean {
  if (section === 'tools') return block['defer_loading'] !== true;
  const { type } = block;
  if (type === 'thinking' || type === 'redacted_thinking') return false;
  return type !== 'text' || (typeof block['text'] === 'string' && block['text'].trim() !== '');
}

/** Has the row a cache_control of its own? Then it is left as it is. */
export function hasOwnMarks({ cache_control: top, tools, system, messages }: JsonObject): boolean {
  if (isSet(top) || anyMarked(tools) || anyMarked(system)) return true;
  if (!Array.isArray(messages)) return false;
  for (const message of messages) if (isObject(message) && anyMarked(message['content'])) return true;
  return false;
}

function anyMarked(blocks: unknown): boolean {
  if (!Array.isArray(blocks)) return false;
  for (const block of blocks) {
    if (!isObject(block)) continue;
    if (isSet(block['cache_control'])) return true;
    // What a tool answered has blocks of its own.
    if (block['type'] === 'tool_result' && anyMarked(block['content'])) return true;
  }
  return false;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** Equal as JSON text: the order of names counts, because a prefix is compared as it is written. */
export function sameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one)) {
    if (!Array.isArray(other) || one.length !== other.length) return false;
    for (let at = 0; at < one.length; at++) if (!sameJson(one[at], other[at])) return false;
    return true;
  }
  if (Array.isArray(other)) return false;
  const names = Object.keys(one);
  const others = Object.keys(other);
  if (names.length !== others.length) return false;
  for (let at = 0; at < names.length; at++) {
    const name = names[at] ?? '';
    if (name !== others[at] || !sameJson((one as JsonObject)[name], (other as JsonObject)[name])) return false;
  }
  return true;
}
