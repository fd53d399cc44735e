/**
 * Files of settings that people write by hand: JSON or YAML, read whole. What is wrong with the text of one is said with
 * its file and line, and without a word of the text: what stands there may be a key. What the values mean is for whoever
 * asked. YAML is 1.2, as JSON knows it: `no` and `06:00` are texts.
 */
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type * as Yaml from 'yaml';
import { BatchrunError, isBatchrunError, messageOf, systemCodeOf } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { jsonComplaint, jsonErrorPlace } from '../../domain/json-place.ts';
import { keyPlaces } from './json-keys.ts';

export interface DataFileOptions {
  /** What the file is, for messages: `the rules of --routes`. */
  readonly what: string;
  /** What to do where it is not there. */
  readonly missingHint?: string;
}

export interface DataFile {
  /** Null where there is nothing in it, or nothing but comments. */
  readonly value: unknown;
  /** The line, from 1, of the key at a path; undefined where there is none, or an alias stands for it. */
  readonly lineOf: (path: readonly string[]) => number | undefined;
}

/** Rules and settings are some pages; what is larger is another file than the one that was meant. */
const BYTES_MAX = 4 * 1024 * 1024;
/** `&a [*a, *a]`, nested: a small file must not become a large value. */
const ALIASES_MAX = 100;

/** The value of a file that must have one. */
export function readDataValue(path: string, options: DataFileOptions): unknown {
  const { value } = readDataFile(path, options);
  if (value === null) throw new BatchrunError('E_CONFIG', `${path} is empty: ${options.what} go there`);
  return value;
}

export function readDataFile(path: string, options: DataFileOptions): DataFile {
  const text = readText(path, options);
  return isYaml(path, text) ? parseYaml(text, path) : parseJson(text, path);
}

function readText(path: string, { what, missingHint = 'Check the path.' }: DataFileOptions): string {
  const file = resolve(path);
  try {
    if (statSync(file).size > BYTES_MAX) {
      throw new BatchrunError('E_CONFIG', `${path} is larger than ${formatBytes(BYTES_MAX)}: it cannot be ${what}`);
    }
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (isBatchrunError(error)) throw error;
    const missing = systemCodeOf(error) === 'ENOENT';
    const is = missing ? 'is not there' : `cannot be read (${messageOf(error)})`;
    throw new BatchrunError('E_CONFIG', `${what}: ${file} ${is}`, {
      hint: missing ? missingHint : 'Check the path.',
      cause: error,
    });
  }
}

function isYaml(path: string, text: string): boolean {
  if (/\.ya?ml$/i.test(path)) return true;
  return !/\.json$/i.test(path) && !/^\s*[{[]/.test(text);
}

function parseJson(text: string, path: string): DataFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const what = jsonComplaint(error).replace(/ at (?:character|position) .*$/s, '');
    throw new BatchrunError('E_CONFIG', `${path}:${jsonErrorPlace(text).line}: not valid JSON: ${what}`);
  }
  const { lineOf, twice } = keyPlaces(text);
  const [again] = twice;
  if (again) throw new BatchrunError('E_CONFIG', `${path}:${again.line}: "${again.key}" is there twice`);
  return { value, lineOf };
}

function parseYaml(text: string, path: string): DataFile {
  const { LineCounter, parseDocument } = yaml();
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter, strict: true, uniqueKeys: true });
  const lineAt = (offset: number): number => lineCounter.linePos(offset).line;
  const refused = (line: number, message: string): BatchrunError =>
    new BatchrunError('E_CONFIG', `${path}:${line}: not valid YAML: ${withoutQuotes(message)}`);
  const [error] = document.errors;
  if (error) throw refused(lineAt(error.pos[0]), error.message);
  const lineOf = (keys: readonly string[]): number | undefined => {
    const offset = keyOffset(document.contents, keys);
    return offset === undefined ? undefined : lineAt(offset);
  };
  try {
    return { value: document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown, lineOf };
  } catch (cause) {
    throw refused(1, messageOf(cause));
  }
}

function keyOffset(node: Yaml.ParsedNode | null, [name, ...rest]: readonly string[]): number | undefined {
  const { isMap, isScalar } = yaml();
  if (name === undefined || !isMap(node)) return undefined;
  for (const { key, value } of node.items) {
    if (!isScalar(key) || String(key.value) !== name) continue;
    return rest.length === 0 ? key.range[0] : keyOffset(value, rest);
  }
  return undefined;
}

/** Only where a file is YAML: it takes 28 ms to load, and settings are read before anything else. */
function yaml(): typeof Yaml {
  return createRequire(import.meta.url)('yaml') as typeof Yaml;
}

function withoutQuotes(message: string): string {
  const [first = ''] = message.split('\n');
  return first.replace(/: [^:]*$/, '').slice(0, 160);
}
