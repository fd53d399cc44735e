/**
 * What the API said about a request, for the eyes: without the words of the request, which it may quote. Field names,
 * numbers and the API's own words stay; keys are taken out; a long message is cut.
 */
import { redact } from '../base/log.ts';

const SAID_CHARS_MAX = 240;
/** So many characters in a row that a text of the request has as well are a quotation. */
const QUOTED_CHARS_MIN = 9;
/** What names things, not what a person wrote: the API quotes these, and they say where to look. */
const NAMING: ReadonlySet<string> = new Set(['model', 'type', 'role', 'effort']);

/** `params`: of the request that the message is about. */
export function saidOf(message: string, params: unknown): string {
  const text = redact(message).replace(/\s+/g, ' ').trim();
  const said = withoutQuotes(text.slice(0, SAID_CHARS_MAX), params);
  return text.length > SAID_CHARS_MAX ? `${said}…` : said;
}

function withoutQuotes(message: string, params: unknown): string {
  const quoted = new Uint8Array(message.length);
  for (const text of textsOf(params)) {
    for (const heard of new Set([text, text.replace(/\s+/g, ' '), JSON.stringify(text).slice(1, -1)]))
      mark(message, heard, quoted);
  }
  let said = '';
  for (let at = 0; at < message.length; at++) {
    if (quoted[at] === 0) said += message.charAt(at);
    else if (at === 0 || quoted[at - 1] === 0) said += '…';
  }
  return said;
}

/** Marks what the message has in common with this text. */
function mark(message: string, text: string, quoted: Uint8Array): void {
  for (let at = 0; at + QUOTED_CHARS_MIN <= message.length; at++) {
    if (text.includes(message.slice(at, at + QUOTED_CHARS_MIN))) quoted.fill(1, at, at + QUOTED_CHARS_MIN);
  }
}

/** All that somebody wrote, keys of objects among it: they may come from data as well, as in the schema of a tool. */
function* textsOf(value: unknown, name = ''): Generator<string> {
  if (typeof value === 'string') {
    if (value.length >= QUOTED_CHARS_MIN && !NAMING.has(name)) yield value;
  } else if (Array.isArray(value)) {
    for (const item of value) yield* textsOf(item, name);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) yield* textsOf(item, key);
  }
}
