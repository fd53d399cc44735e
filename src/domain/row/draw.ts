/**
 * What --seed draws: a number for each row, from the seed and from where the row stands in the input. So the same seed
 * chooses the same rows whatever else a command does with them, and puts them in the same order.
 */
import type { SourceRecord } from '../source.ts';

/** What --sample and --shuffle draw by unless --seed says otherwise. */
export const SEED_DEFAULT = 1;

/** Draws are whole numbers below this. */
export const DRAWS = 2 ** 48;
const HALF = 2 ** 24;

/** For different things different numbers: which rows are chosen must say nothing about their order. */
export type Purpose = 'sample' | 'shuffle';

const SALT: Readonly<Record<Purpose, number>> = { sample: 0x5a_3b_1e_77, shuffle: 0x17_c4_d9_02 };

export type Draw = (record: Pick<SourceRecord, 'file' | 'line' | 'element'>) => number;

export function drawBy(seed: number, purpose: Purpose): Draw {
  // A seed may have 53 bits.
  const low = mixed(SALT[purpose] ^ (seed % 2 ** 32));
  const high = mixed(low ^ Math.floor(seed / 2 ** 32));
  return ({ file, line, element }) => {
    const at = element ?? line;
    const first = mixed(mixed(high ^ (at % 2 ** 32)) ^ mixed(file + 0x9e_37_79_b9) ^ Math.floor(at / 2 ** 32));
    const second = mixed(first ^ low ^ 0x85_eb_ca_6b);
    return (first >>> 8) * HALF + (second >>> 8);
  };
}

/** Each bit of what comes in changes each bit of what comes out with even chances (the end of MurmurHash3). */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Those of the records that are drawn with this probability; `seen` is counted up. */
export function* sampled(
  records: Iterable<SourceRecord>,
  { share, draw }: { readonly share: number; readonly draw: Draw },
  seen: { rows: number; chosen: number },
): Generator<SourceRecord> {
  for (const record of records) {
    seen.rows++;
    if (draw(record) >= share * DRAWS) continue;
    seen.chosen++;
    yield record;
  }
}
