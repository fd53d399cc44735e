/**
 * Does an answer follow the schema that a run was submitted with (`--schema`)? The checking of a value is behind a port:
 * adapters/schema compiles a schema once. Here is what of an answer is checked, and what a deviation leads to.
 */
import type { JsonObject } from './row/shape.ts';
import { messageText } from './result-line.ts';
import type { AnswerSchema } from './schema/answer-schema.ts';
import { NOT_JSON, NO_TEXT, SCHEMA_ERROR, schemaErrorType, type Deviation } from './schema-error.ts';

export type { AnswerSchema };

/** Null where the value follows the schema; else where it does not, in names of the schema and numbers alone. */
export type AnswerCheck = (value: unknown) => Deviation | null;

export interface SchemaCompiler {
  /** Throws E_SCHEMA where it is none. `file`: for its message. */
  compile(schema: Pick<AnswerSchema, 'file' | 'schema'>): Promise<AnswerCheck>;
}

/** Answers that came to their end by themselves; all others may be a part of an answer, or none. */
const WHOLE: ReadonlySet<string> = new Set(['end_turn', 'stop_sequence']);

/**
 * The error type of an answer that does not follow the schema; null where it does. One that was cut or refused is called
 * by why it stopped, unless what there is follows the schema all the same.
 */
export function deviantType(check: AnswerCheck, message: JsonObject, stopReason: string | undefined): string | null {
  const deviation = deviationIn(check, messageText(message));
  if (deviation === null) return null;
  if (stopReason === undefined || WHOLE.has(stopReason)) return schemaErrorType(deviation);
  return schemaErrorType({ keyword: stopReason.replace(/[^a-z_]/g, '_').slice(0, 64), path: '' });
}

/**
 * Whole, and not what was asked for: the same request may bring a better one, and is paid again. What was cut or refused
 * ends in the same way again (facts, section 10).
 */
export function routeDeviation(
  line: { readonly deviation?: string; readonly stopReason?: string | undefined },
  again: boolean,
): { readonly kind: 'failed' | 'retry'; readonly errorType: string } {
  const isWhole = line.stopReason === undefined || WHOLE.has(line.stopReason);
  return { kind: again && isWhole ? 'retry' : 'failed', errorType: line.deviation ?? SCHEMA_ERROR };
}

function deviationIn(check: AnswerCheck, text: string): Deviation | null {
  if (text === '') return { keyword: NO_TEXT, path: '' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the parser says quotes the answer.
    return { keyword: NOT_JSON, path: '' };
  }
  return check(value);
}
