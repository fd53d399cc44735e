/**
 * `--dedupe` while a run is driven: when every row whose answer a copy chunk takes has come to its end, their lines are
 * copied into a result file of the chunk, made durable, and in one transaction its rows end as their leaders did. From
 * then on it is a chunk like any other for whoever reads results. Nothing of it is sent or billed.
 *
 * It can die anywhere: a result file without its transaction is written again. A copy chunk that cannot be made waits
 * for a person, and nothing else is held up by it.
 */
import { BatchrunError, isBatchrunError, messageOf } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { decodeLeaders } from '../../domain/leaders.ts';
import { tagOf } from '../../domain/ids.ts';
import type { ChunkRecord, ResultLocation, RunRecord } from '../../domain/model.ts';
import { decodeRequestIndex, OUTCOME, outcomeByte } from '../../domain/packed-index.ts';
import { readResultLine, renameResultLine, wireId, type ResultLine } from '../../domain/result-line.ts';
import type { CollectedRow } from '../../domain/store-steps.ts';
import { readLines } from './copied-lines.ts';
import { Leaders, type LeaderEnd } from './leaders.ts';
import { StopReasonSum, UsageSum } from '../collect/result-scan.ts';
import { ResultsWriter } from './results-writer.ts';
import { blockRun, type Session } from '../session.ts';

/** What a driver remembers between two looks. */
interface Watch {
  readonly leaders: Leaders;
  /** By chunk, the first of its rows whose leader had not ended at the last look: those before it have. */
  readonly waits: Map<number, number>;
}

const watches = new WeakMap<Session, Map<string, Watch>>();

/** Copies what can be copied by now. Gives how many chunks have got their answers. */
export async function copyRound(session: Session, runIds: readonly string[]): Promise<number> {
  const { store } = session.engine;
  let copied = 0;
  for (const runId of runIds) {
    const run = await store.run(runId);
    if (run?.settings.coalesce?.dedupe !== true || (run.state !== 'active' && run.state !== 'canceling')) continue;
    copied += await copyRun(session, run);
  }
  return copied;
}

async function copyRun(session: Session, run: RunRecord): Promise<number> {
  const { store, signal } = session.engine;
  const sealed = await store.chunks(run.id, { states: ['sealed'] });
  const waiting = sealed.filter((chunk) => chunk.answers === 'rows' && !session.blocks.stopsChunk(chunk));
  if (waiting.length === 0) return 0;
  const watch = watchOf(session, run.id);
  await watch.leaders.look();
  let copied = 0;
  for (const chunk of waiting) {
    if (signal.aborted) return copied;
    try {
      if (await copyChunk(session, chunk, watch)) copied++;
    } catch (error) {
      if (!isBatchrunError(error, 'E_STATE_CORRUPT') && !isBatchrunError(error, 'E_FILE')) throw error;
      await blockChunk(session, chunk, error);
    }
  }
  return copied;
}

function watchOf(session: Session, runId: string): Watch {
  let runs = watches.get(session);
  if (!runs) watches.set(session, (runs = new Map<string, Watch>()));
  let watch = runs.get(runId);
  if (!watch) runs.set(runId, (watch = { leaders: new Leaders(session.engine.store, runId), waits: new Map() }));
  return watch;
}

/** False where one of its leaders has not ended yet. */
async function copyChunk(session: Session, chunk: ChunkRecord, { leaders, waits }: Watch): Promise<boolean> {
  const { engine, driver } = session;
  const { runId, chunkNo } = chunk;
  const blobs = await engine.store.chunkIndex(runId, chunkNo);
  const { seqs } = decodeRequestIndex(blobs.requests);
  if (!blobs.leaders) throw new BatchrunError('E_STATE_CORRUPT', `state.db: chunk ${chunkNo} has no list of leaders`);
  const leaderSeqs = decodeLeaders(blobs.leaders, seqs);
  // Nearly always it waits for the same row as before: then this is one look.
  for (let at = waits.get(chunkNo) ?? 0; at < leaderSeqs.length; at++) {
    if (await leaders.endOf(leaderSeqs[at] ?? -1)) continue;
    waits.set(chunkNo, at);
    return false;
  }
  const ends: LeaderEnd[] = [];
  for (const seq of leaderSeqs) {
    const end = await leaders.endOf(seq);
    if (!end) return false;
    ends.push(end);
  }
  const answers = await copyLines(session, chunk, ends);
  const rows = restOf(chunk, { seqs, ends, placeOf: answers.placeOf });
  const succeeded = ends.filter((end) => end.to === 'succeeded').length;
  const { outcomes, resultIndex, savedUsd, stopReasons } = answers;
  const atMs = engine.clock.now();
  await driver.recordCopied({ runId, chunkNo, atMs, outcomes, resultIndex, succeeded, rows, savedUsd, stopReasons });
  failpoint('copy.recorded');
  waits.delete(chunkNo);
  engine.emit({ kind: 'chunk.collected', runId, chunkNo, succeeded, rest: chunk.rowCount - succeeded });
  return true;
}

