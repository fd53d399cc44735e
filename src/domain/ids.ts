/**
 * Run ids: ordered by time, unique, easy to type.
 *
 * `run_` and 16 characters: 9 for the millisecond, 7 of chance (35 bits), in base 32 without i, l, o and u. The
 * part after `run_` is the run's tag in every wire id (result-line.ts).
 */
import type { Rng } from '../base/random.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export function newRunId(nowMs: number, rng: Rng): string {
  let time = '';
  for (let rest = nowMs, at = 0; at < 9; at++) {
    time = (ALPHABET[rest % 32] ?? '0') + time;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  for (let at = 0; at < 7; at++) random += ALPHABET[Math.floor(rng.next() * 32)] ?? '0';
  return `run_${time}${random}`;
}

/** The tag of a run in its wire ids. */
export function tagOf(runId: string): string {
  return runId.slice('run_'.length);
}

/** `000001`: how a chunk's files are named. Numbers beyond six digits simply get longer. */
export function chunkFileStem(chunkNo: number): string {
  return String(chunkNo).padStart(6, '0');
}

/** Paths below the state folder. */
export const paths = {
  run: (runId: string): string => `runs/${runId}`,
  chunks: (runId: string): string => `runs/${runId}/chunks`,
  allResults: (runId: string): string => `runs/${runId}/results`,
  body: (runId: string, chunkNo: number): string => `runs/${runId}/chunks/${chunkFileStem(chunkNo)}.json`,
  rows: (runId: string, chunkNo: number): string => `runs/${runId}/rows/${chunkFileStem(chunkNo)}.jsonl`,
  invalid: (runId: string): string => `runs/${runId}/rows/invalid.jsonl`,
  duplicates: (runId: string): string => `runs/${runId}/rows/duplicates.jsonl`,
  results: (runId: string, chunkNo: number): string => `runs/${runId}/results/${chunkFileStem(chunkNo)}.jsonl`,
  realtime: (runId: string): string => `runs/${runId}/results/realtime.jsonl`,
  /** Outside of the run's folder: it is held before anything of the run can be seen, so that no sweep comes between. */
  ingestLock: (runId: string): string => `ingest/${runId}.db`,
  ingestLocks: 'ingest',
  /** Where version 0.1.0 had it. */
  formerIngestLock: (runId: string): string => `runs/${runId}/ingest-lock.db`,
  /** What --shuffle puts aside while an input is read; its lock lies beside it. */
  spools: 'spool',
  spool: (id: string): string => `spool/${id}`,
  spoolLock: (id: string): string => `spool/${id}.db`,
  spill: (runId: string, part: number): string => `runs/${runId}/ids-${part}.tmp`,
  /** Sorted records on their way through an external sort. */
  sorted: (runId: string, name: string, part: number): string => `runs/${runId}/${name}-${part}.tmp`,
  /** Where the answers to the requests of a finished run lie, by the hash of the request (engine/copies/answer-hashes.ts). */
  answers: (runId: string): string => `runs/${runId}/answers.bin`,
  /** A sample of the hashes of a run's requests (engine/copies/reuse-gauge.ts). */
  sketch: (runId: string): string => `runs/${runId}/sketch.bin`,
} as const;
