/**
 * The configuration file: batchrun.config.json, .yaml or .yml in the working directory, or the one that --config names.
 * It holds values by the flags' long names, and `profiles` with sets of them by name:
 *
 *     model: claude-haiku-5-5
 *     profiles:
 *       nightly: { quiet: true }
 *
 * Everything in it is checked before anything is used, and all that is wrong is said at once, with file and line and the
 * name that was most likely meant. Values are never quoted: one of them may be a key, and keys do not belong here.
 */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { BatchrunError } from '../../base/errors.ts';
import { plural } from '../../base/units.ts';
import { closest } from '../../domain/row/closest.ts';
import { isObject, type JsonObject } from '../../domain/row/shape.ts';
import { readDataFile, type DataFile } from './data-file.ts';
import type { FlagName } from '../flags/option-table.ts';
import { FILE_FLAGS, settingText } from '../flags/setting-values.ts';

export const CONFIG_FILES = ['batchrun.config.json', 'batchrun.config.yaml', 'batchrun.config.yml'] as const;

export interface FileSetting {
  /** As it would be typed; true and false for a switch. */
  readonly typed: string | boolean;
  readonly line: number;
}

export type FileSettings = ReadonlyMap<FlagName, FileSetting>;

export interface ConfigFile {
  readonly path: string;
  readonly settings: FileSettings;
  readonly profiles: ReadonlyMap<string, FileSettings>;
}

/** Beside flags: what editors read, and the profiles. */
const SCHEMA_KEY = '$schema';
const PROFILES_KEY = 'profiles';

/** The file that is meant: that of --config, else the one in the folder; null where there is none. */
export function findConfig(given: string | undefined, cwd: string): string | null {
  if (given !== undefined) return resolve(cwd, given);
  const found = CONFIG_FILES.filter((name) => existsSync(resolve(cwd, name)));
  if (found.length > 1) {
    throw new BatchrunError('E_CONFIG', `there are several configuration files here: ${found.join(' and ')}`, {
      hint: 'Keep one of them, or name one with --config.',
    });
  }
  return found[0] === undefined ? null : resolve(cwd, found[0]);
}

export function readConfig(path: string): ConfigFile {
  const missingHint = 'Check the path; `batchrun init` writes such a file.';
  const { value, lineOf } = readDataFile(path, { what: 'the configuration', missingHint });
  // A file of nothing but comments sets nothing.
  const flags = value ?? {};
  if (!isObject(flags)) throw new BatchrunError('E_CONFIG', `${path} must hold names with values, such as "model: …"`);
  return new Checker(path, lineOf).check(flags);
}

/** An API key as Anthropic writes it. */
const KEY = /sk-ant-[A-Za-z0-9_-]{8,}/;
const URL_WITH_PASSWORD = /^[a-z]+:\/\/[^/@]*:[^/@]+@/i;
/** Names of things that nobody should write into a file. */
const SECRET_NAME = /(?:api|admin|access)[-_]?keys?$|^keys?$|auth[-_]?token|^token$|secret|passw(?:or)?d|credential/i;

class Checker {
  readonly #path: string;
  readonly #lineOf: DataFile['lineOf'];
  readonly #problems: string[] = [];
  #hasSecret = false;

  constructor(path: string, lineOf: DataFile['lineOf']) {
    this.#path = path;
    this.#lineOf = lineOf;
  }

  check(file: JsonObject): ConfigFile {
    const { [SCHEMA_KEY]: _editors, [PROFILES_KEY]: profiles = {}, ...flags } = file;
    const settings = this.#settings(flags, []);
    const checked = new Map<string, FileSettings>();
    if (!isObject(profiles)) this.#problem([PROFILES_KEY], `"${PROFILES_KEY}" must hold profiles by their names`);
    else for (const [name, values] of Object.entries(profiles)) checked.set(name, this.#profile(name, values));
    this.#refuse();
    return { path: this.#path, settings, profiles: checked };
  }

  #profile(name: string, values: unknown): FileSettings {
    const place = [PROFILES_KEY, name];
    if (isObject(values)) return this.#settings(values, place);
    // A profile without a value is one that sets nothing yet.
    if (values !== null) this.#problem(place, `the profile "${name}" must hold flags with values`);
    return new Map();
  }

  #settings(values: JsonObject, place: readonly string[]): FileSettings {
    const settings = new Map<FlagName, FileSetting>();
    for (const [name, value] of Object.entries(values)) {
      const path = [...place, name];
      const flag = FILE_FLAGS.get(name);
      if (!flag || (flag === 'profile' && place.length > 0)) this.#problem(path, this.#unknown(name, place));
      else if (holdsKey(value)) this.#secret(path, `"${name}" holds an API key`);
      else if (flag === 'limiter' && holdsPassword(value)) this.#secret(path, `"${name}" holds a password`);
      else {
        const text = settingText(flag, value);
        if ('problem' in text) this.#problem(path, `"${name}" ${text.problem}`);
        else settings.set(flag, { typed: text.typed, line: this.#line(path) });
      }
    }
    return settings;
  }

  #unknown(name: string, place: readonly string[]): string {
    if (SECRET_NAME.test(name)) {
      this.#hasSecret = true;
      return `"${name}" looks like a secret, and secrets do not belong here`;
    }
    if (name === PROFILES_KEY || name === 'profile') return `"${name}" cannot stand in a profile`;
    const positive = /^(?:--)?no-(.+)$/.exec(name)?.[1];
    if (positive !== undefined && FILE_FLAGS.has(positive)) return `"${name}": write "${positive}" with false`;
    const known = [...FILE_FLAGS.keys(), ...(place.length === 0 ? [PROFILES_KEY] : [])];
    const meant = closest(name, known);
    return `there is no flag "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
  }

  #secret(path: readonly string[], what: string): void {
    this.#hasSecret = true;
    this.#problem(path, what);
  }

  #problem(path: readonly string[], what: string): void {
    this.#problems.push(`${this.#path}:${this.#line(path)}: ${what}`);
  }

  /** Of what came by a YAML alias it is the line of the profile that uses it. */
  #line(path: readonly string[]): number {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lineOf(path.slice(0, length));
      if (line !== undefined) return line;
    }
    return 1;
  }

  #refuse(): void {
    const [first, ...more] = this.#problems;
    if (first === undefined) return;
    const shown = [first, ...more].slice(0, PROBLEMS_MAX).map((problem) => `  ${problem}`);
    const message =
      more.length === 0
        ? first
        : `${plural(this.#problems.length, 'problem')} in ${basename(this.#path)}:\n${shown.join('\n')}`;
    throw new BatchrunError('E_CONFIG', message, this.#hasSecret ? { hint: SECRET_HINT } : {});
  }
}

const PROBLEMS_MAX = 20;

const SECRET_HINT =
  'Take it out and set it in the environment: ANTHROPIC_API_KEY (ANTHROPIC_API_KEYS for several; "api-keys-env" names other variables), BATCHRUN_LIMITER for a URL with a password. A key that stood in a file is no secret any more: replace it.';

function holdsKey(value: unknown): boolean {
  if (typeof value === 'string') return KEY.test(value);
  return typeof value === 'object' && value !== null && KEY.test(JSON.stringify(value));
}

function holdsPassword(value: unknown): boolean {
  return typeof value === 'string' && URL_WITH_PASSWORD.test(value);
}
