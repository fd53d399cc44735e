/**
 * Files of settings that people write by hand: JSON or YAML, read whole. What is wrong with the text of one is said with
 * its file and line. What is in it is for whoever asked.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type * as Yaml from 'yaml';
import { BatchrunError, messageOf, systemCodeOf } from '../base/errors.ts';

export interface DataFileOptions {
  /** What the file is, for messages: `the rules of --routes`. */
  readonly what: string;
  /** Null instead of an error where there is no such file. */
  readonly optional?: boolean;
}

/** Rules and settings are some pages; what is larger is another file than the one that was meant. */
const BYTES_MAX = 4 * 1024 * 1024;
/** `&a [*a, *a]`, nested: a small file must not become a large value. */
const ALIASES_MAX = 100;

/** The value of a JSON or YAML file; undefined where it is optional and not there. */
export function readDataFile(path: string, { what, optional = false }: DataFileOptions): unknown {
  const file = resolve(path);
  const text = readText(file, { what, optional });
  if (text === undefined) return undefined;
  if (Buffer.byteLength(text) > BYTES_MAX) {
    throw new BatchrunError('E_CONFIG', `${path} is larger than ${BYTES_MAX / 1024 / 1024} MiB: it cannot be ${what}`);
  }
  const value: unknown = /\.json$/i.test(file) ? parseJson(text, path) : parseYaml(text, path);
  if (value === undefined || value === null) throw new BatchrunError('E_CONFIG', `${path} is empty: ${what} go there`);
  return value;
}

function readText(file: string, { what, optional }: Required<DataFileOptions>): string | undefined {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const missing = systemCodeOf(error) === 'ENOENT';
    if (missing && optional) return undefined;
    const is = missing ? 'is not there' : `cannot be read (${messageOf(error)})`;
    throw new BatchrunError('E_CONFIG', `the file ${file} with ${what} ${is}`, {
      hint: 'Check the path.',
      cause: error,
    });
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const line = text.slice(0, brokenAt(text, messageOf(error))).split('\n').length;
    // Its message quotes a piece of the text.
    const what = messageOf(error)
      .replace(/,? \.*".*$/s, '')
      .replace(/ (?:in JSON )?at position.*$/s, '');
    throw new BatchrunError('E_CONFIG', `${path}:${line}: not valid JSON: ${what}`, { cause: error });
  }
}

const JSON_TOKEN = /\s+|"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|[{}[\],:]/y;

/** Where it is broken. The engine tells the place only in some of its messages. */
function brokenAt(text: string, message: string): number {
  const told = /at position (\d+)/.exec(message)?.[1];
  if (told !== undefined) return Number(told);
  for (let at = 0; at < text.length; at = JSON_TOKEN.lastIndex) {
    JSON_TOKEN.lastIndex = at;
    if (!JSON_TOKEN.test(text)) return at;
  }
  // All of it is in order, but not the order of it: YAML has the same brackets and commas.
  return yaml().parseDocument(text).errors[0]?.pos[0] ?? text.length;
}

/** Only where a file is YAML: it takes 15 ms to load, and what reads settings does so before anything else. */
function yaml(): typeof Yaml {
  return createRequire(import.meta.url)('yaml') as typeof Yaml;
}

function parseYaml(text: string, path: string): unknown {
  const document = yaml().parseDocument(text, { prettyErrors: true, uniqueKeys: true });
  const [error] = document.errors;
  if (error) {
    const line = error.linePos?.[0].line ?? 1;
    const [message = 'unreadable'] = error.message.split('\n');
    throw new BatchrunError('E_CONFIG', `${path}:${line}: not valid YAML: ${message.replace(/ at line .*$/, '')}`, {
      cause: error,
    });
  }
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (cause) {
    throw new BatchrunError('E_CONFIG', `${path}: not valid YAML: ${messageOf(cause)}`, { cause });
  }
}
