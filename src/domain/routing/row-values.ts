/**
 * What a condition sees of a row: values by name, as text, as a number, or by their length.
 */
import type { JsonObject } from '../row/shape.ts';
import type { Subject } from './rules.ts';

/** A row as the rules see it. */
export interface RoutedRow {
  /** The whole record. */
  readonly record: JsonObject;
  /** The params that it brings itself; undefined for plain data. */
  readonly own: JsonObject | undefined;
  /** Estimated input tokens; asked for only by rules that need them. */
  readonly tokens: () => number;
}

/** Gives a value by its name, or undefined where the row has none. */
export function valueReader(subject: Subject): (row: RoutedRow) => unknown {
  if (subject.kind === 'tokens') return (row) => row.tokens();
  const { kind, name } = subject;
  const path = name.split('.');
  const reach = path.length === 1 ? () => undefined : (value: JsonObject) => along(value, path);
  return (row) => {
    const values = kind === 'column' ? row.record : row.own;
    if (values === undefined) return undefined;
    // A column of exactly this name goes first, as in templates.
    return Object.hasOwn(values, name) ? values[name] : reach(values);
  };
}

function along(start: JsonObject, path: readonly string[]): unknown {
  let value: unknown = start;
  for (const key of path) {
    // Of a list only its elements: `length` is not something that the row says.
    const reachable = Array.isArray(value) ? /^\d+$/.test(key) : typeof value === 'object' && value !== null;
    if (!reachable || !Object.hasOwn(value as object, key)) return undefined;
    value = (value as JsonObject)[key];
  }
  return value;
}

/** Null and an empty cell are what a row has nothing in. */
export function isThere(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

/** As a template would write it. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined ? '' : JSON.stringify(value);
}

const NUMBER = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/;

/** A number, also one that stands in a cell; NaN where it is none, so that no comparison holds. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && NUMBER.test(value) ? Number(value) : NaN;
}

/** Characters of a text (UTF-16 units, as everywhere in JavaScript); of a list its entries. */
export function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value === undefined || value === null) return 0;
  return Array.isArray(value) ? value.length : textOf(value).length;
}
