/**
 * What there is to count in the params of a request: the bytes of its texts by kind, and what the API adds by itself. The
 * texts are only measured, never kept.
 */
import { isObject } from '../row/shape.ts';
import type { TextKind } from './tokenizer.ts';

export type TextBytes = Record<TextKind, number>;

export interface RequestText {
  /** UTF-8 bytes of all texts in system, tools and messages. */
  readonly bytes: TextBytes;
  /** Messages of the conversation. */
  readonly turns: number;
  readonly hasSystem: boolean;
  readonly hasTools: boolean;
  readonly hasSchema: boolean;
  readonly images: number;
  /** Of documents in base64. */
  readonly documentBytes: number;
  /** Images, documents and files that are named by URL or id: nobody can tell their size. */
  readonly unseen: number;
}

export function measureRequest(params: unknown): RequestText {
  const found = new Measuring();
  if (!isObject(params)) return found.done({ turns: 0, hasSystem: false, hasTools: false, hasSchema: false });
  const { system, tools, messages } = params;
  const config = params['output_config'];
  const format = isObject(config) ? config['format'] : undefined;
  found.look(system);
  // Tools and schemas reach the model as text, their names and punctuation too.
  if (Array.isArray(tools) && tools.length > 0)
    addText(found.bytes, JSON.stringify(tools.filter((tool) => !isDeferred(tool))));
  if (isObject(format)) addText(found.bytes, JSON.stringify(format['schema'] ?? ''));
  for (const message of Array.isArray(messages) ? messages : []) {
    if (isObject(message)) found.look(message['content']);
  }
  return found.done({
    turns: Array.isArray(messages) ? messages.length : 0,
    hasSystem: system !== undefined && system !== '',
    hasTools: Array.isArray(tools) && tools.length > 0,
    hasSchema: isObject(format),
  });
}

export function noBytes(): TextBytes {
  return { latin: 0, symbols: 0, cjk: 0, other: 0 };
}

/** Adds the bytes of a text by kind. */
export function addText(bytes: TextBytes, text: string): void {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes[isLetter(unit) ? 'latin' : 'symbols']++;
    else if (unit < 0x250) bytes.latin += 2;
    else if (unit < 0x800) bytes.other += 2;
    // Half of a pair that takes four bytes.
    else if (unit >= 0xd800 && unit < 0xe000) bytes.other += 2;
    else bytes[isCjk(unit) ? 'cjk' : 'other'] += 3;
  }
}

/** Letters and the space between words. */
function isLetter(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || unit === 0x20 || (unit >= 0x41 && unit <= 0x5a);
}

function isCjk(unit: number): boolean {
  const isIdeograph = unit >= 0x2e80 && unit <= 0x9fff;
  const isHangul = unit >= 0xac00 && unit <= 0xd7af;
  return isIdeograph || isHangul || (unit >= 0xf900 && unit <= 0xfaff) || (unit >= 0xff00 && unit <= 0xffef);
}

/** The model sees it only once it has looked for it. */
function isDeferred(tool: unknown): boolean {
  return isObject(tool) && tool['defer_loading'] === true;
}

/** Keys of content blocks whose values are no text for the model. */
const NOT_TEXT: ReadonlySet<string> = new Set([
  'type',
  'id',
  'tool_use_id',
  'cache_control',
  'media_type',
  'signature',
]);

class Measuring {
  readonly bytes = noBytes();
  #images = 0;
  #documentBytes = 0;
  #unseen = 0;

  look(value: unknown): void {
    if (typeof value === 'string') addText(this.bytes, value);
    else if (typeof value === 'number' || typeof value === 'boolean') addText(this.bytes, String(value));
    else if (Array.isArray(value)) for (const item of value) this.look(item);
    else if (isObject(value)) this.#lookInto(value);
  }

  #lookInto(block: Readonly<Record<string, unknown>>): void {
    const { source } = block;
    if (block['type'] === 'tool_use' && isObject(block['input'])) addText(this.bytes, JSON.stringify(block['input']));
    else if (isObject(source) && source['type'] !== 'text' && source['type'] !== 'content') {
      this.#binary(block['type'], source);
      // A document may have a title beside its source.
      this.look({ ...block, source: undefined });
      return;
    }
    for (const [name, item] of Object.entries(block)) {
      if (!NOT_TEXT.has(name) && !(name === 'input' && block['type'] === 'tool_use')) this.look(item);
    }
  }

  #binary(type: unknown, source: Readonly<Record<string, unknown>>): void {
    const { data } = source;
    if (typeof data !== 'string') this.#unseen++;
    else if (type === 'image') this.#images++;
    else this.#documentBytes += (data.length * 3) / 4;
  }

  done(rest: Pick<RequestText, 'turns' | 'hasSystem' | 'hasTools' | 'hasSchema'>): RequestText {
    const { bytes } = this;
    return { bytes, ...rest, images: this.#images, documentBytes: this.#documentBytes, unseen: this.#unseen };
  }
}
