/** Batches of other programs take room, ours take theirs once, and what the others leave is seen and used. */
import { describe, expect, test } from 'vitest';
import { poll } from '../../../src/engine/poll.ts';
import { uploadRound } from '../../../src/engine/upload.ts';
import { countsOf, lab, rows } from './lab.ts';

const ONE_ROW_CHUNKS = { settings: { chunkRows: 1 } } as const;

describe('the queue of the organization', () => {
  test('a batch that was made a moment ago is ours, not another program’s as well', async () => {
    const it = lab({ pacing: { maxQueued: 10 } });
    const run = await it.submit(rows(12), ONE_ROW_CHUNKS);
    const the = await it.session();
    expect(await uploadRound(the, [run.id])).toEqual({ uploaded: 10, full: true, waiting: 2 });
    expect([...the.foreign.values()]).toEqual([{ batches: 0, rows: 0 }]);
  });

  test('is looked at again while only others fill it', async () => {
    const it = lab({ pacing: { maxQueued: 10 } });
    const run = await it.submit(rows(2), ONE_ROW_CHUNKS);
    const the = await it.session();
    it.api.add('msgbatch_other', 10);
    // The first create finds out what the list shows.
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 1, full: true });
    it.api.end('msgbatch_1', [], { succeeded: 1 });
    await poll(the);
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 0, full: true });
    it.api.listed = it.api.listed.map((batch) => ({ ...batch, status: 'ended', counts: countsOf({ succeeded: 10 }) }));
    await poll(the);
    expect(await uploadRound(the, [run.id])).toMatchObject({ uploaded: 1, waiting: 0 });
  });
});
