import { describe, expect, it } from 'vitest';
import { isBatchrunError } from '../../../src/base/errors.ts';
import type { Rng } from '../../../src/base/random.ts';
import { chance, integerBetween, seededRng, shuffled } from '../../../src/base/random.ts';
import type { Outcome } from '../../../src/domain/packed-index.ts';
import {
  countOutcomes,
  countStopReasons,
  decodeOutcomes,
  decodeRequestIndex,
  decodeResultIndex,
  encodeResultIndex,
  OUTCOME,
  outcomeByte,
  outcomeOf,
  RequestIndexBuilder,
  stopReasonOf,
} from '../../../src/domain/packed-index.ts';

interface Row {
  readonly seq: number;
  readonly requestBytes: number;
  readonly rowBytes: number;
}

const CORRUPT = expect.toSatisfy((error: unknown) => isBatchrunError(error, 'E_STATE_CORRUPT'));

function requestBlob(rows: readonly Row[]): Uint8Array {
  const builder = new RequestIndexBuilder();
  for (const row of rows) builder.append(row);
  expect(builder.rowCount).toBe(rows.length);
  return builder.finish();
}

/** Rows as chaotic as the codec allows: any order, any size from nothing to 2^53. */
function anyNumber(rng: Rng): number {
  return Math.floor(rng.next() * 2 ** integerBetween(rng, 0, 40));
}

describe('the request index', () => {
  it('finds each request in a real chunk file and each line in its row file', () => {
    const requests = ['{"custom_id":"a"}', '{"custom_id":"bbb"}', '{"custom_id":"é"}'];
    const lines = ['{"id":"1","line":1}\n', '{"id":"22","line":2}\n', '{"id":"3"}\n'];
    const body = Buffer.from(`{"requests":[${requests.join(',')}]}`);
    const file = Buffer.from(lines.join(''));
    const rows = requests.map((request, at) => ({
      seq: 40 + at,
      requestBytes: Buffer.byteLength(request),
      rowBytes: Buffer.byteLength(lines[at] ?? ''),
    }));
    const index = decodeRequestIndex(requestBlob(rows));
    for (let at = 0; at < requests.length; at++) {
      const place = index.at(at);
      expect(place.seq).toBe(40 + at);
      expect(body.toString('utf8', place.requestOffset, place.requestOffset + place.requestBytes)).toBe(requests[at]);
      expect(file.toString('utf8', place.rowOffset, place.rowOffset + place.rowBytes)).toBe(lines[at]);
    }
    expect(() => index.at(3)).toThrow(/no row 3/);
  });

  it('gives back any rows, in whatever order their numbers come', () => {
    const rng = seededRng('requests');
    for (let round = 0; round < 200; round++) {
      const rows = Array.from({ length: integerBetween(rng, 0, 60) }, () => ({
        seq: chance(rng, 0.1) ? Number.MAX_SAFE_INTEGER - 1 : anyNumber(rng),
        requestBytes: anyNumber(rng),
        rowBytes: chance(rng, 0.3) ? 0 : anyNumber(rng),
      }));
      const index = decodeRequestIndex(requestBlob(rows));
      expect(index.rowCount).toBe(rows.length);
      let requestOffset = 13;
      let rowOffset = 0;
      rows.forEach((row, at) => {
        expect(index.at(at)).toEqual({ ...row, requestOffset, rowOffset });
        requestOffset += row.requestBytes + 1;
        rowOffset += row.rowBytes;
      });
    }
  });

  it('takes at most 6 bytes a row for the rows of a usual chunk', () => {
    const rng = seededRng('size');
    const rows = Array.from({ length: 10_000 }, (_, at) => ({
      seq: 5_000_000 + at,
      requestBytes: integerBetween(rng, 300, 9_000),
      rowBytes: integerBetween(rng, 30, 400),
    }));
    const blob = requestBlob(rows);
    expect(blob.length / rows.length).toBeLessThanOrEqual(5.1);
    const retry = requestBlob(rows.filter((_, at) => at % 37 === 0).map((row) => ({ ...row, rowBytes: 0 })));
    expect(retry.length / (10_000 / 37)).toBeLessThanOrEqual(6);
  });

  it('refuses numbers that cannot be packed', () => {
    const builder = new RequestIndexBuilder();
    for (const bad of [-1, 0.5, NaN, 2 ** 53]) {
      expect(() => builder.append({ seq: 0, requestBytes: bad, rowBytes: 0 })).toThrow(/cannot be packed/);
    }
    expect(() => builder.append({ seq: 2 ** 60, requestBytes: 1, rowBytes: 0 })).toThrow(/cannot be packed/);
  });

  it('is read from a Buffer that is a piece of a larger one, as SQLite gives it', () => {
    const blob = requestBlob([{ seq: 3, requestBytes: 5, rowBytes: 7 }]);
    const larger = Buffer.concat([Buffer.from('before'), blob, Buffer.from('after')]);
    expect(decodeRequestIndex(larger.subarray(6, 6 + blob.length)).at(0).seq).toBe(3);
  });
});

