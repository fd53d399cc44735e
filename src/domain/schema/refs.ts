/**
 * References inside a schema: `#/$defs/NAME`.
 */
import { isObject, type JsonObject } from '../row/shape.ts';

const HOPS_MAX = 20;

/** What a JSON pointer with its `#` leads to; undefined where it leads nowhere. */
export function pointerTo(root: JsonObject, ref: string): unknown {
  let at: unknown = root;
  for (const part of ref.split('/').slice(1)) {
    const name = unescaped(part);
    if (Array.isArray(at)) at = (at as unknown[])[Number(name)];
    else at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return at;
}

/** The schema behind a chain of references; null where it leads nowhere. */
export function resolveRef(root: JsonObject, schema: unknown): JsonObject | null {
  let at = schema;
  for (let hop = 0; hop < HOPS_MAX; hop++) {
    if (!isObject(at)) return null;
    if (typeof at['$ref'] !== 'string') return at;
    at = pointerTo(root, at['$ref']);
  }
  return null;
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    // A lone % is no escape: then it is the name itself.
    return part;
  }
}
