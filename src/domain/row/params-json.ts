/**
 * `JSON.stringify` for what `JSON.parse` gave, character for character the same, and twice as fast on rows that are one
 * long text: a text without anything to escape is taken as it is. The fingerprint of a run hangs on this text, so it
 * must never differ (test/unit/domain/row/params-json.test.ts compares it with the engine's on many values).
 */

/** Anything but printable ASCII without quote and backslash: the engine decides how it is written. */
const UNPLAIN = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;
/** Names of keys that are remembered: a data set has some dozen of them. */
const KEYS_MAX = 1_000;
const keys = new Map<string, string>();

/** `plain`: no text in it has a character that JSON escapes, so none has to be looked for. */
export function stringifyParams(value: unknown, plain = false): string {
  switch (typeof value) {
    case 'string':
      return !plain && UNPLAIN.test(value) ? JSON.stringify(value) : `"${value}"`;
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? listText(value, plain) : objectText(value as Record<string, unknown>, plain);
    default:
      // Not in JSON: in a list it is null; an object leaves it out.
      return 'null';
  }
}

function listText(list: readonly unknown[], plain: boolean): string {
  let text = '[';
  for (let at = 0; at < list.length; at++)
    text += at === 0 ? stringifyParams(list[at], plain) : `,${stringifyParams(list[at], plain)}`;
  return `${text}]`;
}

function objectText(object: Readonly<Record<string, unknown>>, plain: boolean): string {
  let text = '';
  for (const key of Object.keys(object)) {
    const value = object[key];
    if (value === undefined) continue;
    text += `${text === '' ? '{' : ','}${keyText(key)}${stringifyParams(value, plain)}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

function keyText(key: string): string {
  let text = keys.get(key);
  if (text === undefined) {
    text = `${JSON.stringify(key)}:`;
    if (keys.size < KEYS_MAX) keys.set(key, text);
  }
  return text;
}
