/**
 * Closing in the middle of things: what is under way ends as it is documented, and the ledger stays open as long.
 */
import { expect, it } from 'vitest';
import type { Row } from '../../src/library/options.ts';
import { params } from '../support/cli.ts';
import { lab, rowsOf } from './lab.ts';

it('while rows are read ends the submit, and leaves nothing behind', async () => {
  const { bench: b, open } = await lab();
  const batchrun = open();
  let closed: Promise<void> | undefined;
  async function* rows(): AsyncGenerator<Row> {
    for (let at = 0; ; at++) {
      if (at === 3_000) closed = batchrun.close();
      yield { custom_id: `r${at}`, params: params('x'.repeat(200)) };
      await Promise.resolve();
    }
  }
  await expect(batchrun.submit(rows())).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  await closed;
  expect(b.calls('batches.create')).toBe(0);
  expect(b.runFolders()).toEqual([]);
  expect(await open().runs()).toEqual([]);
});

it('while a row does not come does not wait for it', async () => {
  const { open } = await lab();
  const batchrun = open();
  let asked: () => void = () => undefined;
  const waits = new Promise<void>((resolve) => (asked = resolve));
  async function* rows(): AsyncGenerator<Row> {
    yield* rowsOf(2);
    asked();
    await new Promise(() => undefined);
  }
  const submitted = batchrun.submit(rows()).catch((error: unknown) => error);
  await waits;
  await batchrun.close();
  expect(await submitted).toMatchObject({ code: 'E_NOT_FINISHED' });
});

it('at once after a submit was asked for ends it, too, or lets it come to its end', async () => {
  const { open } = await lab();
  const batchrun = open();
  const submitted = batchrun.submit(rowsOf(500)).catch((error: unknown) => error);
  await batchrun.close();
  const outcome = await submitted;
  if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'E_NOT_FINISHED' });
  else expect(outcome).toMatchObject({ report: { rows: 500 } });
});

it('at once after a look was asked for ends that, or lets it come to its end', async () => {
  const { open } = await lab();
  const batchrun = open();
  await batchrun.submit(rowsOf(1), { start: false });
  await batchrun.close();
  const later = open();
  const looks = [later.runs(), later.run('latest'), later.check(rowsOf(1))];
  const settled = Promise.allSettled(looks);
  await later.close();
  for (const look of await settled)
    if (look.status === 'rejected') expect(look.reason).toMatchObject({ code: 'E_NOT_FINISHED' });
});

it('while results are read ends the reading', async () => {
  const { open } = await lab();
  const batchrun = open();
  const run = await batchrun.submit(rowsOf(50));
  await run.wait();
  const results = run.results();
  expect(await results.next()).toMatchObject({ value: { custom_id: 'row-1' } });
  const under = results.next();
  await batchrun.close();
  expect(await under).toMatchObject({ value: { custom_id: 'row-2' } });
  await expect(results.next()).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  await expect(run.status()).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  await expect(run.wait()).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
});
