/**
 * What keeps a schema from being asked for, and what is worth a word, before anything is read or sent. Whether it is a
 * schema at all says the compiler (adapters/schema); here is what the API's structured outputs take.
 *
 * Source of the limits: platform.claude.com/docs/en/build-with-claude/structured-outputs, as copied in 2026-04 to
 * 2026-10 (recursive schemas, references to other files, objects of any keys are refused with 400; at most 24 optional
 * properties and 16 unions), and the helper of SDK 1.10.0. The numbers are warned of and not refused: they may change.
 */
import { formatCount } from '../../base/units.ts';
import { closest } from '../row/closest.ts';
import { isObject, shown, type JsonObject } from '../row/shape.ts';
import { isEnforced, isKeyword, KEYWORDS, ONE_SCHEMA, SCHEMA_LIST, SCHEMAS_BY_NAME } from './keywords.ts';
import { ENFORCED_FORMATS, isPrimitive, typesOf } from './request-schema.ts';
import { pointerTo, resolveRef } from './refs.ts';

export const OPTIONAL_PROPERTIES_MAX = 24;
export const UNIONS_MAX = 16;
const DEPTH_MAX = 100;
const PROBLEMS_MAX = 5;
const DEFINITIONS: readonly string[] = ['$defs', 'definitions'];

export interface SchemaReport {
  /** Each with its place; where there is any, the schema is refused. */
  readonly problems: readonly string[];
  readonly notices: readonly string[];
}

export function checkSchema(schema: JsonObject): SchemaReport {
  const check = new SchemaCheck(schema);
  check.root();
  return { problems: check.problems, notices: check.notices };
}

class SchemaCheck {
  readonly problems: string[] = [];
  readonly #root: JsonObject;
  readonly #unenforced = new Set<string>();
  /** The schemas that are being looked at, each inside the one before; a reference to one of them leads in a circle. */
  readonly #way: unknown[] = [];
  readonly #seen = new Set<unknown>();
  readonly #mixes: string[] = [];
  #optional = 0;
  #unions = 0;

  constructor(root: JsonObject) {
    this.#root = root;
  }

