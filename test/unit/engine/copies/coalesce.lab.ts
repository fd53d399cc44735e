/**
 * What the tests of --dedupe and --reuse work with: an API whose batches end at once with an answer that says what was
 * asked, and what was sent and came out.
 */
import { expect } from 'vitest';
import type { ChunkRecord, RunRecord } from '../../../../src/domain/model.ts';
import { drive } from '../../../../src/engine/runner.ts';
import { HOLDER, row, succeededLine, type Json, type Lab, type SubmitOptions } from '../lab.ts';

export const DEDUPE = { coalesce: { dedupe: true, reuse: false } } as const;
export const REUSE = { coalesce: { dedupe: false, reuse: true } } as const;
export const BOTH = { coalesce: { dedupe: true, reuse: true } } as const;

/** A row with this id that asks this. */
export function asks(id: string, question: number, more: Json = {}): Json {
  return { ...row(question), custom_id: id, ...more };
}

interface SentRequest {
  readonly custom_id: string;
  readonly params: { readonly messages: readonly { readonly content: string }[] };
}

function requestsIn(body: string): readonly SentRequest[] {
  return (JSON.parse(body) as { requests: SentRequest[] }).requests;
}

/** What a request asks. */
function questionOf({ params }: SentRequest): string {
  return params.messages[0]?.content ?? '';
}

/** The line that answers a question. */
export type Answering = (id: string, question: string) => string;

const ANSWER: Answering = (id, question) => succeededLine(id, `to ${question}`);

/** Each batch ends at once. */
export function answering(room: Lab, lineOf: Answering = ANSWER): void {
  room.api.onCreate = (body) => {
    const batch = room.api.make(body);
    const lines = requestsIn(body).map((request) => lineOf(request.custom_id, questionOf(request)));
    const of = (type: string): number => lines.filter((line) => line.includes(`"result":{"type":"${type}"`)).length;
    const counts = { succeeded: of('succeeded'), errored: of('errored'), canceled: of('canceled') };
    room.api.end(batch.id, lines, { ...counts, expired: of('expired') });
    return batch;
  };
}

export async function finish(room: Lab, run: Pick<RunRecord, 'id'>): Promise<RunRecord> {
  const request = { goal: 'finish', once: false, holder: HOLDER, retryLockMs: 0, asCompleted: null } as const;
  expect(await room.clock.run(drive(room.engine, { ...request, runIds: [run.id] }))).toBe('done');
  const done = await room.store.run(run.id);
  if (!done) throw new Error('a run that was driven is there');
  return done;
}

export async function submitted(
  room: Lab,
  input: readonly Json[],
  settings: NonNullable<SubmitOptions['settings']> = {},
): Promise<RunRecord> {
  return room.submit(input, { request: { again: true }, settings });
}

export async function ran(
  room: Lab,
  input: readonly Json[],
  settings: NonNullable<SubmitOptions['settings']> = {},
): Promise<RunRecord> {
  return finish(room, await submitted(room, input, settings));
}

/** Everything that was sent in batches, in order. */
export function sent(room: Lab): string[] {
  return room.api.bodies.flatMap((body) => requestsIn(body).map(questionOf));
}

/** Id and text (or type) of each line of the output. */
export function texts(room: Lab): [string, string][] {
  return room.output().map((line) => {
    const { custom_id: id, result } = JSON.parse(line) as {
      custom_id: string;
      result: { type: string; message?: { content: { text: string }[] }; error?: { error: { type: string } } };
    };
    return [id, result.message?.content[0]?.text ?? result.error?.error.type ?? result.type];
  });
}

export async function kinds(room: Lab, run: RunRecord): Promise<[ChunkRecord['answers'], string, number][]> {
  return (await room.store.chunks(run.id)).map((chunk) => [chunk.answers, chunk.state, chunk.rowCount]);
}
