/**
 * The configuration file: a JSON object with values for flags by their long names (`"chunk-size": 5000`). It stands
 * below flags and environment and above the defaults. Keys and prompts do not belong into it; the API key is read from
 * the environment alone.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { BatchrunError, messageOf, systemCodeOf } from '../base/errors.ts';

const DEFAULT_FILE = 'batchrun.config.json';

/** Fills in the values of the file where neither a flag nor the environment has given one. */
export function applyConfigFile(command: Command, cwd: string): void {
  const given = command.opts()['config'] as string | undefined;
  const file = resolve(cwd, given ?? DEFAULT_FILE);
  const values = readConfig(file, given !== undefined);
  if (!values) return;
  for (const [name, value] of Object.entries(values)) {
    const option = command.options.find((one) => one.long === `--${name}` || one.long === `--no-${name}`);
    // A file serves several commands: a flag that this one does not take is another one's.
    if (!option || !isUnset(command, option.attributeName())) continue;
    command.setOptionValueWithSource(option.attributeName(), readValue(option, value, { file, name }), 'config');
  }
}

function isUnset(command: Command, attribute: string): boolean {
  const source = command.getOptionValueSource(attribute);
  return source === undefined || source === 'default';
}

function readValue(
  option: Command['options'][number],
  value: unknown,
  place: { readonly file: string; readonly name: string },
): unknown {
  if (typeof value === 'boolean') return value;
  const text = Array.isArray(value)
    ? value.join(',')
    : typeof value === 'string' || typeof value === 'number'
      ? String(value)
      : undefined;
  if (text === undefined) {
    throw new BatchrunError('E_CONFIG', `${place.file}: "${place.name}" must be a text, a number or true/false`);
  }
  try {
    const read = option.parseArg as ((text: string, previous: undefined) => unknown) | undefined;
    return read ? read(text, undefined) : text;
  } catch (error) {
    throw new BatchrunError('E_CONFIG', `${place.file}: "${place.name}": ${messageOf(error)}`);
  }
}

function readConfig(file: string, required: boolean): Record<string, unknown> | null {
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