  root(): void {
    const root = resolveRef(this.#root, this.#root);
    if (root && !typesOf(root).includes('object')) {
      const hint =
        'an answer is asked for as an object: put it into one, as {"type":"object","properties":{"items": …}}';
      this.#problem('#', `"type" must be "object"; ${hint}`);
    }
    this.#visit(this.#root, '#', 0);
  }

  get notices(): string[] {
    const notices: string[] = [];
    if (this.#unenforced.size > 0) {
      const names = [...this.#unenforced].sort().join(', ');
      notices.push(`not enforced by the API, told to the model and checked here: ${names}`);
    }
    if (this.#mixes.length > 0)
      notices.push(`the API is documented not to take allOf with $ref (${this.#mixes.slice(0, 3).join(', ')})`);
    const limit = (count: number, what: string, most: number, instead: string): void => {
      if (count <= most) return;
      const many = `it has ${formatCount(count)} ${what}; the API is documented (2026-10) to take ${most}`;
      notices.push(`${many}, and may refuse every row: ${instead}`);
    };
    const required = 'make them required, and let them be null where they may be missing';
    limit(this.#optional, 'optional properties', OPTIONAL_PROPERTIES_MAX, required);
    limit(this.#unions, 'unions (anyOf, oneOf, lists of types)', UNIONS_MAX, 'use fewer of them');
    return notices;
  }

  #problem(place: string, text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(`${place}: ${text}`);
  }

  #visit(schema: unknown, place: string, depth: number): void {
    if (!isObject(schema)) {
      this.#problem(place, 'must be an object with a type: true and false say nothing of the answer');
      return;
    }
    if (depth > DEPTH_MAX) {
      this.#problem(place, `is nested more than ${DEPTH_MAX} levels deep`);
      return;
    }
    if (this.#seen.has(schema)) return;
    this.#seen.add(schema);
    this.#way.push(schema);
    for (const name of Object.keys(schema)) this.#keyword(schema, name, place);
    const isRef = this.#follow(schema, place, depth);
    if (!isRef) this.#shape(schema, place);
    for (const [name, value] of Object.entries(schema)) {
      // What else stands beside a reference is not asked for.
      if (!isRef || DEFINITIONS.includes(name)) this.#below(name, value, { place: `${place}/${name}`, depth });
    }
    this.#way.pop();
  }

  #keyword(schema: JsonObject, name: string, place: string): void {
    if (name === '$dynamicRef' || name === '$recursiveRef' || name === '$dynamicAnchor') {
      this.#problem(`${place}/${name}`, 'the API takes no recursive schemas');
    } else if (!isKeyword(name)) {
      const nearest = closest(name, KEYWORDS);
      const meant = nearest === undefined ? '; call words of your own x-…' : `; did you mean ${nearest}?`;
      this.#problem(place, `${shown(name)} is no word of JSON Schema${meant}`);
    } else if (!isEnforced(name)) this.#unenforced.add(name);
    if (name === 'format' && !ENFORCED_FORMATS.has(String(schema['format']))) this.#unenforced.add('format');
    if (name === 'minItems' && Number(schema['minItems']) > 1) this.#unenforced.add('minItems');
    if (name === 'oneOf') this.#unenforced.add('oneOf (as anyOf)');
  }

  /** True where it is a reference. */
  #follow(schema: JsonObject, place: string, depth: number): boolean {
    const { $ref: ref } = schema;
    if (ref === undefined) return false;
    if (typeof ref !== 'string' || !/^#(?:\/|$)/.test(ref)) {
      this.#problem(`${place}/$ref`, 'must name a part of this file, as #/$defs/NAME');
      return true;
    }
    const target = pointerTo(this.#root, ref);
    if (target === undefined) this.#problem(`${place}/$ref`, `${shown(ref)} is not in this file`);
    else if (this.#way.includes(target)) {
      this.#problem(`${place}/$ref`, `${shown(ref)} leads back to itself: the API takes no recursive schemas`);
    } else this.#visit(target, ref, depth + 1);
    return true;
  }

  #shape(schema: JsonObject, place: string): void {
    const { enum: values, properties, required, additionalProperties: others } = schema;
    const types = typesOf(schema);
    const isLiteral =
      (Array.isArray(values) && values.every(isPrimitive)) || ('const' in schema && isPrimitive(schema['const']));
    const isUnion = ['anyOf', 'oneOf', 'allOf'].some((name) => Array.isArray(schema[name]));
    if (types.length === 0 && !isLiteral && !isUnion) {
      this.#problem(place, 'needs a "type" (or anyOf, enum, const, $ref)');
    }
    const isChoice = Array.isArray(schema['anyOf']) || Array.isArray(schema['oneOf']);
    if (isChoice || types.length > 1) this.#unions++;
    const { allOf } = schema;
    if (Array.isArray(allOf) && allOf.length > 1 && allOf.some((part) => isObject(part) && '$ref' in part))
      this.#mixes.push(place);
    if (!types.includes('object')) return;
    const names = isObject(properties) ? Object.keys(properties) : [];
    const isOpen = others !== undefined && others !== false;
    if (names.length === 0 && (isOpen || 'patternProperties' in schema)) {
      const instead = 'name its properties, or ask for a list of {"key": …, "value": …}';
      this.#problem(place, `is an object of any keys, which the API does not write: ${instead}`);
    } else if (isObject(others)) this.#unenforced.add('additionalProperties (no others are written)');
    const must = Array.isArray(required) ? required.map(String) : [];
    for (const name of must) {
      if (!names.includes(name)) this.#problem(`${place}/required`, `${shown(name)} is not among the properties`);
    }
    this.#optional += names.filter((name) => !must.includes(name)).length;
  }

  #below(name: string, value: unknown, at: { readonly place: string; readonly depth: number }): void {
    const depth = at.depth + 1;
    if (SCHEMAS_BY_NAME.has(name) && isObject(value)) {
      for (const [key, schema] of Object.entries(value)) this.#part(name, schema, `${at.place}/${key}`, depth);
    } else if (SCHEMA_LIST.has(name) && Array.isArray(value)) {
      for (const [nth, schema] of value.entries()) this.#part(name, schema, `${at.place}/${nth}`, depth);
    } else if (ONE_SCHEMA.has(name) && isObject(value)) this.#part(name, value, at.place, depth);
  }

  /** What is not asked for may be as it likes: the compiler looks at it. */
  #part(name: string, schema: unknown, place: string, depth: number): void {
    if (isEnforced(name) && !(name === 'additionalProperties')) this.#visit(schema, place, depth);
  }
}
