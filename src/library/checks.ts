/**
 * What a value of an option may be, and the refusal where it is not that. TypeScript does not see a NaN, a word from a
 * configuration or a number in quotes, and JavaScript does not see a name that is mistyped.
 */
import { BatchrunError } from '../base/errors.ts';
import { closest } from '../domain/row/closest.ts';

/** Null, or what it must be. */
export type Check = (value: unknown) => string | null;
/** A check for each of the options; one that is forgotten does not compile. */
export type Checks<T> = { readonly [K in keyof Required<T>]: Check };

export const when = (isGood: (value: unknown) => boolean, wanted: string): Check => {
  return (value) => (isGood(value) ? null : wanted);
};
export const isString = (value: unknown): value is string => typeof value === 'string';
export const areStrings = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
export const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** NaN is in no range. */
export const isFrom = (value: unknown, min: number): boolean =>
  typeof value === 'number' && value >= min && value <= Number.MAX_SAFE_INTEGER;

/** Of any realm: test runners make worlds with globals of their own. */
const isSignal = (value: unknown): boolean =>
  isObject(value) && 'aborted' in (value as object) && typeof (value as AbortSignal).addEventListener === 'function';
const isDate = (value: unknown): boolean =>
  Object.prototype.toString.call(value) === '[object Date]' && isFrom(Number(value), 0);

export const text = when(isString, 'a string');
export const texts = when(areStrings, 'a list of strings');
export const flag = when((value) => typeof value === 'boolean', 'true or false');
export const object = when(isObject, 'an object');
export const callable = when((value) => typeof value === 'function', 'a function');
export const signal = when(isSignal, 'an AbortSignal');
export const ms = when((value) => isFrom(value, 0), 'a number of milliseconds from 0');
export const share = when((value) => isFrom(value, 0) && Number(value) < 1, 'a share from 0 to below 1');
export const usd = when((value) => isFrom(value, 0) && value !== 0, 'an amount in USD above 0');
export const date = when(isDate, 'a Date that is valid');

export function count(min: number, max = Number.MAX_SAFE_INTEGER): Check {
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`;
  return when(
    (value) => Number.isSafeInteger(value) && isFrom(value, min) && Number(value) <= max,
    `a whole number from ${min}${upTo}`,
  );
}

export function choice(words: readonly string[]): Check {
  return when((value) => isString(value) && words.includes(value), `one of ${words.join(', ')}`);
}

/** An object with these. */
export function parts<T>(checks: Checks<T>): Check {
  return (value) => {
    if (!isObject(value)) return 'an object';
    const unknown = unknownOf(value as object, checks);
    if (unknown !== undefined) return `an object with ${Object.keys(checks).join(', ')}, and has \`${unknown}\``;
    const [wrong] = wrongOf(value as Partial<T>, checks);
    return wrong ? `an object in which \`${wrong.name}\` is ${wrong.wanted}` : null;
  };
}

/** Throws E_USAGE for the first option that is wrong or that there is not. Values are not repeated: they may be secrets. */
export function refuseWrong<T extends object>(options: unknown, checks: Checks<T>, nothing: string): void {
  if (!isObject(options)) throw refused('options', 'the options must be an object', nothing);
  const unknown = unknownOf(options as object, checks);
  if (unknown !== undefined) {
    const nearest = closest(unknown, Object.keys(checks));
    const meant = nearest === undefined ? '' : `; did you mean \`${nearest}\`?`;
    throw refused(unknown, `there is no option \`${unknown}\`${meant}`, nothing);
  }
  const [wrong] = wrongOf(options as Partial<T>, checks);
  if (wrong) throw refused(wrong.name, `\`${wrong.name}\` must be ${wrong.wanted}`, nothing);
}

function refused(option: string, message: string, nothing: string): BatchrunError {
  const hint = `${nothing} Leave it out, or pass what it takes.`;
  return new BatchrunError('E_USAGE', message, { hint, details: { option } });
}

function unknownOf(options: object, checks: object): string | undefined {
  return Object.keys(options).find((name) => !Object.hasOwn(checks, name));
}

function* wrongOf<T>(
  options: Partial<T>,
  checks: Checks<T>,
): Generator<{ readonly name: string; readonly wanted: string }, undefined> {
  for (const [name, check] of Object.entries<Check>(checks)) {
    const value = options[name as keyof T];
    const wanted = value === undefined ? null : check(value);
    if (wanted !== null) yield { name, wanted };
  }
}
