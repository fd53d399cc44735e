/**
 * What makes two submits the same run, and what does not: a difference that is missed pays for the wrong rows once and
 * for the right ones never; one that is invented pays twice.
 */
import { describe, expect, test } from 'vitest';
import {
  Fingerprint,
  printOf,
  printOfInvalid,
  settingHash,
  type FingerprintRow,
  type FingerprintScope,
} from '../../../src/domain/fingerprint.ts';

const SCOPE: FingerprintScope = { origin: 'https://api.anthropic.com', workspaceHeader: null, name: null };
const ROW: FingerprintRow = { customId: 'a', paramsJson: '{"model":"m"}', betas: [], columnsJson: '{}' };

function digestOf(rows: readonly FingerprintRow[], scope: FingerprintScope = SCOPE): string {
  const print = new Fingerprint(scope);
  for (const row of rows) print.add(Buffer.from(printOf(row)));
  return print.digest();
}

describe('a fingerprint', () => {
  test('is a sha-256, and the same for the same rows', () => {
    expect(digestOf([ROW, ROW])).toMatch(/^[0-9a-f]{64}$/);
    expect(digestOf([ROW, { ...ROW, customId: 'b' }])).toBe(digestOf([ROW, { ...ROW, customId: 'b' }]));
  });

  test('is this very one: a later batchrun must know the runs of this one', () => {
    const scope = { origin: 'https://api.anthropic.com', workspaceHeader: 'wrkspc_1', name: 'nightly' };
    const rows = [ROW, { customId: 'ü"\t\n', paramsJson: '{"x":"é"}', betas: ['b1', 'b2'], columnsJson: '{"k":1}' }];
    expect(digestOf(rows, scope)).toMatchInlineSnapshot(
      `"f2240e384c0acb3f698463673b96c23cf26f486693e635ff1f8714133b3ccb20"`,
    );
  });

  test('differs with everything that shapes what is sent or comes back', () => {
    const others: readonly (readonly [readonly FingerprintRow[], FingerprintScope?])[] = [
      [[ROW]],
      [[]],
      [[ROW, ROW]],
      [[{ ...ROW, customId: 'b' }]],
      [[{ ...ROW, customId: '' }]],
      [[{ ...ROW, paramsJson: '{"model":"n"}' }]],
      [[{ ...ROW, betas: ['x'] }]],
      [[{ ...ROW, betas: ['x', 'y'] }]],
      [[{ ...ROW, columnsJson: '{"a":1}' }]],
      [[{ ...ROW, columnsJson: '' }]],
      [[ROW], { ...SCOPE, origin: 'https://other' }],
      [[ROW], { ...SCOPE, workspaceHeader: 'wrkspc_1' }],
      [[ROW], { ...SCOPE, name: 'nightly' }],
      [[ROW], { ...SCOPE, name: 'wrkspc_1' }],
      [[ROW], { ...SCOPE, name: '' }],
    ];
    const prints = others.map(([rows, scope]) => digestOf(rows, scope));
    expect(new Set(prints).size).toBe(others.length);
  });

  test('differs with the order of the rows', () => {
    const other = { ...ROW, customId: 'b' };
    expect(digestOf([ROW, other])).not.toBe(digestOf([other, ROW]));
  });

  test('cannot be led to mistake a part of one row for another', () => {
    const rows: FingerprintRow[] = [];
    for (const customId of ['a', 'a\t{}', 'a\n"b"', 'a"\t', '!0:1']) rows.push({ ...ROW, customId });
    expect(new Set(rows.map((row) => digestOf([row]))).size).toBe(rows.length);
    expect(
      digestOf([
        { ...ROW, customId: 'a' },
        { ...ROW, customId: 'b' },
      ]),
    ).not.toBe(digestOf([{ ...ROW, customId: 'a\nb' }]));
  });

  test('counts rows that could not be read, by their place', () => {
    const withInvalid = (line: number, file: number): string => {
      const print = new Fingerprint(SCOPE);
      print.add(Buffer.from(printOf(ROW)));
      print.add(Buffer.from(printOfInvalid(line, file)));
      return print.digest();
    };
    expect(
      new Set([digestOf([ROW]), withInvalid(1, 0), withInvalid(2, 0), withInvalid(1, 1), withInvalid(1, 11)]).size,
    ).toBe(5);
  });

  test('does not depend on how the rows are gathered before they are hashed', () => {
    // More than is gathered at once, in a few large rows and in many small ones.
    const large = { ...ROW, paramsJson: JSON.stringify('x'.repeat(200_000)) };
    expect(digestOf([large, large, ROW])).toBe(digestOf([large, large, ROW]));
    expect(digestOf([large, ROW, large])).not.toBe(digestOf([large, large, ROW]));
    const many = Array.from({ length: 10_000 }, (_, at) => ({ ...ROW, customId: String(at) }));
    expect(digestOf(many)).toBe(digestOf([...many]));
    expect(digestOf(many)).not.toBe(digestOf(many.slice(0, -1)));
  });
});

describe('the hash of a setting', () => {
  test('is short, tells values apart and does not show them', () => {
    const values = ['a secret prompt', 'a secret prompt ', null, 'undefined', '', 0, false, ['a'], { a: 1 }];
    const hashes = values.map(settingHash);
    for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{12}$/);
    expect(new Set(hashes).size).toBe(values.length);
    expect(settingHash({ a: 1 })).toBe(settingHash({ a: 1 }));
    // What is not set is one thing, however it is said.
    expect(settingHash(undefined)).toBe(settingHash(null));
  });
});
