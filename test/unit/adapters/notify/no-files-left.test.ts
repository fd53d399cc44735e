/**
 * A process that may open no more files: Node gives the command of a notice no pipes then, and tells it by an event that
 * would end the process, and paid work with it, if nobody listened.
 */
import { EventEmitter } from 'node:events';
import { expect, test, vi } from 'vitest';
import { createNoticeCommand } from '../../../../src/adapters/notify/command.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import type { NoticeBody } from '../../../../src/domain/notice-body.ts';

vi.mock('node:child_process', () => ({
  spawn: (): EventEmitter => {
    const child = new EventEmitter();
    process.nextTick(() => child.emit('error', Object.assign(new Error('spawn sh EMFILE'), { code: 'EMFILE' })));
    return child;
  },
}));

test('a command that cannot be started is a notice that was not taken, and no more', async () => {
  const parts = { clock: new VirtualClock(), rng: { next: () => 0.5 }, log: silentLogger, env: {}, hidden: [] };
  const command = createNoticeCommand({ ...parts, command: 'exit 0' });
  const body: NoticeBody = {
    ...{ version: 1, id: 'ntc_1', event: 'done', at: '2026-11-20T00:00:00.000Z', text: 't', message: 'm' },
    ...{ hint: null, exit: 0, code: null, run: { id: 'run_1', name: null, state: 'done' }, rows: null },
    ...{ cost_usd: { spent: null, budget: null }, details: {}, host: 'h', state: '/s', command: 'batchrun run' },
  };
  const delivering = command.deliver(body, { signal: new AbortController().signal, patient: true });
  await expect(delivering).rejects.toThrow('the command could not be started (spawn sh EMFILE)');
});
