/**
 * A value that a JSON schema allows, for requests with structured output.
 *
 * Small on purpose: objects with all their properties, arrays with one item, the enum value that the hash picks.
 * What it does not know becomes a string.
 */
import { isArray, isRecord, type JsonRecord } from './json.ts';

const DEPTH_MAX = 20;

export function schemaValue(schema: JsonRecord, hash: string, depth = 0): unknown {
  if (depth > DEPTH_MAX) return null;
  if ('const' in schema) return schema['const'];
  const choices = schema['enum'];
  if (isArray(choices) && choices.length > 0) return choices[Number.parseInt(hash.slice(0, 8), 16) % choices.length];
  const variants = schema['anyOf'] ?? schema['oneOf'];
  if (isArray(variants) && isRecord(variants[0])) return schemaValue(variants[0], hash, depth + 1);
  const type = isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'object':
      return objectValue(schema, hash, depth);
    case 'array':
      return isRecord(schema['items']) ? [schemaValue(schema['items'], hash, depth + 1)] : [];
    case 'integer':
      return Number.parseInt(hash.slice(0, 2), 16);
    case 'number':
      return Number.parseInt(hash.slice(0, 2), 16) / 256;
    case 'boolean':
      return Number.parseInt(hash.slice(0, 1), 16) % 2 === 0;
    case 'null':
      return null;
    default:
      return hash.slice(0, 8);
  }
}

function objectValue(schema: JsonRecord, hash: string, depth: number): JsonRecord {
  const properties = isRecord(schema['properties']) ? schema['properties'] : {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [
      name,
      isRecord(property) ? schemaValue(property, hash, depth + 1) : null,
    ]),
  );
}
