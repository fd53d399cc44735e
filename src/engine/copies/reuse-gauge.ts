/**
 * How many rows ask what an earlier run was answered, without asking every row of every run: each run leaves a small
 * sample of the hashes of its requests (domain/duplicate-gauge.ts), and the samples are compared. An estimate; a sample
 * that is missing or damaged says nothing.
 */
import { createHash } from 'node:crypto';
import { isBatchrunError } from '../../base/errors.ts';
import { smaller, type DuplicateEstimate, type DuplicateGauge, type GaugePart } from '../../domain/duplicate-gauge.ts';
import { paths } from '../../domain/ids.ts';
import type { RunRecord } from '../../domain/model.ts';
import type { Files } from '../../domain/ports.ts';
import type { Store } from '../../domain/store.ts';
import { runsToReuse } from './reused-answers.ts';

/** Keys in the sample of a run: 8 bytes each. */
const SKETCH_KEYS_MAX = 16_384;
/** Of more finished runs the newest are looked at. */
const RUNS_MAX = 20;
const MAGIC = 'brSkch01';
/** Magic, the two bounds of its part. After the keys comes a sha-256. */
const HEAD_BYTES = 24;
const SUM_BYTES = 32;
const KEY_BYTES = 8;

export async function writeSketch(files: Files, runId: string, gauge: DuplicateGauge): Promise<void> {
  const { keys, part } = gauge.sketch(SKETCH_KEYS_MAX);
  const bytes = Buffer.alloc(HEAD_BYTES + keys.length * KEY_BYTES);
  bytes.write(MAGIC, 'latin1');
  bytes.writeDoubleBE(part.first, 8);
  bytes.writeDoubleBE(part.second, 16);
  for (const [at, key] of keys.entries()) bytes.writeDoubleBE(key, HEAD_BYTES + at * KEY_BYTES);
  const writer = await files.create(paths.sketch(runId));
  try {
    await writer.write(bytes);
    await writer.write(createHash('sha256').update(bytes).digest());
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Null where no earlier run has left a sample. */
export async function estimateReuse(
  scope: { readonly store: Store; readonly files: Files },
  run: Pick<RunRecord, 'origin' | 'workspace'>,
  gauge: DuplicateGauge,
): Promise<DuplicateEstimate | null> {
  const keys = new Set<number>();
  let part = null as GaugePart | null;
  for (const { id } of (await runsToReuse(scope, run)).slice(0, RUNS_MAX)) {
    const sketch = await readSketch(scope.files, id);
    if (!sketch) continue;
    for (const key of sketch.keys) keys.add(key);
    part = smaller(part ?? sketch.part, sketch.part);
  }
  return part && gauge.estimateOf(keys, part);
}

async function readSketch(
  files: Files,
  runId: string,
): Promise<{ readonly keys: Float64Array; readonly part: GaugePart } | null> {
  const path = paths.sketch(runId);
  try {
    const size = await files.size(path);
    if (size === null || size < HEAD_BYTES + SUM_BYTES) return null;
    const pieces: Buffer[] = [];
    for await (const piece of files.stream(path)) pieces.push(piece);
    const all = Buffer.concat(pieces);
    const bytes = all.subarray(0, -SUM_BYTES);
    const isWhole = createHash('sha256').update(bytes).digest().equals(all.subarray(-SUM_BYTES));
    if (!isWhole || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return null;
    const count = (bytes.length - HEAD_BYTES) / KEY_BYTES;
    const keys = Float64Array.from({ length: count }, (_, at) => bytes.readDoubleBE(HEAD_BYTES + at * KEY_BYTES));
    return { keys, part: { first: bytes.readDoubleBE(8), second: bytes.readDoubleBE(16) } };
  } catch (error) {
    // Pruned meanwhile.
    if (isBatchrunError(error, 'E_FILE') || isBatchrunError(error, 'E_STATE_CORRUPT')) return null;
    throw error;
  }
}
