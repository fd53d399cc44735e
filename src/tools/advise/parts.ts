/**
 * What a request is made of, as far as somebody could shorten it: the columns that its templates put in and the texts of
 * the templates, or, where the row is a request already, its system text and its messages.
 */
import { isObject, type JsonObject } from '../../domain/row/shape.ts';
import type { SourceRecord } from '../../domain/source.ts';
import { cutText } from '../../domain/row/cuts.ts';
import { textOf, valueReader } from '../../domain/routing/row-values.ts';

export type PartKind = 'column' | 'template' | 'own';

export interface Part {
  /** A column, `--prompt`, `--system`, `messages` or `system`. */
  readonly name: string;
  readonly kind: PartKind;
  readonly text: string;
}

export interface PartTemplate {
  /** `--prompt` or `--system`. */
  readonly flag: string;
  /** Its text without what is put in. */
  readonly text: string;
  readonly placeholders: readonly string[];
}

export interface PartOptions {
  readonly templates: readonly PartTemplate[];
  /** Of --truncate: what is cut already. */
  readonly cuts: Readonly<Record<string, number>>;
}

export class PartReader {
  readonly #templates: readonly PartTemplate[];
  readonly #columns: readonly { readonly name: string; readonly read: (record: JsonObject) => string }[];

  constructor({ templates, cuts }: PartOptions) {
    this.#templates = templates;
    const names = new Set(templates.flatMap(({ placeholders }) => placeholders));
    this.#columns = [...names].map((name) => {
      const value = valueReader({ kind: 'column', name });
      const cut = cuts[name] ?? Infinity;
      const read = (record: JsonObject): string =>
        cutText(textOf(value({ record, own: undefined, tokens: () => 0 })), cut);
      return { name, read };
    });
  }

  partsOf({ value }: SourceRecord, params: JsonObject): readonly Part[] {
    if (!isObject(value)) return [];
    if (isRequest(value)) return ownParts(params);
    const columns = this.#columns.map(({ name, read }) => ({ name, kind: 'column' as const, text: read(value) }));
    const templates = this.#templates.map(({ flag, text }) => ({ name: flag, kind: 'template' as const, text }));
    return [...columns, ...templates];
  }
}

function isRequest(value: JsonObject): boolean {
  return isObject(value['params']) || isObject(value['body']) || Array.isArray(value['messages']);
}

function ownParts(params: JsonObject): readonly Part[] {
  return [
    { name: 'system', kind: 'own' as const, text: systemText(params) },
    { name: 'messages', kind: 'own' as const, text: messageTexts(params).join('\n') },
  ].filter(({ text }) => text !== '');
}

export function systemText({ system }: JsonObject): string {
  return textOfContent(system);
}

/** The text of the first message: what stands in front of it is what a cache can keep. */
export function firstText(params: JsonObject): string {
  return messageTexts(params)[0] ?? '';
}

function messageTexts({ messages }: JsonObject): readonly string[] {
  if (!Array.isArray(messages)) return [];
  return messages.map((message: unknown) => (isObject(message) ? textOfContent(message['content']) : ''));
}

function textOfContent(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((block: unknown) => (isObject(block) && typeof block['text'] === 'string' ? block['text'] : ''))
    .filter((text) => text !== '')
    .join('\n');
}
