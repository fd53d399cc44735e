/**
 * Runs to be audited: sound ones at every stage, and batches of the API that nobody here has made.
 */
import { expect } from 'vitest';
import { NO_USAGE, type BatchInfo, type RunRecord } from '../../../../src/domain/model.ts';
import { costUsd } from '../../../../src/domain/pricing.ts';
import { audit, type AuditRequest } from '../../../../src/engine/audit/audit.ts';
import type { AuditReport, RunAudit } from '../../../../src/engine/audit/report.ts';
import { collectRound } from '../../../../src/engine/collect/collect.ts';
import { poll } from '../../../../src/engine/poll/poll.ts';
import type { Session } from '../../../../src/engine/session.ts';
import { uploadRound } from '../../../../src/engine/upload/upload.ts';
import { erroredLine, HOUR_MS, lab, linesOf, rows, wire, type Lab, type SubmitOptions } from '../lab.ts';

export const DAY_MS = 24 * HOUR_MS;
/** What one answer of the lab costs in the batch lane. */
export const ANSWER_USD =
  costUsd({
    model: 'claude-haiku-5-5',
    lane: 'batch',
    usage: { ...NO_USAGE, inputTokens: 5, outputTokens: 7 },
  }) ?? Number.NaN;

export interface Room extends Lab {
  readonly run: RunRecord;
  readonly the: Session;
  look(more?: Partial<AuditRequest>): Promise<AuditReport>;
  /** The audit of the one run. */
  audit(more?: Partial<AuditRequest>): Promise<RunAudit>;
  /** Kinds of what is off. */
  kinds(more?: Partial<AuditRequest>): Promise<string[]>;
}

export async function room(count: number, more: SubmitOptions = {}): Promise<Room> {
  const it = lab();
  const run = await it.submit(rows(count), more);
  const the = await it.session();
  const look = async (request: Partial<AuditRequest> = {}): Promise<AuditReport> => {
    const runs = await it.store.runs();
    const command = (words: string): string => `\`${words}\``;
    return audit(it.engine, { api: it.api, runs, driven: false, command, tell: () => undefined, ...request });
  };
  const one = async (request?: Partial<AuditRequest>): Promise<RunAudit> => {
    const [first] = (await look(request)).runs;
    if (!first) throw new Error('there is no run in the report');
    return first;
  };
  const kinds = async (request?: Partial<AuditRequest>): Promise<string[]> =>
    (await one(request)).findings.map(({ kind }) => kind);
  return { ...it, run, the, look, audit: one, kinds };
}

/** A run of chunks of three rows, all sent. */
export async function sent(chunks = 2): Promise<Room> {
  const it = await room(chunks * 3, { settings: { chunkRows: 3 } });
  await uploadRound(it.the, [it.run.id]);
  return it;
}

/** The same at its end; with `rest`, the last row of each chunk is overloaded and waits for a retry. */
export async function collected({ chunks = 2, rest = false } = {}): Promise<Room> {
  const it = await sent(chunks);
  for (let no = 1; no <= chunks; no++) {
    const lines = linesOf(it.run, no, 3);
    if (rest) lines[2] = erroredLine(wire(it.run, no, 2));
    it.api.end(`msgbatch_${no}`, lines, rest ? { succeeded: 2, errored: 1 } : { succeeded: 3 });
  }
  await poll(it.the);
  expect(await collectRound(it.the, [it.run.id])).toBe(chunks);
  if (!rest) await it.the.driver.finishRun(it.run.id, it.clock.now());
  return it;
}

/** A batch of the API that nobody here has made, with these lines in its results. */
export function added(it: Room, id: string, lines: readonly string[], more: Partial<BatchInfo> = {}): void {
  it.api.add(id, lines.length);
  it.api.end(id, lines);
  it.api.listed = it.api.listed.map((batch) => (batch.id === id ? { ...batch, ...more } : batch));
}

export async function readFile({ files }: Pick<Room, 'files'>, path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of files.stream(path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function writeFile({ files }: Pick<Room, 'files'>, path: string, bytes: Buffer): Promise<void> {
  const writer = await files.create(path);
  await writer.write(bytes);
  await writer.commit();
}

export const only = <T>(list: readonly T[]): T | undefined => (list.length === 1 ? list[0] : undefined);
