/**
 * Lines out of pieces: whatever way the bytes are cut, the same lines at the same offsets come out.
 */
import { describe, expect, test } from 'vitest';
import { linesOf, LineSplitter, type Line, type LineVisit } from '../../../src/domain/lines.ts';

const OPTIONS = {
  lineBytesMax: 1_000,
  tooLong: (bytes: number): never => {
    throw new Error(`${bytes} bytes`);
  },
};

type Plain = readonly [text: string, offset: number, whole: boolean];

function plain(line: Line): Plain {
  return [line.bytes.toString('latin1'), line.offset, line.whole];
}

/** The lines of these pieces. Each piece is overwritten afterwards: what is kept of it must be a copy. */
function split(pieces: readonly Buffer[], options = OPTIONS): Plain[] {
  const splitter = new LineSplitter(options);
  const lines: Plain[] = [];
  const gather =
    (whole: boolean): LineVisit =>
    (source, start, end, offset) => {
      lines.push([source.toString('latin1', start, end), offset, whole]);
      return false;
    };
  for (const piece of pieces.map((one) => Buffer.from(one))) {
    splitter.visit(piece, gather(true));
    piece.fill('#');
  }
  splitter.visitRest(gather(false));
  return lines;
}

/** What the lines are, worked out in another way. */
function expected(text: string): Plain[] {
  const lines: Plain[] = [];
  const parts = text.split('\n');
  let offset = 0;
  for (const [at, part] of parts.entries()) {
    const whole = at < parts.length - 1;
    if (whole || part !== '') lines.push([part, offset, whole]);
    offset += part.length + 1;
  }
  return lines;
}

/** Every way of cutting a text into pieces, by the bits of a number. */
function* cuts(text: string): Generator<Buffer[]> {
  for (let mask = 0; mask < 2 ** Math.max(0, text.length - 1); mask++) {
    const pieces: Buffer[] = [];
    let start = 0;
    for (let at = 1; at <= text.length; at++) {
      if (at < text.length && ((mask >> (at - 1)) & 1) === 0) continue;
      pieces.push(Buffer.from(text.slice(start, at), 'latin1'));
      start = at;
    }
    yield pieces;
  }
}

const TEXTS = [
  '',
  'a',
  '\n',
  '\n\n',
  'a\n',
  '\na',
  'ab\ncd\n',
  'ab\n\ncd',
  '\r\na\r\n',
  'a\nb\nc\nd\ne',
  'é\n😀',
  '{"a":1}\n{"b"',
];

describe('lines', () => {
  test.each(TEXTS)('of %j are the same however it is cut', (text) => {
    const latin = Buffer.from(text).toString('latin1');
    for (const pieces of cuts(latin)) {
      expect(split(pieces)).toEqual(expected(latin));
      // Empty pieces in between change nothing.
      expect(split(pieces.flatMap((piece) => [Buffer.alloc(0), piece, Buffer.alloc(0)]))).toEqual(expected(latin));
    }
  });

  test('of all texts of up to six characters are right, whole and byte by byte', () => {
    const alphabet = ['a', '\n', '\r'];
    for (let length = 0; length <= 6; length++) {
      for (let number = 0; number < alphabet.length ** length; number++) {
        let text = '';
        for (let at = 0, rest = number; at < length; at++, rest = Math.floor(rest / 3))
          text += alphabet[rest % 3] ?? '';
        expect(split([Buffer.from(text)])).toEqual(expected(text));
        expect(split(Array.from(text, (character) => Buffer.from(character)))).toEqual(expected(text));
      }
    }
  });

  test('lie where their offset says', () => {
    const text = 'first\n\nthird line\nlast';
    for (const [line, offset, whole] of split([Buffer.from(text)])) {
      expect(text.slice(offset, offset + line.length + (whole ? 1 : 0))).toBe(line + (whole ? '\n' : ''));
    }
  });

  test('come out of a stream as they end', async () => {
    const pulled: string[] = [];
    async function* pieces(): AsyncGenerator<Buffer> {
      for (const piece of ['a\nb', 'c\n', 'd']) {
        pulled.push(piece);
        yield Buffer.from(piece);
      }
    }
    const seen: string[] = [];
    for await (const line of linesOf(pieces(), OPTIONS)) seen.push(`${line.bytes.toString()}/${pulled.length}`);
    expect(seen).toEqual(['a/1', 'bc/2', 'd/3']);
  });

  test('that are longer than the bound end the reading, before they are all in memory', () => {
    const options = { ...OPTIONS, lineBytesMax: 5 };
    expect(split([Buffer.from('12345')], options)).toEqual([['12345', 0, false]]);
    expect(() => split([Buffer.from('123'), Buffer.from('456')], options)).toThrow('6 bytes');
    expect(split([Buffer.from('1234\n'), Buffer.from('1234\n'), Buffer.from('12345')], options)).toHaveLength(3);
  });
});

test('a visit that has had enough ends the looking, wherever it is', () => {
  for (const pieces of [['a\nb\nc\n'], ['a', '\nb', '\nc\n']]) {
    const splitter = new LineSplitter(OPTIONS);
    const seen: string[] = [];
    const look: LineVisit = (source, start, end) => seen.push(source.toString('latin1', start, end)) === 2;
    const enough = pieces.map((piece) => splitter.visit(Buffer.from(piece), look));
    expect([seen.slice(0, 2), enough.includes(true)]).toEqual([['a', 'b'], true]);
  }
});

test('all lines of a stream are those of its pieces', async () => {
  for (const text of ['', 'a', 'a\nbc\n\nd', 'a\n']) {
    for (const size of [1, 2, 100]) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_unused, at) =>
        Buffer.from(text.slice(at * size, (at + 1) * size)),
      );
      const lines: Plain[] = [];
      async function* stream(): AsyncGenerator<Buffer> {
        yield* pieces;
      }
      for await (const line of linesOf(stream(), OPTIONS)) lines.push(plain(line));
      expect(lines).toEqual(expected(text));
    }
  }
});
