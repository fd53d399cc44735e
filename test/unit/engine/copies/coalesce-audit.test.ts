/** Copy chunks under the commands that look at a run or mend it: audit, restore, export, a deadline. */
import { describe, expect, test } from 'vitest';
import { paths } from '../../../../src/domain/ids.ts';
import { LeadersBuilder } from '../../../../src/domain/leaders.ts';
import { audit } from '../../../../src/engine/audit/audit.ts';
import { deadlineQuestion } from '../../../../src/engine/deadline/deadline-look.ts';
import { exportState } from '../../../../src/engine/views/export-state.ts';
import { sampleRows } from '../../../../src/engine/preflight/row-sample.ts';
import { answering, asks, DEDUPE, finish, ran, REUSE, submitted, texts } from './coalesce.lab.ts';
import { erroredLine, lab, MINUTE_MS, succeededLine, type Lab } from '../lab.ts';

const INPUT = [asks('a', 1), asks('b', 2), asks('c', 1), asks('d', 3), asks('e', 2), asks('f', 1)];

async function findings(room: Lab): Promise<string[]> {
  const runs = await room.store.runs();
  const report = await audit(room.engine, {
    ...{ api: room.api, runs, driven: false, command: String, tell: () => undefined },
  });
  return report.runs.flatMap((run) => run.findings.map(({ kind }) => kind));
}

describe('audit', () => {
  test('finds nothing in a sound run, at every stage', async () => {
    const room = lab();
    let good = false;
    answering(room, (id, question) =>
      good || question !== 'question 1' ? succeededLine(id, question) : erroredLine(id, 'invalid_request_error'),
    );
    const run = await submitted(room, INPUT, DEDUPE);
    expect(await findings(room)).toEqual([]);
    await finish(room, run);
    expect(await findings(room)).toEqual([]);
    good = true;
    await (await room.driver()).reopen(run.id, ['failed'], room.clock.now());
    expect(await findings(room)).toEqual([]);
    await finish(room, run);
    expect(await findings(room)).toEqual([]);
    const again = await submitted(room, INPUT, REUSE);
    expect(await findings(room)).toEqual([]);
    await finish(room, again);
    expect(await findings(room)).toEqual([]);
  });

  test('names a list of leaders that is damaged, and leaders that are not sent', async () => {
    const room = lab();
    const run = await submitted(room, INPUT, DEDUPE);
    const copy = (await room.store.chunks(run.id)).find((chunk) => chunk.answers === 'rows');
    const put = (blob: Uint8Array): unknown =>
      room.db.run('UPDATE chunk_index SET leaders = ? WHERE chunk_no = ?', blob, copy?.chunkNo ?? 0);
    put(Uint8Array.of(1, 2, 3));
    expect(await findings(room)).toEqual(['ledger_damaged']);
    const builder = new LeadersBuilder();
    // Row 5 is said to follow row 4, which follows row 1.
    for (const [seq, leader] of [
      [2, 0],
      [4, 1],
      [5, 4],
    ] as const) {
      builder.append(seq, leader);
    }
    put(builder.finish());
    expect(await findings(room)).toEqual(['row_unaccounted']);
  });
});

describe('files that are lost', () => {
  test.each([
    ['with the flag', DEDUPE],
    ['without it', {}],
  ])('are made again by a submit of the same input, %s', async (_name, settings) => {
    const room = lab();
    answering(room);
    const run = await submitted(room, INPUT, DEDUPE);
    const chunks = await room.store.chunks(run.id);
    for (const { chunkNo } of chunks) {
      await room.files.remove(paths.rows(run.id, chunkNo));
      await room.files.remove(paths.body(run.id, chunkNo));
    }
    const report = await room.ingest(INPUT, { settings });
    expect(report).toMatchObject({ verdict: { kind: 'exists' }, restored: 2 * chunks.length });
    await finish(room, run);
    expect(texts(room).map(([, text]) => text)).toEqual([1, 2, 1, 3, 2, 1].map((nth) => `to question ${nth}`));
  });
});

test('an export says which chunks are copies', async () => {
  const room = lab();
  answering(room);
  const run = await ran(room, INPUT, DEDUPE);
  const snapshot = await room.store.snapshot();
  const lines: Record<string, unknown>[] = [];
  for await (const line of exportState(snapshot, run)) lines.push(JSON.parse(line) as Record<string, unknown>);
  await snapshot.close();
  const chunks = lines.filter((line) => line['type'] === 'chunk');
  expect(chunks.map((line) => [line['answers'], (line['saved_usd'] as number | null) !== null])).toEqual([
    ['api', false],
    ['rows', true],
  ]);
});

test('a sample of the rows is of those that are sent', async () => {
  const room = lab();
  const run = await submitted(room, INPUT, DEDUPE);
  const sample = await sampleRows(room.engine, run.id, { count: 10, longest: 0 });
  expect(sample.map((row) => row.seq)).toEqual([0, 1, 3]);
});

test('a deadline looks at rows that are sent', async () => {
  const room = lab();
  const run = await submitted(room, INPUT, { ...DEDUPE, wishes: { deadlineMs: room.clock.now() + 5 * MINUTE_MS } });
  const { question } = await deadlineQuestion(await room.session(), run, 0);
  expect(question.sealed.map((piece) => piece.rows)).toEqual([3]);
});
