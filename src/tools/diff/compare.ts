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
  try {
    collect(a, b, { path, depth: 0, found });
  } catch (error) {
    // Nested more deeply than can be looked at.
    if (!(error instanceof RangeError)) throw error;
    found.add(path === '' ? WHOLE : path);
  }
  return [...found];
}

interface Place {
  readonly path: string;
  readonly depth: number;
  readonly found: Set<string>;
}

function collect(a: unknown, b: unknown, { path, depth, found }: Place): void {
  if (Object.is(a, b)) return;
  const below = (name: string): Place => ({ path: name, depth: depth + 1, found });
  if (depth < DEPTH_MAX && isObject(a) && isObject(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const [one, other] = [ownValue(a, key), ownValue(b, key)];
      collect(one, other, below(path === '' ? key : `${path}.${key}`));
    }
  } else if (depth < DEPTH_MAX && Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    for (let at = 0; at < a.length; at++) collect(a[at], b[at], below(`${path}[]`));
  } else if (depth < DEPTH_MAX || JSON.stringify(a) !== JSON.stringify(b)) {
    found.add(path === '' ? WHOLE : path);
  }
}

/** What is not there is not the same as null. */
function ownValue(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
