/**
 * How the ledger says that an answer does not follow the run's schema: an error type with the keyword and the place,
 * `batchrun_schema:minimum:/items/3/price`. The place is made of names of the schema and of numbers, never of what the
 * answer says. Outside of the ledger the type is `batchrun_schema` alone, and the rest is its message.
 */
import type { RowRecord } from './model.ts';

export const SCHEMA_ERROR = 'batchrun_schema';

/** The answer is not JSON, or there is none. */
export const NOT_JSON = 'json';
export const NO_TEXT = 'text';

export interface Deviation {
  /** The keyword of the schema that is not kept; or why there was nothing to hold against it. */
  readonly keyword: string;
  /** A JSON pointer into the answer. */
  readonly path: string;
}

/** Places deeper than this are cut: the type stands in the ledger for each such row. */
const PATH_CHARS_MAX = 200;

export function schemaErrorType({ keyword, path }: Deviation): string {
  return `${SCHEMA_ERROR}:${keyword}:${path.slice(0, PATH_CHARS_MAX)}`;
}

export function deviationOf(errorType: string | null): Deviation | null {
  const match = errorType === null ? null : /^batchrun_schema:([^:]*):(.*)$/s.exec(errorType);
  return match ? { keyword: match[1] ?? '', path: match[2] ?? '' } : null;
}

/** As the outputs and the counts call it. */
export function publicErrorType<T extends string | null>(errorType: T): T | typeof SCHEMA_ERROR {
  return deviationOf(errorType) === null ? errorType : SCHEMA_ERROR;
}

/** Has the row an answer that does not follow the schema? It is paid, and stays until there is a better one. */
export function hasDeviant(row: Pick<RowRecord, 'errorType' | 'result'> | undefined): boolean {
  return (row?.result ?? null) !== null && deviationOf(row?.errorType ?? null) !== null;
}

const SAID: Readonly<Record<string, string>> = {
  [NOT_JSON]: 'it is not JSON',
  [NO_TEXT]: 'it has no text',
  max_tokens: 'it was cut by max_tokens (give more with --max-tokens, or use --retry-truncated)',
  refusal: 'the model refused to answer',
  tool_use: 'it is a call of a tool',
  pause_turn: 'it stopped in the middle of its turn (pause_turn)',
  model_context_window_exceeded: 'it was cut by the context window of the model',
};

/** `minimum at /items/3/price`, `it is not JSON`. */
export function deviationText({ keyword, path }: Deviation): string {
  const said = Object.hasOwn(SAID, keyword) ? SAID[keyword] : undefined;
  return said ?? `${keyword} at ${path === '' ? 'the top' : path}`;
}

/** The same with `*` for the numbers of items, so that alike ones count together. */
export function deviationKind({ keyword, path }: Deviation): string {
  return deviationText({ keyword, path: path.replace(/\/\d+(?=\/|$)/g, '/*') });
}
