/**
 * Values of flags from elsewhere: the environment (BATCHRUN_CHUNK_SIZE=5000), and the configuration file with its
 * profiles (config-file.ts). Flag > environment > profile > file > default. Keys do not belong into the file; a pool of
 * keys is named there by environment variables (`api-keys-env`, key-pool.ts).
 *
 * Where each value comes from is kept, for `batchrun config`.
 */
import type { Command, Option } from 'commander';
import { BatchrunError, messageOf } from '../../base/errors.ts';
import { closest } from '../../domain/row/closest.ts';
import { findConfig, readConfig, type ConfigFile, type FileSettings } from '../files/config-file.ts';
import { COMMAND_FLAGS, type FlagName } from './option-table.ts';

const YES = ['1', 'true', 'yes', 'on'];
const NO = ['0', 'false', 'no', 'off'];

/** Where the value of a flag is from, where no flag was typed. */
export type Origin =
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'profile'; readonly profile: string; readonly file: string; readonly line: number }
  | { readonly kind: 'file'; readonly file: string; readonly line: number };

export interface SettingSource {
  readonly origin: Origin;
  /** As it was written; true and false for a switch. */
  readonly typed: string | boolean;
}

export interface Settings {
  readonly file: ConfigFile | null;
  readonly profile: string | null;
  /** By the name that a flag has among the values of a command. */
  readonly sources: ReadonlyMap<string, SettingSource>;
}

export interface SettingsFrom {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Commands that write or describe the file must also work where there is none, or a broken one. */
  readonly ignoresFile?: boolean;
}

/** Fills in what no flag has given. */
export function applySettings(command: Command, from: SettingsFrom): Settings {
  const sources = new Map<string, SettingSource>();
  for (const option of command.options) applyVariable(command, { option, env: from.env, sources });
  if (from.ignoresFile === true) return { file: null, profile: null, sources };
  const given = command.opts()['config'] as string | undefined;
  const path = findConfig(given, from.cwd);
  const file = path === null ? null : readConfig(path);
  if (file) applyProfileName(command, file, sources);
  const profile = (command.opts()['profile'] as string | undefined) ?? null;
  const ofProfile = profile === null ? null : profileOf(file, profile);
  if (file && profile !== null && ofProfile) {
    const originAt = (line: number): Origin => ({ kind: 'profile', profile, file: file.path, line });
    applyFile(command, { values: ofProfile, originAt, sources });
  }
  if (file) {
    const originAt = (line: number): Origin => ({ kind: 'file', file: file.path, line });
    applyFile(command, { values: file.settings, originAt, sources });
  }
  return { file, profile, sources };
}

/** The environment variable of an option: BATCHRUN_CHUNK_SIZE. */
export function variableOf(option: Option): string {
  return `BATCHRUN_${plainName(option).replaceAll('-', '_').toUpperCase()}`;
}

/** An empty variable counts as not set. */
function applyVariable(
  command: Command,
  { option, env, sources }: { option: Option; env: NodeJS.ProcessEnv; sources: Map<string, SettingSource> },
): void {
  const name = variableOf(option);
  const text = env[name];
  if (text === undefined || text === '' || !isUnset(command, option)) return;
  const word = text.toLowerCase();
  if (option.isBoolean() && !YES.includes(word) && !NO.includes(word)) {
    throw new BatchrunError('E_CONFIG', `${name} is "${text}": it must be one of ${[...YES, ...NO].join(', ')}`);
  }
  const value = option.isBoolean() ? YES.includes(word) : readText(option, text, name);
  command.setOptionValueWithSource(option.attributeName(), value, 'env');
  const typed = option.isBoolean() ? YES.includes(word) : text;
  sources.set(option.attributeName(), { origin: { kind: 'environment', name }, typed });
}

/** The file may name the profile that is used where nothing else does. */
function applyProfileName(command: Command, file: ConfigFile, sources: Map<string, SettingSource>): void {
  const setting = file.settings.get('profile');
  if (!setting || command.opts()['profile'] !== undefined) return;
  command.setOptionValueWithSource('profile', setting.typed, 'config');
  const origin: Origin = { kind: 'file', file: file.path, line: setting.line };
  sources.set('profile', { origin, typed: setting.typed });
}

function profileOf(file: ConfigFile | null, name: string): FileSettings {
  if (!file) {
    throw new BatchrunError('E_CONFIG', `there is no profile "${name}": there is no configuration file here`, {
      hint: 'Write one with `batchrun init`, or name one with --config.',
    });
  }
  const found = file.profiles.get(name);
  if (found) return found;
  const names = [...file.profiles.keys()];
  const meant = closest(name, names);
  throw new BatchrunError('E_CONFIG', `${file.path} has no profile "${name}"`, {
    hint:
      names.length === 0
        ? 'Profiles stand in it under "profiles", by their names.'
        : `${meant === undefined ? '' : `Did you mean "${meant}"? `}There ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}.`,
  });
}

interface FilePart {
  readonly values: FileSettings;
  readonly originAt: (line: number) => Origin;
  readonly sources: Map<string, SettingSource>;
}

/** A file serves several commands: a flag that this one does not take is another one's. */
function applyFile(command: Command, { values, originAt, sources }: FilePart): void {
  for (const option of command.options) {
    const attribute = option.attributeName();
    const setting = values.get(attribute as FlagName);
    if (!setting || !isUnset(command, option) || !isTableFlag(command, attribute)) continue;
    const { typed, line } = setting;
    const value = typeof typed === 'boolean' ? typed : readText(option, typed, `"${plainName(option)}"`);
    command.setOptionValueWithSource(attribute, value, 'config');
    sources.set(attribute, { origin: originAt(line), typed });
  }
}

/** A flag that only one command has (sim's faults) may be called like one of the table. */
function isTableFlag(command: Command, attribute: string): boolean {
  const flags = COMMAND_FLAGS[command.name()];
  return flags === undefined || (flags as readonly string[]).includes(attribute);
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
