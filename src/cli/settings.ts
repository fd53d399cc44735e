/**
 * Values of flags from elsewhere: the environment (BATCHRUN_CHUNK_SIZE=5000) and the configuration file, a JSON object
 * by the flags' long names (`{"chunk-size": 5000}`). Flag > environment > file > default. Keys and prompts do not
 * belong into the file; a pool of keys is named there by environment variables (`api-keys-env`, key-pool.ts).
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command, Option } from 'commander';
import { BatchrunError, messageOf, systemCodeOf } from '../base/errors.ts';
import { FLAG_NAMES, longName } from './options.ts';

const DEFAULT_FILE = 'batchrun.config.json';
const YES = ['1', 'true', 'yes', 'on'];
const NO = ['0', 'false', 'no', 'off'];

/** Fills in what no flag has given. */
export function applySettings(command: Command, env: NodeJS.ProcessEnv, cwd: string): void {
  for (const option of command.options) applyVariable(command, option, env);
  applyFile(command, cwd);
}

/** `--chunk-size` is BATCHRUN_CHUNK_SIZE; an empty variable counts as not set. */
function applyVariable(command: Command, option: Option, env: NodeJS.ProcessEnv): void {
  const name = `BATCHRUN_${plainName(option).replaceAll('-', '_').toUpperCase()}`;
  const text = env[name];
  if (text === undefined || text === '' || !isUnset(command, option)) return;
  if (!option.isBoolean()) {
    set(command, option, { value: readText(option, text, name), source: 'env' });
    return;
  }
  const word = text.toLowerCase();
  if (!YES.includes(word) && !NO.includes(word)) {
    throw new BatchrunError('E_CONFIG', `${name} is "${text}": it must be one of ${[...YES, ...NO].join(', ')}`);
  }
  set(command, option, { value: YES.includes(word), source: 'env' });
}

function applyFile(command: Command, cwd: string): void {
  const given = command.opts()['config'] as string | undefined;
  const file = resolve(cwd, given ?? DEFAULT_FILE);
  const values = readFile(file, given !== undefined);
  for (const [name, value] of Object.entries(values ?? {})) {
    if (!FLAG_NAMES.some((flag) => longName(flag).replace(/^no-/, '') === name)) {
      throw new BatchrunError('E_CONFIG', `${file}: there is no flag "${name}"`);
    }
    const option = command.options.find((one) => plainName(one) === name);
    // A file serves several commands: a flag that this one does not take is another one's.
    if (!option || !isUnset(command, option)) continue;
    set(command, option, { value: readJson(option, value, `${file}: "${name}"`), source: 'config' });
  }
}

function readJson(option: Option, value: unknown, where: string): unknown {
  if (option.isBoolean()) {
    if (typeof value === 'boolean') return value;
    throw new BatchrunError('E_CONFIG', `${where} must be true or false`);
  }
  if (typeof value === 'string' || typeof value === 'number') return readText(option, String(value), where);
  if (Array.isArray(value)) return readText(option, value.join(','), where);
  // Params are JSON on the command line and may stand as they are in a file.
  if (plainName(option) === 'params' && typeof value === 'object' && value !== null) return JSON.stringify(value);
  throw new BatchrunError('E_CONFIG', `${where} must be a text or a number`);
}

function readText(option: Option, text: string, where: string): unknown {
  const read = option.parseArg as ((text: string, previous: undefined) => unknown) | undefined;
  try {
    return read ? read(text, undefined) : text;
  } catch (error) {
    throw new BatchrunError('E_CONFIG', `${where}: ${messageOf(error)}`);
  }
}

function plainName(option: Option): string {
  return (option.long ?? '').replace(/^--(no-)?/, '');
}

function isUnset(command: Command, option: Option): boolean {
  const source = command.getOptionValueSource(option.attributeName());
  return source === undefined || source === 'default';
}

function set(command: Command, option: Option, { value, source }: { value: unknown; source: 'env' | 'config' }): void {
  command.setOptionValueWithSource(option.attributeName(), value, source);
}

function readFile(file: string, required: boolean): Record<string, unknown> | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (!required && systemCodeOf(error) === 'ENOENT') return null;
    throw new BatchrunError('E_CONFIG', `the configuration file ${file} cannot be read: ${messageOf(error)}`);
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch (error) {
    throw new BatchrunError('E_CONFIG', `${file} is not JSON: ${messageOf(error)}`);
  }
  throw new BatchrunError('E_CONFIG', `${file} must hold one JSON object`);
}
