/**
 * Puts cache_control on the rows that begin with a shared prefix. It sees every row: an ordinary one costs a comparison
 * of texts, and nothing of it is copied but the list that the mark stands in.
 *
 * One mark a row. Rows with a cache_control of their own, and rows that begin otherwise, are handed back as they are.
 */
import { isObject, type JsonObject } from '../row/shape.ts';
import {
  hasOwnMarks,
  isPlainText,
  sameJson,
  steeringOf,
  type MarkedPrefix,
  type PrefixMessage,
  type Section,
} from './blocks.ts';

export class CacheMarker {
  readonly #marks: readonly Mark[];

  /** The longest prefix goes first: a row gets the deepest mark that it has. */
  constructor(prefixes: readonly MarkedPrefix[]) {
    this.#marks = prefixes.toSorted((one, other) => sizeOf(other) - sizeOf(one)).map((prefix) => new Mark(prefix));
  }

  /** The params with a mark, or the very same object where it has none. */
  mark(params: JsonObject): JsonObject {
    for (const mark of this.#marks) {
      const marked = mark.on(params);
      if (marked) return marked;
    }
    return params;
  }
}

function sizeOf({ tools, system, messages }: MarkedPrefix): number {
  return JSON.stringify([tools, system, messages]).length;
}

class Mark {
  readonly #prefix: MarkedPrefix;
  readonly #control: JsonObject;
  /** Of a content that is the prefix and nothing else: made once. */
  readonly #whole: readonly JsonObject[];

  constructor(prefix: MarkedPrefix) {
    this.#prefix = prefix;
    this.#control = { type: 'ephemeral', ttl: prefix.ttl };
    this.#whole = this.#withMark(lastBlocks(prefix));
  }

  on(params: JsonObject): JsonObject | null {
    const { model, steering, end, tools, system, messages } = this.#prefix;
    if (params['model'] !== model || steeringOf(params) !== steering) return null;
    if (end === 'tools') return this.#marked(params, 'tools', tools);
    if (!isSame(params['tools'], tools)) return null;
    if (end === 'system') return this.#marked(params, 'system', system);
    if (!isSame(params['system'], system)) return null;
    return this.#markedMessages(params, messages);
  }

  #marked(params: JsonObject, name: 'tools' | 'system', blocks: readonly JsonObject[]): JsonObject | null {
    const content = this.#contentWithMark(params[name], blocks);
    return content === null || hasOwnMarks(params) ? null : replaced(params, name, content);
  }

  #markedMessages(params: JsonObject, shared: readonly PrefixMessage[]): JsonObject | null {
    const { messages } = params;
    if (!Array.isArray(messages) || messages.length < shared.length) return null;
    const lastAt = shared.length - 1;
    for (let at = 0; at <= lastAt; at++) {
      const message: unknown = messages[at];
      const { role, blocks } = shared[at] ?? { role: '', blocks: [] };
      if (!isObject(message) || message['role'] !== role) return null;
      if (at < lastAt) {
        if (!isSame(message['content'], blocks)) return null;
        continue;
      }
      const content = this.#contentWithMark(message['content'], blocks);
      if (content === null || hasOwnMarks(params)) return null;
      const marked = messages.slice() as unknown[];
      marked[at] = replaced(message, 'content', content);
      return replaced(params, 'messages', marked);
    }
    return null;
  }

  /** Null where it does not begin with these blocks, or would leave a text of white space behind the cut. */
  #contentWithMark(content: unknown, blocks: readonly JsonObject[]): readonly JsonObject[] | null {
    const lastAt = blocks.length - 1;
    const last = blocks[lastAt];
    if (!last) return null;
    if (typeof content === 'string') {
      if (lastAt > 0 || !isPlainText(last)) return null;
      if (content === last.text) return this.#whole;
      const tail = this.#tailOf(content, last);
      return tail === null ? null : [...this.#whole, { type: 'text', text: tail }];
    }
    if (!Array.isArray(content) || content.length <= lastAt) return null;
    for (let at = 0; at < lastAt; at++) if (!sameJson(content[at], blocks[at])) return null;
    const own: unknown = content[lastAt];
    const rest = content.slice(lastAt + 1) as JsonObject[];
    if (sameJson(own, last)) return [...this.#whole, ...rest];
    if (!isObject(own) || !isPlainText(own) || !isPlainText(last)) return null;
    const tail = this.#tailOf(own.text, last);
    return tail === null ? null : [...this.#whole, { type: 'text', text: tail }, ...rest];
  }

  #tailOf(text: string, { text: head }: { readonly text: string }): string | null {
    if (!this.#prefix.splits || text.length <= head.length || !text.startsWith(head)) return null;
    const tail = text.slice(head.length);
    return tail.trim() === '' ? null : tail;
  }

  #withMark(blocks: readonly JsonObject[]): readonly JsonObject[] {
    return blocks.map((block, at) =>
      at === blocks.length - 1 ? Object.assign({}, block, { cache_control: this.#control }) : block,
    );
  }
}

function lastBlocks({ end, tools, system, messages }: MarkedPrefix): readonly JsonObject[] {
  if (end === 'messages') return messages.at(-1)?.blocks ?? [];
  return end === 'tools' ? tools : system;
}

/** Exactly these blocks; a text is one block, and nothing is none. */
function isSame(content: unknown, blocks: readonly JsonObject[]): boolean {
  if (content === undefined || content === null) return blocks.length === 0;
  const [first] = blocks;
  if (typeof content === 'string') {
    return blocks.length === 1 && first !== undefined && isPlainText(first) && first.text === content;
  }
  return sameJson(content, blocks);
}

/** With another value under this name, the names in their order. No spread: that would make it a slow object. */
function replaced(object: JsonObject, name: Section | 'content', value: unknown): JsonObject {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(object)) copy[key] = key === name ? value : object[key];
  return copy;
}