interface Copied {
  readonly outcomes: Uint8Array;
  readonly resultIndex: Uint8Array;
  readonly savedUsd: number | null;
  readonly stopReasons: Readonly<Record<string, number>>;
  readonly placeOf: (index: number) => { readonly offset: number; readonly length: number } | null;
}

/** Writes the result file of the chunk, in the order in which its lines lie elsewhere. */
async function copyLines({ engine, driver }: Session, chunk: ChunkRecord, ends: readonly LeaderEnd[]): Promise<Copied> {
  const { runId, chunkNo, rowCount } = chunk;
  const outcomes = new Uint8Array(rowCount).fill(OUTCOME.elsewhere);
  const usage = new UsageSum('batch');
  const stops = new StopReasonSum();
  const results = await ResultsWriter.create(engine.files, runId, chunkNo);
  try {
    const places = ends.flatMap(({ result }, index) => (result ? [{ index, result }] : []));
    for await (const { index, text } of readLines(engine.files, runId, places)) {
      const end = ends[index];
      const line = end && lineOf(runId, text, end);
      if (!line) throw new BatchrunError('E_STATE_CORRUPT', `a result line of ${runId} is not what its index says`);
      if (end.to === 'succeeded') {
        outcomes[index] = outcomeByte('succeeded', line.stopReason);
        usage.add(line);
        stops.add(line);
      }
      await results.add(index, renameResultLine(text, line.wireId, wireId(tagOf(runId), chunkNo, index)));
    }
    const resultIndex = await results.commit(rowCount, driver.assertDriving);
    failpoint('copy.results_file');
    const entries = usage.entries();
    const known = entries.every((entry) => entry.unpricedRows === 0);
    const savedUsd = known ? entries.reduce((sum, entry) => sum + entry.costUsd, 0) : null;
    return { outcomes, resultIndex, savedUsd, stopReasons: stops.counts, placeOf: (index) => results.placeOf(index) };
  } catch (error) {
    await results.abort();
    throw error;
  }
}

/** Null where it is not the line of this leader. */
function lineOf(runId: string, text: string, { to, result }: LeaderEnd): ResultLine | null {
  const line = readResultLine(text)?.line ?? null;
  if (!line || !result) return null;
  const isRight =
    result.wireId === null
      ? line.wireId.startsWith(`${tagOf(runId)}-${result.chunkNo}-`)
      : line.wireId === result.wireId;
  return isRight && (to !== 'succeeded' || line.type === 'succeeded') ? line : null;
}

/** The rows that get records: of an input chunk those that did not succeed, of a chunk of retries all. */
function restOf(
  { chunkNo, kind }: ChunkRecord,
  of: { readonly seqs: Float64Array; readonly ends: readonly LeaderEnd[]; readonly placeOf: Copied['placeOf'] },
): CollectedRow[] {
  return of.ends.flatMap(({ to, errorType, attempts }, index): CollectedRow[] => {
    if (to === 'succeeded' && kind === 'input') return [];
    const place = of.placeOf(index);
    const result: ResultLocation | null = place && { chunkNo, ...place };
    return [{ seq: of.seqs[index] ?? -1, index, to, attempts, errorType, notBeforeMs: 0, result }];
  });
}

async function blockChunk(session: Session, { runId, chunkNo, rowCount }: ChunkRecord, error: unknown): Promise<void> {
  await blockRun(session, runId, {
    reason: 'copy_damaged',
    scope: `chunk:${chunkNo}`,
    message: `${rowCount} rows of chunk ${chunkNo} take the answers of other rows, and these cannot be read: ${messageOf(error)}`,
    hint: 'Bring the file back from a backup of the state folder, then run `batchrun collect` again. Nothing was sent again and nothing is lost.',
    sinceMs: session.engine.clock.now(),
  });
}
