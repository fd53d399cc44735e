/**
 * Answers of the realtime lane become durable: their lines in the append log, then their outcomes in the ledger, those
 * that have come meanwhile together.
 */
import { failpoint } from '../../base/failpoint.ts';
import type { RowRecord, RunRecord } from '../../domain/model.ts';
import type { ResultLine } from '../../domain/result-line.ts';
import { hasDeviant } from '../../domain/schema-error.ts';
import type { RealtimeSettled } from '../../domain/store-steps.ts';
import { stopRefused } from '../pilot/pilot-hold.ts';
import type { RealtimeLogs } from './realtime-logs.ts';
import { StopReasonSum, UsageSum } from '../collect/result-scan.ts';
import type { Session } from '../session.ts';

/** In wire ids and result locations the realtime log counts as chunk 0. */
export const REALTIME_CHUNK_NO = 0;

export interface Answer {
  readonly run: RunRecord;
  readonly row: RowRecord;
  /** The line for the log, or null where there is nothing to keep. */
  readonly line: string | null;
  readonly parsed: ResultLine | null;
  readonly settled: Omit<RealtimeSettled, 'result'>;
  /** Reserved for the call and free again. */
  readonly releasedUsd: number;
}

/** Commits answers of one run. */
export async function settleAnswers(session: Session, logs: RealtimeLogs, answers: readonly Answer[]): Promise<void> {
  const run = answers[0]?.run;
  if (!run) return;
  failpoint('retry.realtime_answer');
  const { driver, engine } = session;
  const log = await logs.of(run.id);
  const usage = new UsageSum('realtime');
  const stopReasons = new StopReasonSum();
  const rows: RealtimeSettled[] = [];
  const lines: Buffer[] = [];
  let offset = log.bytes;
  for (const { row, line, parsed, settled } of answers) {
    if (line === null) {
      // An answer that was cut off, or does not follow the schema, stays until there is a better one.
      rows.push({ ...settled, result: row.truncations > 0 || hasDeviant(row) ? row.result : null });
      // Where there will be none, it is how the row ended.
      if (settled.to === 'succeeded') stopReasons.addReason('max_tokens');
      continue;
    }
    const bytes = Buffer.from(`${line}\n`);
    rows.push({ ...settled, result: { chunkNo: REALTIME_CHUNK_NO, offset, length: bytes.length - 1 } });
    lines.push(bytes);
    offset += bytes.length;
    if (!parsed) continue;
    usage.add(parsed);
    // One that is asked for again is not how the row ended.
    if (settled.to !== 'retry') stopReasons.add(parsed);
  }
  // Whoever has lost the lock must not write over what the next driver has committed there.
  await driver.assertDriving();
  await log.append(Buffer.concat(lines));
  await log.sync();
  failpoint('retry.realtime_log');
  const releasedUsd = answers.reduce((sum, answer) => sum + answer.releasedUsd, 0);
  const sums = { usage: usage.entries(), stopReasons: stopReasons.counts };
  const atMs = engine.clock.now();
  await driver.settleRealtime({ runId: run.id, atMs, logBytes: log.bytes, releasedUsd, rows, ...sums });
  await stopRefused(session, run.id);
  const succeeded = rows.filter((row) => row.to === 'succeeded').length;
  engine.emit({ kind: 'rows.settled', runId: run.id, succeeded, rest: rows.length - succeeded });
}
