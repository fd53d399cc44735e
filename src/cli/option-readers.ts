/**
 * How the values of flags are read: each gives the value or says what it should have been.
 */
import { InvalidArgumentError } from 'commander';
import { parseBytes, parseDurationMs } from '../base/units.ts';
import { BATCH_BYTES_MAX } from '../domain/limits.ts';

/** A whole number in a range. */
export function count(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
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
}

/** Milliseconds. */
export function duration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a duration such as 200ms, 30s, 10m, 4h or 2d.');
  return ms;
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
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('It must be an amount in USD.');
  return value;
}

/** Words separated by commas. */
export function list(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
