/**
 * Judges the schema of output_config.format: the part of JSON Schema that structured outputs take.
 *
 * The rules are those of platform.claude.com/docs/en/build-with-claude/structured-outputs (copies of 2026-04 to
 * 2026-10): every object closed, no recursion, no other files, no bounds of numbers, texts and lists. What the API says
 * word for word is not known; the place in front of it is.
 */
import { isArray, isRecord, type JsonRecord } from './json.ts';
import type { Complaint } from './judge.ts';
import { definition } from './schema-value.ts';

const WORDS: ReadonlySet<string> = new Set([
  ...['type', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'const', 'anyOf', 'allOf', '$ref'],
  ...['$defs', 'definitions', 'description', 'title', 'default', 'format', 'minItems', 'pattern'],
]);
const FORMATS: ReadonlySet<string> = new Set([
  ...['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid'],
]);

/** `place`: where the schema stands in the params. */
export function checkSchema(schema: JsonRecord, place: string): Complaint {
  return judge(schema, { root: schema, place, way: [] });
}

interface At {
  readonly root: JsonRecord;
  readonly place: string;
  /** The schemas around it. */
  readonly way: readonly JsonRecord[];
}

function judge(schema: unknown, at: At): Complaint {
  const { place, way } = at;
  if (!isRecord(schema)) return `${place}: Input should be a valid dictionary`;
  if (way.includes(schema)) return `${place}: Recursive schemas are not supported`;
  const below = (name: string): At => ({ ...at, place: `${place}.${name}`, way: [...way, schema] });
  const strange = Object.keys(schema).find((name) => !WORDS.has(name));
  if (strange !== undefined) return `${place}: property '${strange}' is not supported`;
  const inDefinitions = firstOf(['$defs', 'definitions'], (name) => judgeEach(schema[name], below(name)));
  if (inDefinitions !== undefined) return inDefinitions;
  const { $ref: ref, format, minItems } = schema;
  if (ref !== undefined) {
    if (typeof ref !== 'string' || !ref.startsWith('#/')) return `${place}: External references are not supported`;
    return judge(definition(at.root, ref), below('$ref'));
  }
  if (format !== undefined && !(typeof format === 'string' && FORMATS.has(format)))
    return `${place}: format ${JSON.stringify(format)} is not supported`;
  if (minItems !== undefined && minItems !== 0 && minItems !== 1) {
    return `${place}: For 'array' type, 'minItems' values other than 0 or 1 are not supported`;
  }
  return judgeType(schema, at, below);
}

function judgeType(schema: JsonRecord, { place }: At, below: (name: string) => At): Complaint {
  const types = isArray(schema['type']) ? schema['type'] : [schema['type']];
  if (types.includes('object') && schema['additionalProperties'] !== false) {
    return `${place}: For 'object' type, 'additionalProperties' must be explicitly set to false`;
  }
  return (
    judgeEach(schema['properties'], below('properties')) ??
    firstOf(['anyOf', 'allOf'], (name) => judgeEach(schema[name], below(name))) ??
    (schema['items'] === undefined ? undefined : judge(schema['items'], below('items')))
  );
}

function judgeEach(schemas: unknown, at: At): Complaint {
  if (!isRecord(schemas) && !isArray(schemas)) return undefined;
  return firstOf(Object.entries(schemas), ([name, one]) => judge(one, { ...at, place: `${at.place}.${name}` }));
}

function firstOf<T>(items: readonly T[], judged: (item: T) => Complaint): Complaint {
  for (const item of items) {
    const complaint = judged(item);
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}
