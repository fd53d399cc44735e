/**
 * Bad days over real HTTP: whatever drops, lags or lies, each row ends with its own answer, and nothing is paid twice.
 */
import { expect, test } from 'vitest';
import type { FaultName } from '../../src/tools/sim/faults.ts';
import { asked, bench, ENDLESS, expectAnswers, expectNothingTwice, requests, start } from '../support/cli.ts';

test('`batchrun sim --faults many` in a process of its own: complete, each row with its own answer', async () => {
  const client = await bench(ENDLESS);
  const sim = start(
    client.folder,
    [
      ...['sim', '--port', '0', '--seed', 'cli', '--faults', 'many', '--error-rate', '0.1', '--expire-rate', '0.05'],
      ...['--batch-duration', '50ms-150ms', '--message-latency', '0ms-5ms', '--list-lag', '100ms'],
    ],
    {},
  );
  await sim.says(/http:\S+\n/, 'stdout');
  const origin = sim.stdout.trim();
  client.write('in.jsonl', requests(60));
  const env = { ANTHROPIC_BASE_URL: origin };
  await client.ok(['run', 'in.jsonl', '--chunk-size', '12', '--max-attempts', '20'], { env });
  expectAnswers(client.lines('in.results.jsonl'), asked(60));
  sim.kill('SIGINT');
  expect((await sim.ended).code).toBe(130);
});

test.each<readonly FaultName[]>([
  ['create.reset_upload', 'results.404'],
  ['create.reset_before', 'results.503'],
  ['create.500_before', 'results.empty'],
  ['create.429', 'retrieve.500', 'list.404'],
  ['create.413', 'list.503'],
  ['create.reset_after', 'results.cut_line'],
  ['create.504_after', 'results.cut_inside'],
  ['create.500_after', 'results.reset'],
  ['create.garbage_answer', 'results.duplicate_line'],
  ['list.lag', 'retrieve.404', 'results.foreign_line'],
])('%s and %s', async (...faults) => {
  const b = await bench();
  for (const fault of faults) b.world.failNext(fault);
  b.write('in.jsonl', requests(4));
  const run = await b.ok(['run', 'in.jsonl', '--chunk-size', '2']);
  expect(run.stderr).not.toMatch(/bug/);
  expectAnswers(b.lines('in.results.jsonl'), asked(4));
  expectNothingTwice(b.world);
});

test.each<readonly FaultName[]>([
  ['message.reset', 'message.429'],
  ['message.reset_before', 'message.500', 'message.529'],
])('%s and %s in the realtime lane', async (...faults) => {
  const b = await bench({ rates: { expireRate: 1 } });
  for (const fault of faults) b.world.failNext(fault);
  b.write('in.jsonl', requests(4));
  await b.ok(['run', 'in.jsonl', '--max-attempts', '9']);
  expectAnswers(b.lines('in.results.jsonl'), asked(4));
  expect(b.world.ledger.batches).toHaveLength(1);
  for (const fault of faults) expect(b.world.faultsFired.get(fault)).toBe(1);
});

test('a realtime answer that cannot be read is asked for once more', async () => {
  const b = await bench({ rates: { expireRate: 1 } });
  b.world.failNext('message.garbage_answer');
  b.write('in.jsonl', requests(2));
  await b.ok(['run', 'in.jsonl']);
  expectAnswers(b.lines('in.results.jsonl'), asked(2));
  expect(b.world.ledger.messages).toHaveLength(3);
});

test('somebody else cancels a batch: its rows are canceled, and retry sends them again', async () => {
  const b = await bench({ batchDurationMs: [300, 400] });
  b.world.failNext('batch.canceled_by_other');
  b.write('in.jsonl', requests(4));
  const run = await b.call(['run', 'in.jsonl']);
  expect(run.code === 0 || run.code === 3).toBe(true);
  await b.ok(['retry', 'latest', '--wait']);
  expectAnswers(b.lines('in.results.jsonl'), asked(4));
});
