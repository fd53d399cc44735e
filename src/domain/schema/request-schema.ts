/**
 * The schema as the API's structured outputs take it, made from one in plain JSON Schema: what the API does not enforce
 * moves into the description, where the model reads it, and answers are checked against the original in full.
 *
 * It gives what the helper of the SDK gives (`lib/transform-json-schema`, 1.10.0; a test holds it to that), and goes
 * further where that loses a structure: `definitions` beside `$defs`, lists of types, an `allOf` of one. What it gives is
 * part of each request, and so of the fingerprint: to change it makes runs new that were paid already.
 */
import { isObject, type JsonObject } from '../row/shape.ts';

/** String formats that the API enforces (structured-outputs page, read 2026-10; the same list is in the SDK). */
export const ENFORCED_FORMATS: ReadonlySet<string> = new Set([
  ...['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid'],
]);

/** They say nothing to a model. */
const SILENT: ReadonlySet<string> = new Set(['$schema', '$id', '$comment', 'readOnly', 'writeOnly', 'deprecated']);

export interface OutputFormat {
  readonly type: 'json_schema';
  readonly schema: JsonObject;
}

/** `output_config.format` of a request. */
export function outputFormat(schema: JsonObject): OutputFormat {
  return { type: 'json_schema', schema: requestSchema(schema) };
}

/** Of a schema that check-schema.ts has nothing against. */
export function requestSchema(schema: JsonObject): JsonObject {
  const out: Record<string, unknown> = {};
  for (const name of ['$defs', 'definitions']) {
    const definitions = schema[name];
    if (isObject(definitions)) out[name] = mapped(definitions);
  }
  const ref = refOf(schema);
  if (ref !== null) return { ...out, $ref: ref };
  const rest = new Map(Object.entries(schema).filter(([name]) => !SILENT.has(name) && !Object.hasOwn(out, name)));
  takeShape(rest, out);
  for (const name of ['description', 'title']) {
    if (rest.has(name)) out[name] = taken(rest, name);
  }
  takeByType(typesOf(schema), rest, out);
  if (rest.size > 0) out['description'] = described(out['description'], rest);
  return out;
}

/** A reference, also as the only part of an `allOf`, as some generators write it: the API takes no such `allOf`. */
function refOf(schema: JsonObject): string | null {
  const { $ref: ref, allOf } = schema;
  if (typeof ref === 'string') return ref;
  const [only, more] = Array.isArray(allOf) ? (allOf as unknown[]) : [];
  const isAlone = isObject(only) && more === undefined && !('properties' in schema) && !('type' in schema);
  return isAlone && typeof only['$ref'] === 'string' && Object.keys(only).length === 1 ? only['$ref'] : null;
}

/** What the value is: literals, one of several, or a type. */
function takeShape(rest: Map<string, unknown>, out: Record<string, unknown>): void {
  const values = rest.get('enum');
  if (Array.isArray(values) && values.length > 0 && values.every(isPrimitive)) out['enum'] = taken(rest, 'enum');
  if (rest.has('const') && isPrimitive(rest.get('const'))) out['const'] = taken(rest, 'const');
  const isLiteral = 'enum' in out || 'const' in out;
  const type = taken(rest, 'type');
  const [anyOf, oneOf, allOf] = [taken(rest, 'anyOf'), taken(rest, 'oneOf'), taken(rest, 'allOf')];
  if (Array.isArray(anyOf)) out['anyOf'] = anyOf.map(transformed);
  else if (Array.isArray(oneOf)) out['anyOf'] = oneOf.map(transformed);
  else if (Array.isArray(allOf)) out['allOf'] = allOf.map(transformed);
  else if (!isLiteral) out['type'] = type;
}

/** Of a literal nothing else matters. */
function takeByType(types: readonly unknown[], rest: Map<string, unknown>, out: Record<string, unknown>): void {
  if ('enum' in out || 'const' in out) return;
  if (types.includes('object')) {
    const properties = taken(rest, 'properties');
    out['properties'] = isObject(properties) ? mapped(properties) : {};
    rest.delete('additionalProperties');
    out['additionalProperties'] = false;
    if (rest.has('required')) out['required'] = taken(rest, 'required');
  }
  if (types.includes('string') && ENFORCED_FORMATS.has(String(rest.get('format'))))
    out['format'] = taken(rest, 'format');
  if (!types.includes('array')) return;
  const items = rest.get('items');
  if (isObject(items)) {
    rest.delete('items');
    out['items'] = requestSchema(items);
  }
  const least = rest.get('minItems');
  if (least === 0 || least === 1) out['minItems'] = taken(rest, 'minItems');
}

export function typesOf({ type }: JsonObject): readonly unknown[] {
  return Array.isArray(type) ? (type as unknown[]) : type === undefined ? [] : [type];
}

function described(before: unknown, rest: ReadonlyMap<string, unknown>): string {
  const parts = [...rest].map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const text = typeof before === 'string' && before !== '' ? `${before}\n\n` : '';
  return `${text}{${parts.join(', ')}}`;
}

function mapped(schemas: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, transformed(schema)]));
}

function transformed(schema: unknown): unknown {
  return isObject(schema) ? requestSchema(schema) : schema;
}

function taken(rest: Map<string, unknown>, name: string): unknown {
  const value = rest.get(name);
  rest.delete(name);
  return value;
}

export function isPrimitive(value: unknown): boolean {
  return value === null || typeof value !== 'object';
}
