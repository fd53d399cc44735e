/**
 * Notices on their way: a receiver that hangs holds up neither the other way out nor the end for long.
 */
import { expect, it } from 'vitest';
import { silentLogger } from '../../../../src/base/log.ts';
import { NOTICE_SENT, noticeId, type DueNotice } from '../../../../src/domain/notices.ts';
import { CLOSE_MS_MAX, Outbox, type NoticeChannel } from '../../../../src/tools/notify/outbox.ts';
import { lab, rows } from '../../engine/lab.ts';

it('a webhook that hangs does not keep a notice from the command', async () => {
  const room = lab();
  const run = await room.submit(rows(2));
  const got: [string, number][] = [];
  const beganMs = room.clock.now();
  const hangs: NoticeChannel = {
    name: 'webhook',
    deliver: (_body, { signal }) =>
      new Promise((_resolve, reject) => {
        const end = (): void => reject(new Error('nobody waits any more'));
        if (signal.aborted) end();
        signal.addEventListener('abort', end);
      }),
  };
  const takes: NoticeChannel = {
    name: 'command',
    deliver: async (body) => void got.push([body.message, room.clock.now() - beganMs]),
  };
  const outbox = new Outbox({
    ...{ ledger: room.store, clock: room.clock, log: silentLogger, channels: [hangs, takes], signal: room.stop.signal },
    sender: { host: 'here', state: '/state', command: 'batchrun run' },
  });
  for (const message of ['first', 'second']) {
    const due: DueNotice = {
      ...{ id: noticeId(run.id, message), runId: run.id, event: 'blocked', cause: message, atMs: beganMs, message },
      ...{ hint: null, exit: null, code: null, details: {}, to: ['webhook', 'command'] },
    };
    outbox.put(due);
  }
  await room.clock.run(outbox.close());
  expect(got).toEqual([
    ['first', 0],
    ['second', 0],
  ]);
  expect(room.clock.now() - beganMs).toBe(CLOSE_MS_MAX);
  const sent = await room.store.events(run.id, { limit: 100, kinds: [NOTICE_SENT] });
  expect(sent.map(({ data }) => data['to'])).toEqual(['command', 'command']);
});
