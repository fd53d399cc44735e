/**
 * Batches of another day put into a world: they live on under the ids and times they had, and no fault strikes them.
 */
import { expect, test } from 'vitest';
import { answerFor } from '../../../../src/tools/sim/answer.ts';
import { bench, HOUR_MS, idOf, MINUTE_MS, paramsOf, rows, textOf } from './helpers.ts';

const bodyOf = (requests: readonly unknown[]): Buffer => Buffer.from(JSON.stringify({ requests }));

test('a restored batch is listed, runs, ends and answers its rows under its own id', async () => {
  const { clock, world, call, create, results } = bench();
  const createdAtMs = clock.now() - 2 * HOUR_MS;
  world.restoreBatch({ id: 'msgbatch_old', createdAtMs, body: bodyOf(rows(3)), durationMs: 2 * HOUR_MS + MINUTE_MS });
  const newer = idOf(await create(rows(2, 'new')));
  const list = await call('GET', '/v1/messages/batches');
  const listed = list.json['data'] as { id: string; created_at: string; processing_status: string }[];
  expect(listed.map(({ id }) => id)).toEqual([newer, 'msgbatch_old']);
  expect(listed[1]).toMatchObject({
    created_at: new Date(createdAtMs).toISOString(),
    processing_status: 'in_progress',
  });
  expect(world.ledger.batches.map(({ id }) => id)).toEqual(['msgbatch_old', newer]);

  clock.advance(MINUTE_MS);
  const lines = await results('msgbatch_old');
  expect(lines.map((line) => [line['custom_id'], textOf(line)]).sort()).toEqual(
    rows(3).map(({ custom_id: id }) => [id, answerFor(paramsOf(`question ${String(id)}`))]),
  );
});

test('whoever has another workspace does not see it', async () => {
  const { clock, world, call } = bench({ keys: { theirs: { workspace: 'wrkspc_theirs' } } });
  const workspace = 'wrkspc_theirs';
  world.restoreBatch({ id: 'msgbatch_old', createdAtMs: clock.now(), body: bodyOf(rows(1)), workspace });
  expect((await call('GET', '/v1/messages/batches/msgbatch_old')).status).toBe(404);
  const theirs = await call('GET', '/v1/messages/batches/msgbatch_old', undefined, { 'x-api-key': 'theirs' });
  expect(theirs.status).toBe(200);
});

test('faults that were queued wait for a batch that is made', async () => {
  const { clock, world, create } = bench();
  world.failNext('batch.expire');
  world.failNext('list.lag');
  world.failNext('batch.canceled_by_other');
  world.restoreBatch({ id: 'msgbatch_old', createdAtMs: clock.now(), body: bodyOf(rows(1)) });
  expect(world.faultsFired.size).toBe(0);
  await create(rows(1));
  expect([...world.faultsFired.keys()].sort()).toEqual(['batch.canceled_by_other', 'batch.expire', 'list.lag']);
});
