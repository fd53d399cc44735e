/**
 * What differs between two answers to one row. Pure. Answers that are JSON are compared as JSON: white space and the
 * order of keys are no difference, and what differs is named by its fields.
 */
import type { ResultView } from '../results/result-view.ts';
import { isObject } from '../../domain/row/shape.ts';

export type Change =
  /** It succeeded once and not the other time, or failed for another reason. */
  | { readonly kind: 'outcome' }
  /** Both succeeded, with other words. Fields are named where both answers are JSON. */
  | { readonly kind: 'answer'; readonly fields: readonly string[] | null }
  /** Both are the same JSON, written in another way. */
  | { readonly kind: 'layout' }
  | { readonly kind: 'same' };

export function compareRows(a: ResultView, b: ResultView): Change {
  if (outcomeText(a) !== outcomeText(b)) return { kind: 'outcome' };
  if (a.outcome !== 'succeeded') return { kind: 'same' };
  const calls = a.calls.length + b.calls.length === 0 ? [] : differingFields(a.calls, b.calls, 'tools');
  const [one, other] = [a.text ?? '', b.text ?? ''];
  if (one === other) return calls.length === 0 ? { kind: 'same' } : { kind: 'answer', fields: calls };
  const json = [parsedJson(one), parsedJson(other)] as const;
  if (json[0] === undefined || json[1] === undefined) return { kind: 'answer', fields: null };
  const fields = [...calls, ...differingFields(json[0], json[1], '')];
  return fields.length === 0 ? { kind: 'layout' } : { kind: 'answer', fields };
}

/** `failed (overloaded_error)`: for a failure its type is a part of it. */
export function outcomeText({ outcome, errorType }: ResultView): string {
  return errorType === null || outcome === 'succeeded' ? outcome : `${outcome} (${errorType})`;
}

/** An object or a list; a bare number or text is a text like any other. */
function parsedJson(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    // It only begins like JSON: then it is a text.
    return undefined;
  }
}

/** The name of an answer as a whole. */
export const WHOLE = '(the whole)';
/** Levels that are looked into: below them a part differs as a whole. */
const DEPTH_MAX = 50;

/** Paths such as `items[].name`, each once; none where both are the same. */
export function differingFields(a: unknown, b: unknown, path: string): readonly string[] {
  const found = new Set<string>();
  collect(a, b, { path, depth: 0, found });
  return [...found];
}

interface Place {
  readonly path: string;
  readonly depth: number;
  readonly found: Set<string>;
}

function collect(a: unknown, b: unknown, { path, depth, found }: Place): void {
  const parts = depth < DEPTH_MAX ? partsOf(a, b) : null;
  if (parts === null) {
    if (!isSame(a, b)) found.add(path === '' ? WHOLE : path);
    return;
  }
  const isList = Array.isArray(a);
  for (const [name, one, other] of parts) {
    const below = isList ? `${path}[]` : path === '' ? name : `${path}.${name}`;
    collect(one, other, { path: below, depth: depth + 1, found });
  }
}

type Part = readonly [name: string, a: unknown, b: unknown];

/** What of two objects, or of two lists of one length, belongs together; null where they are compared as a whole. */
function partsOf(a: unknown, b: unknown): readonly Part[] | null {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length ? a.map((item: unknown, at): Part => ['', item, b[at]]) : null;
  }
  if (!isObject(a) || !isObject(b)) return null;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].map((key): Part => [key, ownValue(a, key), ownValue(b, key)]);
}

/** At any depth: what is left to compare is in a list, since the stack holds more or less from Node to Node. */
function isSame(a: unknown, b: unknown): boolean {
  const left: Part[] = [['', a, b]];
  for (let part = left.pop(); part; part = left.pop()) {
    const [, one, other] = part;
    if (Object.is(one, other)) continue;
    const parts = partsOf(one, other);
    if (parts === null) return false;
    for (const below of parts) left.push(below);
  }
  return true;
}

/** What is not there is not the same as null. */
function ownValue(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
