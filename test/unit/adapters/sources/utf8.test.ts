/** Places of bytes that are not UTF-8, held against the engine's own decoder. */
import { isUtf8 } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { firstInvalidByte, openTailBytes, Utf8Watch } from '../../../../src/adapters/sources/utf8.ts';
import { integerBetween, pick, seededRng } from '../../../../src/base/random.ts';

describe('firstInvalidByte', () => {
  it('agrees with the engine on every two bytes and on many longer strings', () => {
    for (let first = 0; first < 256; first++) {
      for (let second = 0; second < 256; second++) {
        const bytes = Buffer.from([first, second]);
        expect(firstInvalidByte(bytes, 0, 2) < 0).toBe(isUtf8(bytes));
      }
    }
    const rng = seededRng('utf8');
    const telling = [
      0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4,
      0xf5,
    ];
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(Array.from({ length: integerBetween(rng, 1, 6) }, () => pick(rng, telling)));
      expect(firstInvalidByte(bytes, 0, bytes.length) < 0, bytes.toString('hex')).toBe(isUtf8(bytes));
    }
  });

  it('names the beginning of the character that is broken', () => {
    expect(firstInvalidByte(Buffer.from([0x41, 0xc3, 0x28]), 0, 3)).toBe(1);
    expect(firstInvalidByte(Buffer.from('aé'), 0, 2)).toBe(1);
  });
});

describe('Utf8Watch', () => {
  it('cuts no character and loses no byte, wherever the chunks are cut', () => {
    const bytes = Buffer.concat([
      Buffer.from('aé€😀'),
      Buffer.from([0xff]),
      Buffer.from('é'),
      Buffer.from([0xe2, 0x82]),
    ]);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const watch = new Utf8Watch();
        const parts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        const stretches = [...parts.map((part) => watch.push(part)), watch.end()];
        expect(Buffer.concat(stretches.map((stretch) => stretch.bytes))).toEqual(bytes);
        expect(stretches.flatMap((stretch) => stretch.invalid)).toEqual([10, 13, 14]);
      }
    }
  });

  it('keeps back what may go on, and nothing else', () => {
    expect(openTailBytes(Buffer.from('abc'))).toBe(0);
    expect(openTailBytes(Buffer.from('é'))).toBe(0);
    expect(openTailBytes(Buffer.from([0x41, 0xc3]))).toBe(1);
    expect(openTailBytes(Buffer.from([0xf0, 0x9f, 0x98]))).toBe(3);
    expect(openTailBytes(Buffer.from([0x80, 0x80, 0x80, 0x80]))).toBe(0);
  });
});
