/**
 * What the simulated model answers where a request asks for JSON by a schema: a value that the schema allows, or, as
 * often as `schemaErrorRate` says, a text that it does not allow.
 *
 * Small on purpose: objects with all their properties, arrays with one item, the enum value that the hash picks, a
 * string in the format that is asked for. What it does not know becomes a string. What a description asks for (a
 * minimum, a length) it does not read, as a model may not.
 */
import type { Rng } from '../../base/random.ts';
import { isArray, isRecord, type JsonRecord } from './json.ts';

const DEPTH_MAX = 20;

interface At {
  readonly root: JsonRecord;
  readonly hash: string;
  readonly depth: number;
}

export function schemaValue(schema: JsonRecord, hash: string): unknown {
  return valueOf(schema, { root: schema, hash, depth: 0 });
}

/** The schema that a request asks for. */
export function schemaOf(params: JsonRecord): JsonRecord | undefined {
  const config = params['output_config'];
  const format = isRecord(config) ? config['format'] : undefined;
  const schema = isRecord(format) && format['type'] === 'json_schema' ? format['schema'] : undefined;
  return isRecord(schema) ? schema : undefined;
}

/** A text that does not follow the schema: prose, half of a value, one without a property, or with a wrong one. */
export function deviantText(schema: JsonRecord, hash: string, rng: Rng): string {
  const value = schemaValue(schema, hash);
  const text = JSON.stringify(value);
  const kind = Math.floor(rng.next() * 4);
  if (kind === 0 || !isRecord(value)) return `I cannot say ${hash.slice(0, 8)}`;
  if (kind === 1) return text.slice(0, Math.ceil(text.length / 2));
  const required = isArray(schema['required']) ? schema['required'].map(String) : [];
  const scalar = Object.keys(value).find((name) => !isRecord(value[name]) && !isArray(value[name]));
  if (kind === 2 && required.length > 0) return JSON.stringify({ ...value, [required[0] ?? '']: undefined });
  return scalar === undefined ? '[]' : JSON.stringify({ ...value, [scalar]: { hash } });
}

function valueOf(schema: JsonRecord, at: At): unknown {
  const { hash, depth, root } = at;
  if (depth > DEPTH_MAX) return null;
  const below: At = { ...at, depth: depth + 1 };
  if ('$ref' in schema) return valueOf(definition(root, String(schema['$ref'])), below);
  if ('const' in schema) return schema['const'];
  const choices = schema['enum'];
  if (isArray(choices) && choices.length > 0) return choices[Number.parseInt(hash.slice(0, 8), 16) % choices.length];
  const variants = schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf'];
  if (isArray(variants) && isRecord(variants[0])) return valueOf(variants[0], below);
  const type = isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'object':
      return objectValue(schema, below);
    case 'array':
      return isRecord(schema['items']) ? [valueOf(schema['items'], below)] : [];
    case 'integer':
      return Number.parseInt(hash.slice(0, 2), 16);
    case 'number':
      return Number.parseInt(hash.slice(0, 2), 16) / 256;
    case 'boolean':
      return Number.parseInt(hash.slice(0, 1), 16) % 2 === 0;
    case 'null':
      return null;
    default:
      return FORMATS[String(schema['format'])] ?? hash.slice(0, 8);
  }
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-11-20T12:00:00Z',
  time: '12:00:00Z',
  date: '2026-11-20',
  duration: 'P1D',
  email: 'someone@example.com',
  hostname: 'example.com',
  uri: 'https://example.com/',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
};

function objectValue(schema: JsonRecord, at: At): JsonRecord {
  const properties = isRecord(schema['properties']) ? schema['properties'] : {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, isRecord(property) ? valueOf(property, at) : null]),
  );
}

/** `#/$defs/NAME`; one that leads nowhere is a schema that allows anything. */
export function definition(root: JsonRecord, ref: string): JsonRecord {
  let at: unknown = root;
  for (const name of ref.split('/').slice(1)) at = isRecord(at) ? at[name] : undefined;
  return isRecord(at) ? at : {};
}
