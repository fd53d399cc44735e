/** The list of leaders of a copy chunk: round trips, and every damage is an error. */
import { expect, test } from 'vitest';
import { integerBetween, seededRng } from '../../../src/base/random.ts';
import { decodeLeaders, LeadersBuilder } from '../../../src/domain/leaders.ts';

function packed(seqs: readonly number[], leaders: readonly number[]): Uint8Array {
  const builder = new LeadersBuilder();
  for (const [at, seq] of seqs.entries()) builder.append(seq, leaders[at] ?? 0);
  return builder.finish();
}

test('what was packed comes out again', () => {
  const rng = seededRng('leaders');
  for (let nth = 0; nth < 200; nth++) {
    const seqs: number[] = [];
    for (let seq = 0; seqs.length < nth;) seqs.push((seq += integerBetween(rng, 1, nth % 3 === 0 ? 2 ** 40 : 5)));
    const leaders = seqs.map((seq) => integerBetween(rng, 0, seq - 1));
    expect([...decodeLeaders(packed(seqs, leaders), Float64Array.from(seqs))]).toEqual(leaders);
  }
});

test('a row does not follow itself, or one behind it', () => {
  expect(() => packed([3], [3])).toThrow(/before it/);
  expect(() => packed([3], [4])).toThrow(/before it/);
});

test('damage of any byte, other rows and other blobs are refused', () => {
  const blob = packed([5, 9, 300], [1, 5, 0]);
  const seqs = Float64Array.of(5, 9, 300);
  for (let at = 0; at < blob.length; at++) {
    const spoilt = Uint8Array.from(blob);
    spoilt[at] = (spoilt[at] ?? 0) ^ 0x10;
    expect(() => decodeLeaders(spoilt, seqs)).toThrow(/damaged/);
  }
  expect(() => decodeLeaders(blob, Float64Array.of(5, 9))).toThrow(/3 leaders for 2 rows/);
  expect(() => decodeLeaders(blob, Float64Array.of(2, 9, 300))).toThrow(/before the first row/);
  expect(() => decodeLeaders(new Uint8Array(), seqs)).toThrow(/too short/);
});
