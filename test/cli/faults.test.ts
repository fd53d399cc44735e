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

test.each<FaultName>([
  ...(['create.reset_upload', 'create.reset_before', 'create.500_before', 'create.429', 'create.413'] as const),
  ...(['create.reset_after', 'create.504_after', 'create.500_after', 'create.garbage_answer'] as const),
  ...(['list.lag', 'list.500', 'list.503', 'retrieve.404', 'retrieve.500'] as const),
  ...(['results.404', 'results.503', 'results.empty', 'results.cut_line', 'results.cut_inside'] as const),
  ...(['results.reset', 'results.duplicate_line', 'results.foreign_line'] as const),
])('%s once', async (fault) => {
  const b = await bench();
  b.world.failNext(fault);
  b.write('in.jsonl', requests(4));
  const run = await b.ok(['run', 'in.jsonl', '--chunk-size', '2']);
  expect(run.stderr).not.toMatch(/bug/);
  expectAnswers(b.lines('in.results.jsonl'), asked(4));
  expectNothingTwice(b.world);
});

test.each<FaultName>([
  ...(['message.reset', 'message.reset_before', 'message.429', 'message.500', 'message.529'] as const),
  'message.garbage_answer',
])('%s twice in the realtime lane', async (fault) => {
  const b = await bench({ rates: { expireRate: 1 } });
  b.world.failNext(fault, 2);
  b.write('in.jsonl', requests(4));
  await b.ok(['run', 'in.jsonl', '--max-attempts', '9']);
  expectAnswers(b.lines('in.results.jsonl'), asked(4));
  expect(b.world.ledger.batches).toHaveLength(1);
  expect(b.world.faultsFired.get(fault)).toBe(2);
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
