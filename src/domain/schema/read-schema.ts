/**
 * A JSON Schema that answers must follow, checked and made ready: what is kept with the run, and what rows ask for.
 */
import { BatchrunError } from '../../base/errors.ts';
import type { AnswerSchema } from '../answer-check.ts';
import { settingHash } from '../fingerprint.ts';
import type { JsonObject } from '../row/shape.ts';
import { checkSchema } from './check-schema.ts';
import { outputFormat, type OutputFormat } from './request-schema.ts';

/** It is kept with the run, and is in each request. The API takes far smaller ones. */
export const SCHEMA_BYTES_MAX = 256 * 1024;

export interface ReadSchema {
  readonly kept: AnswerSchema;
  /** What rows get that ask for no format of their own. */
  readonly format: OutputFormat;
  readonly notices: readonly string[];
}

/** Throws E_SCHEMA. `file`: what it is called with the run; `shown`: in messages. */
export function toSchema(
  schema: JsonObject,
  { file, shown }: { readonly file: string; readonly shown: string },
): ReadSchema {
  const { problems, notices } = checkSchema(schema);
  const [first, ...others] = problems;
  if (first !== undefined) {
    const more = others.map((problem) => `\n  ${problem}`).join('');
    throw new BatchrunError('E_SCHEMA', `${shown}: ${first}${more}`);
  }
  const format = outputFormat(schema);
  return { kept: { file, schema, formatHash: settingHash(format) }, format, notices };
}
