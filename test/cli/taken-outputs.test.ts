/**
 * A file of an output that --overwrite takes from an unfinished run: what the run that has it answers stays in it, and
 * what the other has comes out beside.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { answerOf, asked, bench, expectAnswers, expectNothingTwice, requests } from '../support/cli.ts';

test('a cancel that is finished later does not replace the answers of the run that took its file', async () => {
  const b = await bench({ batchDurationMs: [50, 50] });
  b.write('a.jsonl', requests(3, 'first'));
  b.write('b.jsonl', requests(2, 'second'));
  // Two chunks, one of them paid: its answers must come out somewhere.
  const first = await b.json(0, ['submit', 'a.jsonl', '-o', 'out.jsonl', '--chunk-size', '2', '--max-batches', '1']);
  const own = join(b.folder, `${first.run_id}.results.jsonl`);
  const taken = await b.ok(['run', 'b.jsonl', '-o', 'out.jsonl', '--overwrite']);
  expect(taken.stderr).toContain(
    `out.jsonl was the output of ${first.run_id}, which is not finished: that run writes ${own} now.`,
  );
  expect((await b.json(0, ['status', first.run_id])).runs[0].output).toBe(own);
  await b.ok(['cancel', first.run_id]);
  expectAnswers(b.lines('out.jsonl'), asked(2, 'second'));
  const rows = b.lines(`${first.run_id}.results.jsonl`).map(answerOf);
  expect(rows.map(([id]) => id)).toEqual(asked(3).map(([id]) => id));
  expect(rows[2]?.[1]).toBe('canceled');
  expect(rows[0]?.[1]).not.toBe('canceled');
  expect((await b.ok(['log', first.run_id, '--json'])).stdout).toContain('"output.moved"');
  expectNothingTwice(b.world);
});

test('a retry of a run whose file another has written since stays away from it', async () => {
  const b = await bench({ batchDurationMs: [50, 50] });
  b.write('a.jsonl', requests(3, 'first'));
  b.write('b.jsonl', requests(2, 'second'));
  const first = await b.json(0, ['submit', 'a.jsonl', '-o', 'out.jsonl', '--chunk-size', '2', '--max-batches', '1']);
  await b.ok(['cancel', first.run_id]);
  await b.ok(['run', 'b.jsonl', '-o', 'out.jsonl', '--overwrite']);
  await b.ok(['retry', first.run_id, '--wait']);
  expectAnswers(b.lines('out.jsonl'), asked(2, 'second'));
  expectAnswers(b.lines(`${first.run_id}.results.jsonl`), asked(3, 'first'));
});
