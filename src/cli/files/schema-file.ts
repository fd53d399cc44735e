/**
 * `--schema FILE`: read, checked and made ready before the input is read. What is wrong with it is said with its place.
 */
import { readFileSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { BatchrunError, fileReasonOf, isBatchrunError } from '../../base/errors.ts';
import { formatBytes, plural } from '../../base/units.ts';
import { jsonErrorPlace } from '../../domain/json-place.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';
import { answerColumns } from '../../domain/schema/answer-columns.ts';
import { SCHEMA_BYTES_MAX, toSchema, type ReadSchema } from '../../domain/schema/read-schema.ts';
import type { Context } from '../context.ts';

export type SchemaFile = ReadSchema;

/** Throws E_SCHEMA. */
export function readSchema(path: string): SchemaFile {
  return toSchema(parseSchema(path, readText(path)), { file: basename(path), shown: `--schema ${path}` });
}

function readText(path: string): string {
  try {
    const { size } = statSync(resolve(path));
    if (size > SCHEMA_BYTES_MAX) {
      const is = `has ${formatBytes(size)}; a schema is in every request, and may have ${formatBytes(SCHEMA_BYTES_MAX)}`;
      throw new BatchrunError('E_SCHEMA', `--schema ${path} ${is}`);
    }
    return readFileSync(resolve(path), 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (isBatchrunError(error)) throw error;
    throw new BatchrunError('E_SCHEMA', `--schema ${path} cannot be read: ${fileReasonOf(error)}`, {
      hint: 'Check the path of the file.',
    });
  }
}

function parseSchema(path: string, text: string): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    const { line, column } = jsonErrorPlace(text);
    throw new BatchrunError('E_SCHEMA', `--schema ${path}:${line}:${column} is not JSON`, {
      hint: 'It must be a JSON Schema in JSON, for example {"type":"object","properties":{"label":{"type":"string"}},"required":["label"]}.',
    });
  }
  if (isObject(parsed)) return parsed;
  throw new BatchrunError('E_SCHEMA', `--schema ${path} must hold one JSON object`);
}

/** What `submit` says of it before anything is sent. */
export function tellSchema({ flags, terminal }: Context, schema: SchemaFile | undefined): void {
  if (flags.quiet === true) return;
  if (!schema) {
    if (flags.onSchemaError !== undefined) terminal.talk('--on-schema-error says nothing without --schema.');
    return;
  }
  const { file } = schema.kept;
  const columns = answerColumns(schema.kept.schema).length;
  const again =
    flags.onSchemaError === 'retry'
      ? `asked again, up to ${plural(flags.maxAttempts, 'attempt')} in all, each of them paid`
      : 'failed';
  terminal.talk(`Schema ${file}: ${plural(columns, 'field')}; rows whose answer does not follow it are ${again}.`);
  for (const notice of schema.notices) terminal.talk(`  ${notice}`);
}
