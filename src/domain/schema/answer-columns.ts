/**
 * The fields of an answer as columns of `flat` and `csv`, by the run's schema: its properties in their order, those of
 * objects in it as `address.city`, down to three levels; lists, and whatever lies deeper, as one value.
 */
import { isObject, type JsonObject } from '../row/shape.ts';
import { typesOf } from './request-schema.ts';
import { resolveRef } from './refs.ts';

/** A field of the answer. */
export interface AnswerColumn {
  /** `address.city`. */
  readonly name: string;
  readonly path: readonly string[];
}

export const COLUMN_DEPTH_MAX = 3;
/** A schema of thousands of fields is no table. What is beyond stands in `text`. */
const COLUMNS_MAX = 1_000;

export function answerColumns(schema: JsonObject): readonly AnswerColumn[] {
  const columns: AnswerColumn[] = [];
  const add = (object: JsonObject, path: readonly string[]): void => {
    for (const [name, property] of Object.entries(object)) {
      const below = path.length + 1 < COLUMN_DEPTH_MAX ? propertiesOf(schema, property) : null;
      if (below) add(below, [...path, name]);
      else if (columns.length < COLUMNS_MAX) columns.push({ name: [...path, name].join('.'), path: [...path, name] });
    }
  };
  add(propertiesOf(schema, schema) ?? {}, []);
  return columns;
}

/** The values of the columns, null where the answer has none; all null where it is no object in JSON. */
export function answerValues(columns: readonly AnswerColumn[], text: unknown): readonly unknown[] {
  const answer = typeof text === 'string' ? parsed(text) : null;
  return columns.map(({ path }) => {
    let at: unknown = answer;
    for (const name of path) at = isObject(at) && Object.hasOwn(at, name) ? at[name] : null;
    return at ?? null;
  });
}

/** Of an object with named properties, also of one that may be null. */
function propertiesOf(root: JsonObject, property: unknown): JsonObject | null {
  const schema = resolveRef(root, property);
  if (!schema) return null;
  const choices = schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf'];
  if (Array.isArray(choices)) {
    const others = (choices as unknown[]).filter((choice) => !isObject(choice) || choice['type'] !== 'null');
    return others.length === 1 ? propertiesOf(root, others[0]) : null;
  }
  const { properties } = schema;
  const isTable = isObject(properties) && Object.keys(properties).length > 0;
  return isTable && typesOf(schema).every((type) => type === 'object' || type === 'null') ? properties : null;
}

function parsed(text: string): unknown {
  // Most answers that are no JSON are seen by their first letter.
  if (!/^\s*\{/.test(text)) return null;
  try {
    return JSON.parse(text);
  } catch {
    // Only an answer that is none has come here: it stands in `text`.
    return null;
  }
}
