/**
 * Values of the configuration file as the command line would have them: what kind of value a flag takes, and whether
 * one is that. A file is checked as a whole, also the flags that the command at hand does not take: a mistake must not
 * wait for the night on which it counts.
 */
import { messageOf } from '../../base/errors.ts';
import type { JsonObject } from '../../domain/row/shape.ts';
import {
  amount,
  bytes,
  cap,
  type count,
  cuts,
  deadline,
  duration,
  durationRange,
  limiterUrl,
  list,
  noticeEvents,
  perSecond,
  rates,
  share,
  webAddress,
} from './option-readers.ts';
import type { CountReader } from './option-readers.ts';
import { FLAG_SPECS, type FlagName, type FlagSpec } from './option-table.ts';
import { FLAG_NAMES, longName } from './options.ts';

export type FlagKind =
  | 'switch'
  | 'choice'
  | 'text'
  | 'count'
  | 'duration'
  | 'durations'
  | 'bytes'
  | 'amount'
  | 'cap'
  | 'share'
  | 'deadline'
  | 'url'
  | 'address'
  | 'per_second'
  | 'rates'
  | 'notices'
  | 'list'
  | 'cuts'
  | 'params'
  | 'other';

const KIND_OF_READER: ReadonlyMap<unknown, FlagKind> = new Map<unknown, FlagKind>([
  [duration, 'duration'],
  [durationRange, 'durations'],
  [bytes, 'bytes'],
  [amount, 'amount'],
  [cap, 'cap'],
  [share, 'share'],
  [deadline, 'deadline'],
  [limiterUrl, 'url'],
  [webAddress, 'address'],
  [perSecond, 'per_second'],
  [rates, 'rates'],
  [noticeEvents, 'notices'],
  [list, 'list'],
  [cuts, 'cuts'],
]);

/** Flags that a file cannot set: they say which file, or are a question about it. */
const NOT_IN_FILE: readonly FlagName[] = ['config', 'jsonSchema'];

/** The flags that a file may set, by the name that they have there. */
export const FILE_FLAGS: ReadonlyMap<string, FlagName> = new Map(
  FLAG_NAMES.filter((flag) => !NOT_IN_FILE.includes(flag)).map((flag) => [fileName(flag), flag]),
);

/** The long name without `no-`: a file says `color: false`. */
export function fileName(flag: FlagName): string {
  return longName(flag).replace(/^no-/, '');
}

export function kindOfFlag(flag: FlagName): FlagKind {
  const spec: FlagSpec = FLAG_SPECS[flag];
  if (!spec.flags.includes('<')) return 'switch';
  if (spec.choices) return 'choice';
  if (flag === 'params') return 'params';
  if (!spec.read) return 'text';
  if (rangeOf(flag)) return 'count';
  return KIND_OF_READER.get(spec.read) ?? 'other';
}

/** The numbers that a flag takes, where it takes whole numbers. */
export function rangeOf(flag: FlagName): Pick<CountReader, 'min' | 'max'> | undefined {
  const spec: FlagSpec = FLAG_SPECS[flag];
  const read = spec.read as Partial<ReturnType<typeof count>> | undefined;
  return read?.min === undefined || read.max === undefined ? undefined : { min: read.min, max: read.max };
}

/** The value as it would be typed (true and false for a switch), or what is wrong with it. */
export type SettingText = { readonly typed: string | boolean } | { readonly problem: string };

export function settingText(flag: FlagName, value: unknown): SettingText {
  const kind = kindOfFlag(flag);
  if (value === null || value === undefined) return { problem: 'has no value: give it one, or take the line out' };
  if (kind === 'switch') {
    return typeof value === 'boolean' ? { typed: value } : { problem: 'must be true or false, without quotes' };
  }
  const typed = textOf(kind, value);
  if (typed === undefined) return { problem: `must be ${WANTED[kind] ?? 'a text or a number'}` };
  const problem = problemOf(FLAG_SPECS[flag], typed);
  return problem === undefined ? { typed } : { problem };
}

const WANTED: Readonly<Partial<Record<FlagKind, string>>> = {
  list: 'a list, or texts separated by commas',
  notices: 'a list of events, or events separated by commas',
  cuts: 'columns with the characters to keep, for example body: 4000',
  params: 'an object, or a text with JSON in it',
};

function textOf(kind: FlagKind, value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return WANTED[kind] === undefined ? String(value) : undefined;
  if (Array.isArray(value)) {
    const words = value.filter((word) => typeof word === 'string' || typeof word === 'number');
    const isList = kind === 'list' || kind === 'notices' || kind === 'cuts';
    return isList && words.length === value.length && words.length > 0 ? words.join(',') : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  // Params are JSON on the command line and may stand as they are in a file.
  if (kind === 'params') return JSON.stringify(value);
  if (kind !== 'cuts') return undefined;
  const columns = Object.entries(value as JsonObject);
  return columns.map(([column, chars]) => `${column}=${String(chars)}`).join(',');
}

function problemOf({ choices, read }: FlagSpec, text: string): string | undefined {
  if (choices) return choices.includes(text) ? undefined : `must be one of ${choices.join(', ')}`;
  try {
    read?.(text);
    return undefined;
  } catch (error) {
    // "It must be a duration such as 10m." becomes the end of a sentence.
    return messageOf(error)
      .replace(/^It must/, 'must')
      .replace(/\.$/, '');
  }
}
