/**
 * How the values of flags are read: each gives the value or says what it should have been.
 */
import { InvalidArgumentError } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { isMasked } from '../../base/log.ts';
import { parseBytes, parseDurationMs } from '../../base/units.ts';
import { BATCH_BYTES_MAX } from '../../domain/limits.ts';
import { NOTICE_EVENTS, type NoticeEvent } from '../../domain/notice-events.ts';
import { deadlineMs } from './deadline.ts';

/** A reader that says which numbers it takes: the schema of the configuration file tells editors. */
export type CountReader = ((text: string) => number) & { readonly min: number; readonly max: number };

/** A whole number in a range. */
export function count(min: number, max = Number.MAX_SAFE_INTEGER): CountReader {
  const read = (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text.trim()) || value < min || value > max) {
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `It must be a whole number from ${min}.`
          : `It must be a whole number from ${min} to ${max}.`,
      );
    }
    return value;
  };
  return Object.assign(read, { min, max });
}

/** Milliseconds. */
export function duration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a duration such as 200ms, 30s, 10m, 4h or 2d.');
  return ms;
}

/** From and to, in milliseconds; a single duration is both. */
export function durationRange(text: string): readonly [number, number] {
  const [from = '', to = from] = text.split('-');
  const [fromMs, toMs] = [parseDurationMs(from), parseDurationMs(to)];
  if (fromMs !== undefined && toMs !== undefined && fromMs <= toMs) return [fromMs, toMs];
  throw new InvalidArgumentError('It must be a duration or a range of them such as 20m-2h.');
}

/** Bytes, at most one batch. */
export function bytes(text: string): number {
  const value = parseBytes(text);
  if (value === undefined || value < 1 || value > BATCH_BYTES_MAX) {
    throw new InvalidArgumentError('It must be a size such as 64MB, at most 256MB.');
  }
  return value;
}

/** USD. */
export function amount(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError('It must be an amount in USD.');
  }
  return value;
}

/** USD that a run may cost at most; `none` takes the cap away. */
export function cap(text: string): number | 'none' {
  if (text.trim().toLowerCase() === 'none') return 'none';
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It must be an amount in USD above 0, or none.');
  }
  return value;
}

/** When something is needed, in milliseconds since 1970; `none` takes the deadline away. */
export function deadline(text: string): number | 'none' {
  if (text.trim().toLowerCase() === 'none') return 'none';
  const ms = deadlineMs(text, systemClock.now());
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError('It must be a time such as 06:00, a duration such as 4h, or 2026-11-22T06:00Z.');
}

/** `10%` or `0.1`. A bare 10 could be meant as either, and 1 as all or as a hundredth. */
export function share(text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(\s*%)?$/.exec(text.trim()) ?? [];
  const value = Number(number) / (percent === undefined ? 1 : 100);
  if (value >= 0 && value < 1) return value;
  throw new InvalidArgumentError('It must be a share such as 10% or 0.1, below 100%.');
}

/** Where the limits are shared. What is wrong with it is said without it: it may hold a password. */
export function limiterUrl(text: string): string {
  refuseMasked(text);
  if (/^rediss?:\/\/./.test(text)) return text;
  throw new InvalidArgumentError('It must begin with redis:// or rediss://.');
}

/** Words separated by commas. */
export function list(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `body=4000,title=200`: to how many characters which columns are cut. */
export function cuts(text: string): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const part of list(text)) {
    const [, column = '', chars] = /^(.+)=(\d+)$/.exec(part) ?? [];
    if (column === '' || Number(chars) < 1) throw new InvalidArgumentError('It must be columns such as body=4000.');
    found[column] = Number(chars);
  }
  if (Object.keys(found).length === 0) throw new InvalidArgumentError('It must be columns such as body=4000.');
  return found;
}

/** So many in a second: `5`, `0.5`, or a rate such as 30/min. */
export function perSecond(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : rateOf(text);
  if (value !== undefined && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0, such as 5 or 0.5, or a rate such as 30/min.');
}

/** Arrivals a second: from and to, where a single rate is both. */
export function rates(text: string): readonly [number, number] {
  const [from = '', to = from] = text.split('-');
  const [first, last] = [rateOf(from), rateOf(to)];
  if (first !== undefined && last !== undefined) return [first, last];
  throw new InvalidArgumentError('It must be a rate such as 20/s or 600/min, or two of them such as 1/s-50/s.');
}

function rateOf(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\/(s|sec|m|min|h|hour)$/.exec(text.trim()) ?? [];
  const value = Number(number) / (unit?.startsWith('s') === true ? 1 : unit?.startsWith('m') === true ? 60 : 3_600);
  return value > 0 ? value : undefined;
}

/** http or https. What is wrong with it is said without it: it may hold a secret. */
export function webAddress(text: string): string {
  refuseMasked(text);
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new InvalidArgumentError('It must begin with http:// or https://.');
}

/** A command for `sh`. */
export function noticeCommand(text: string): string {
  refuseMasked(text);
  return text;
}

/** Somebody has pasted a command out of a message: it would tell an address that there is not. */
function refuseMasked(text: string): void {
  if (isMasked(text)) throw new InvalidArgumentError('Where it says **** the secret part of the address belongs.');
}

/** Events of notices, separated by commas. */
export function noticeEvents(text: string): readonly NoticeEvent[] {
  return list(text).map((word) => {
    const event = NOTICE_EVENTS.find((one) => one === word.replaceAll('-', '_'));
    if (event === undefined) throw new InvalidArgumentError(`It must be of ${NOTICE_EVENTS.join(', ')}.`);
    return event;
  });
}