describe('the result index', () => {
  function roundTrip(offsets: readonly number[], lengths: readonly number[]): Uint8Array {
    const blob = encodeResultIndex(Float64Array.from(offsets), Float64Array.from(lengths));
    const index = decodeResultIndex(blob);
    expect(index.rowCount).toBe(offsets.length);
    offsets.forEach((offset, at) => {
      const length = lengths[at] ?? 0;
      expect(index.at(at)).toEqual(length === 0 ? null : { offset, length });
    });
    return blob;
  }

  it('gives back lines in any order, with gaps, anywhere up to 2^53', () => {
    const rng = seededRng('results');
    for (let round = 0; round < 200; round++) {
      const count = integerBetween(rng, 0, 60);
      const lengths = Array.from({ length: count }, () => (chance(rng, 0.2) ? 0 : 1 + anyNumber(rng) / 4096)).map(
        Math.floor,
      );
      const offsets = lengths.map(() => (chance(rng, 0.1) ? 2 ** 53 - 2 ** 41 : anyNumber(rng)));
      roundTrip(offsets, lengths);
    }
  });

  it('takes about 3 bytes a row for a file in order, and no more than 6 for one in any order', () => {
    const rng = seededRng('order');
    const count = 10_000;
    const lengths = Array.from({ length: count }, () => integerBetween(rng, 400, 2_000));
    const offsets = new Array<number>(count).fill(0);
    const place = (order: readonly number[]): void => {
      let end = 0;
      for (const row of order) {
        offsets[row] = end;
        end += (lengths[row] ?? 0) + 1;
      }
    };
    const inOrder = lengths.map((_, row) => row);
    place(inOrder);
    expect(roundTrip(offsets, lengths).length / count).toBeLessThanOrEqual(3.01);
    place(shuffled(rng, inOrder));
    expect(roundTrip(offsets, lengths).length / count).toBeLessThanOrEqual(6.01);
  });

  it('takes lengths as 32-bit numbers too, and as many as offsets', () => {
    const blob = encodeResultIndex(Float64Array.of(7), Uint32Array.of(9));
    expect(decodeResultIndex(blob).at(0)).toEqual({ offset: 7, length: 9 });
    expect(() => encodeResultIndex(Float64Array.of(7), Uint32Array.of())).toThrow(/as many lengths/);
    expect(() => encodeResultIndex(Float64Array.of(-1), Uint32Array.of(9))).toThrow(/not an offset/);
  });
});

describe('a damaged index', () => {
  const requests = requestBlob([
    { seq: 0, requestBytes: 300, rowBytes: 20 },
    { seq: 7, requestBytes: 70_000, rowBytes: 0 },
  ]);
  const results = encodeResultIndex(Float64Array.of(0, 500), Float64Array.of(499, 300));
  const kinds: readonly [string, Uint8Array, (blob: Uint8Array) => unknown][] = [
    ['request index', requests, decodeRequestIndex],
    ['result index', results, decodeResultIndex],
  ];

  it.each(kinds)('is refused wherever a byte of the %s changed', (_name, blob, decode) => {
    for (let at = 0; at < blob.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Uint8Array.from(blob);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        expect(() => decode(damaged), `byte ${at}, bit ${bit}`).toThrow(CORRUPT);
      }
    }
  });

  it.each(kinds)('is refused wherever the %s was cut, or is longer than it was', (_name, blob, decode) => {
    for (let end = 0; end < blob.length; end++) expect(() => decode(blob.subarray(0, end))).toThrow(CORRUPT);
    expect(() => decode(Uint8Array.of(...blob, 0))).toThrow(CORRUPT);
  });

  it('is refused where it is the other index', () => {
    expect(() => decodeRequestIndex(results)).toThrow(/another kind/);
    expect(() => decodeResultIndex(requests)).toThrow(/another kind/);
  });
});

describe('outcomes', () => {
  const reasons = ['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'pause_turn', 'refusal'];

  it('hold an outcome and a stop reason in one byte', () => {
    for (const outcome of Object.keys(OUTCOME) as Outcome[]) {
      for (const reason of [null, ...reasons, 'model_context_window_exceeded']) {
        const byte = outcomeByte(outcome, reason);
        expect(byte).toBeLessThan(256);
        expect([outcomeOf(byte), stopReasonOf(byte)]).toEqual([outcome, reason]);
      }
    }
    expect(stopReasonOf(outcomeByte('succeeded', 'compaction'))).toBe('other');
    expect(outcomeByte('succeeded')).toBe(1);
    expect(outcomeByte('pending')).toBe(0);
  });

  it('keep their numbers: they are on disk', () => {
    expect(OUTCOME).toEqual({ pending: 0, succeeded: 1, failed: 2, expired: 3, canceled: 4, elsewhere: 5 });
    expect(outcomeByte('succeeded', 'end_turn')).toBe(0x11);
    expect(outcomeByte('succeeded', 'model_context_window_exceeded')).toBe(0x71);
    expect(outcomeByte('succeeded', 'from the future')).toBe(0xf1);
  });

  it('are counted by outcome and by stop reason', () => {
    const blob = Uint8Array.of(
      outcomeByte('succeeded', 'end_turn'),
      outcomeByte('succeeded', 'max_tokens'),
      outcomeByte('succeeded', 'max_tokens'),
      outcomeByte('failed'),
      outcomeByte('pending'),
    );
    expect(countOutcomes(blob)).toEqual({ pending: 1, succeeded: 3, failed: 1, expired: 0, canceled: 0, elsewhere: 0 });
    expect(countStopReasons(blob)).toEqual({ end_turn: 1, max_tokens: 2 });
  });

  it('are refused where their number or a byte of them makes no sense', () => {
    expect(decodeOutcomes(Buffer.from([1, 2]), 2)).toEqual(Uint8Array.of(1, 2));
    expect(() => decodeOutcomes(Uint8Array.of(1, 2), 3)).toThrow(CORRUPT);
    expect(() => decodeOutcomes(Uint8Array.of(6), 1)).toThrow(CORRUPT);
    expect(() => decodeOutcomes(Uint8Array.of(0x91), 1)).toThrow(CORRUPT);
  });
});
