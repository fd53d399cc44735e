/**
 * Checks answers against a JSON Schema with ajv: compiled once, then some microseconds an answer. What it says of an
 * answer is a keyword and a place in names of the schema; the answer's own words never leave this room.
 */
import type { Ajv, ErrorObject, Options, ValidateFunction } from 'ajv';
import type { Ajv2019 } from 'ajv/dist/2019.js';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import type { AnswerCheck, AnswerSchema } from '../../domain/answer-check.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';
import type { Deviation } from '../../domain/schema-error.ts';
import { NOTES } from '../../domain/schema/keywords.ts';

/** The first deviation is enough. What is strict about types would refuse sound schemas. */
const OPTIONS: Options = {
  ...{ allErrors: false, logger: false, addUsedSchema: false },
  ...{ strict: true, strictTypes: false, strictTuples: false, strictRequired: false },
};

type Compiler = Ajv | Ajv2019 | Ajv2020;

/** Throws E_SCHEMA. */
export async function compileSchema({ file, schema }: Pick<AnswerSchema, 'file' | 'schema'>): Promise<AnswerCheck> {
  const validate = await compiled(file, schema);
  const names = new Set<string>();
  collectNames(schema, names);
  return (value) => {
    if (validate(value)) return null;
    // Of a choice the errors of its branches come first and the one of the choice last.
    const error = validate.errors?.at(-1);
    return error ? deviationFrom(error, names) : { keyword: 'schema', path: '' };
  };
}

async function compiled(file: string, schema: JsonObject): Promise<ValidateFunction> {
  // Which draft it is was said by its name: the draft's own schema is with the compiler.
  const { $schema: draft, ...rest } = schema;
  const ajv = await newAjv(file, draft);
  for (const name of ownWords(schema)) if (!Object.hasOwn(ajv.RULES.keywords, name)) ajv.addKeyword(name);
  try {
    return ajv.compile(rest);
  } catch (error) {
    throw new BatchrunError('E_SCHEMA', `${file} is not a schema that answers can be checked against: ${said(error)}`);
  }
}

async function newAjv(file: string, draft: unknown): Promise<Compiler> {
  const ajv = await ajvOf(file, draft);
  formats.default(ajv);
  return ajv;
}

/** Without a word about it the newest draft, which is nearly all of the older ones. */
async function ajvOf(file: string, draft: unknown): Promise<Compiler> {
  if (draft === undefined || (typeof draft === 'string' && draft.includes('/2020-12/')))
    return new (await import('ajv/dist/2020.js')).Ajv2020(OPTIONS);
  if (typeof draft === 'string' && draft.includes('/2019-09/'))
    return new (await import('ajv/dist/2019.js')).Ajv2019(OPTIONS);
  if (typeof draft === 'string' && /draft-0[67]\b/.test(draft)) return new (await import('ajv')).Ajv(OPTIONS);
  throw new BatchrunError('E_SCHEMA', `${file}: #/$schema names a draft that is not known here`, {
    hint: 'There are draft-06, draft-07, 2019-09 and 2020-12; without "$schema" it is 2020-12.',
  });
}

/** It says where: `data/properties/score/minimum must be number`. */
function said(error: unknown): string {
  return messageOf(error)
    .replace(/^schema is invalid: data/, '#')
    .replace(/, data\//g, ', #/')
    .slice(0, 500);
}

/** Words that check nothing. */
function ownWords(schema: unknown, found = new Set<string>(NOTES)): ReadonlySet<string> {
  if (Array.isArray(schema)) for (const part of schema) ownWords(part, found);
  if (!isObject(schema)) return found;
  for (const [name, part] of Object.entries(schema)) {
    if (name.startsWith('x-')) found.add(name);
    ownWords(part, found);
  }
  return found;
}

/** Of all properties: what may be said of a place. */
function collectNames(schema: unknown, names: Set<string>): void {
  if (Array.isArray(schema)) for (const part of schema) collectNames(part, names);
  if (!isObject(schema)) return;
  for (const [keyword, part] of Object.entries(schema)) {
    if (keyword === 'properties' && isObject(part)) for (const name of Object.keys(part)) names.add(name);
    collectNames(part, names);
  }
}

function deviationFrom({ keyword, instancePath, params }: ErrorObject, names: ReadonlySet<string>): Deviation {
  const parts = instancePath.split('/').slice(1);
  const { missingProperty: missing } = params as { readonly missingProperty?: unknown };
  if (typeof missing === 'string') parts.push(missing.replaceAll('~', '~0').replaceAll('/', '~1'));
  // A key that the schema does not name is a word of the answer.
  const isOurs = (part: string): boolean => /^\d{1,6}$/.test(part) || names.has(plain(part));
  return { keyword, path: parts.map((part) => `/${isOurs(part) ? part : '?'}`).join('') };
}

function plain(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
