/**
 * The words of JSON Schema (drafts 7, 2019-09 and 2020-12): which hold schemas in them, and which the API's structured
 * outputs enforce. A word that is not here is most likely misspelt, and would silently check nothing.
 */

/** Their value is a schema. */
const ONE = [
  ...['additionalProperties', 'additionalItems', 'contains', 'contentSchema', 'else', 'if', 'items', 'not'],
  ...['propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties'],
];
/** A list of schemas. */
const LIST = ['allOf', 'anyOf', 'oneOf', 'prefixItems', 'items'];
/** An object of schemas by name. */
const BY_NAME = ['$defs', 'definitions', 'dependentSchemas', 'patternProperties', 'properties'];

const VALUES = [
  ...['$anchor', '$comment', '$id', '$ref', '$schema', 'const', 'contentEncoding', 'contentMediaType'],
  ...['dependentRequired', 'dependencies', 'enum', 'exclusiveMaximum', 'exclusiveMinimum', 'format', 'maxContains'],
  ...['maxItems', 'maxLength', 'maxProperties', 'maximum', 'minContains', 'minItems', 'minLength', 'minProperties'],
  ...['minimum', 'multipleOf', 'pattern', 'required', 'type', 'uniqueItems'],
];

/** For people and tools: they check nothing. */
export const NOTES: readonly string[] = [
  ...['default', 'deprecated', 'description', 'examples', 'readOnly', 'title', 'writeOnly'],
  // Of the generators and editors in use.
  ...['enumDescriptions', 'enumNames', 'example', 'markdownDescription', 'propertyOrdering'],
];

export const ONE_SCHEMA: ReadonlySet<string> = new Set(ONE);
export const SCHEMA_LIST: ReadonlySet<string> = new Set(LIST);
export const SCHEMAS_BY_NAME: ReadonlySet<string> = new Set(BY_NAME);
export const KEYWORDS: readonly string[] = [...new Set([...ONE, ...LIST, ...BY_NAME, ...VALUES, ...NOTES])];
const KNOWN: ReadonlySet<string> = new Set(KEYWORDS);

export function isKeyword(name: string): boolean {
  return KNOWN.has(name) || name.startsWith('x-');
}

/** Enforced by the API, or of no consequence for an answer; of `format` and `minItems` only some values are. */
const ENFORCED: ReadonlySet<string> = new Set([
  ...['$anchor', '$comment', '$defs', '$id', '$ref', '$schema', 'additionalProperties', 'allOf', 'anyOf', 'const'],
  ...['definitions', 'enum', 'format', 'items', 'minItems', 'oneOf', 'properties', 'required', 'type', ...NOTES],
]);

export function isEnforced(name: string): boolean {
  return ENFORCED.has(name) || name.startsWith('x-');
}
