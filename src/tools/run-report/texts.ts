/**
 * Prompts and answers for the eyes, where they were asked for: without keys, and cut to what can be read at a glance.
 */
import { redact } from '../../base/log.ts';
import { isObject } from '../../domain/row/shape.ts';
import { markup, type Filling } from '../report/markup.ts';

const TEXT_CHARS = 800;
const SYSTEM_CHARS = 300;

export function cutText(text: string, chars = TEXT_CHARS): string {
  if (text.length <= chars) return text;
  // Not in the middle of a character.
  const end = (text.charCodeAt(chars) & 0xfc00) === 0xdc00 ? chars - 1 : chars;
  return `${text.slice(0, end)}…`;
}

/** What a request says: its system prompt and its messages, each with whose it is. */
export function promptText(params: unknown): string | null {
  if (!isObject(params)) return null;
  const parts: string[] = [];
  const system = contentText(params['system']);
  if (system !== '') parts.push(`system: ${cutText(system, SYSTEM_CHARS)}`);
  const messages = Array.isArray(params['messages']) ? (params['messages'] as readonly unknown[]) : [];
  for (const message of messages) {
    if (!isObject(message)) continue;
    const role = typeof message['role'] === 'string' ? message['role'] : 'unknown';
    parts.push(`${role}: ${contentText(message['content'])}`);
  }
  return parts.length === 0 ? null : cutText(redact(parts.join('\n')));
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as readonly unknown[]).map(blockText).join(' ');
}

function blockText(block: unknown): string {
  if (!isObject(block)) return '';
  if (typeof block['text'] === 'string') return block['text'];
  return `[${typeof block['type'] === 'string' ? block['type'] : 'block'}]`;
}

/** A sentence of ours with its `commands` set apart. */
export function withCode(text: string): Filling {
  return text.split('`').map((part, at) => (at % 2 === 0 ? part : markup`<code>${part}</code>`));
}
