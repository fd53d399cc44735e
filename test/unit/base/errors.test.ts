/**
 * Errors: one class, told apart by code; each code with its exit and a hint that a person can act on.
 */
import { describe, expect, test } from 'vitest';
import { ERROR_CATALOGUE } from '../../../src/base/error-catalogue.ts';
import {
  BatchrunError,
  invariant,
  isBatchrunError,
  messageOf,
  systemCodeOf,
  type ErrorCode,
} from '../../../src/base/errors.ts';

const CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[];

describe('an error', () => {
  test('carries what the catalogue says of its code', () => {
    const error = new BatchrunError('E_LOCKED', 'held');
    expect(error).toMatchObject({
      name: 'BatchrunError',
      code: 'E_LOCKED',
      message: 'held',
      exit: 6,
      details: {},
    });
    expect(error.hint).toBe(ERROR_CATALOGUE.E_LOCKED.hint);
    expect('cause' in error).toBe(false);
  });

  test('may have a better hint, details and a cause', () => {
    const cause = new Error('deep');
    const error = new BatchrunError('E_FILE', 'x', { hint: 'do this', details: { file: '/x' }, cause });
    expect(error).toMatchObject({ hint: 'do this', details: { file: '/x' }, cause, exit: 1 });
  });

  test('is known by name and code, also where it comes from another copy of the module', () => {
    const error = new BatchrunError('E_FILE', 'x');
    const twin = Object.assign(new Error('x'), { name: 'BatchrunError', code: 'E_FILE' });
    for (const one of [error, twin]) {
      expect([isBatchrunError(one), isBatchrunError(one, 'E_FILE'), isBatchrunError(one, 'E_BUG')]).toEqual([
        true,
        true,
        false,
      ]);
    }
    const others = [new Error('x'), { name: 'BatchrunError', code: 'E_FILE' }, 'E_FILE', null, undefined];
    for (const other of others) expect(isBatchrunError(other)).toBe(false);
  });
});

describe('the catalogue', () => {
  test.each(CODES)('%s has an exit code of the contract and a hint in whole sentences', (code) => {
    const { exit, hint } = ERROR_CATALOGUE[code];
    expect([1, 2, 4, 5, 6]).toContain(exit);
    expect(hint).toMatch(/^(better-sqlite3|[A-Z`]).*\.$/s);
    expect(code).toMatch(/^E_[A-Z_]+$/);
  });

  test('holds the exit codes that scripts rely on', () => {
    const exits = Object.fromEntries(CODES.map((code) => [code, ERROR_CATALOGUE[code].exit]));
    expect(exits).toMatchObject({
      E_BUG: 1,
      E_USAGE: 2,
      E_CREDENTIALS: 2,
      E_INPUT_INVALID: 2,
      E_NOT_FINISHED: 4,
      E_API_UNREACHABLE: 4,
      E_LOCKED: 6,
      E_FENCED: 6,
    });
  });
});

describe('helpers', () => {
  test('an invariant that holds is silent; one that does not is E_BUG', () => {
    invariant(1, 'x');
    for (const value of [false, 0, '', null, undefined]) {
      expect(() => invariant(value, 'a row is lost')).toThrow(
        expect.objectContaining({ code: 'E_BUG', message: 'this must not happen: a row is lost' }),
      );
    }
  });

  test('the message and the system code of anything that was thrown', () => {
    expect([messageOf(new Error('x')), messageOf('y'), messageOf(undefined)]).toEqual(['x', 'y', 'undefined']);
    const values = [
      Object.assign(new Error('x'), { code: 'ENOENT' }),
      { code: 'X' },
      { code: 20 },
      new Error('x'),
      null,
      'ENOENT',
    ];
    expect(values.map(systemCodeOf)).toEqual(['ENOENT', 'X', undefined, undefined, undefined, undefined]);
  });
});
