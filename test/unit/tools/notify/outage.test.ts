/**
 * Notices about an outage of the API: when it has lasted, once, whatever processes meet it, and its end to those who were
 * told.
 */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../src/base/log.ts';
import type { NoticeBody } from '../../../../src/domain/notice-body.ts';
import { NOTICE_EVENTS, type NoticeEvent } from '../../../../src/domain/notices.ts';
import { Notifier } from '../../../../src/tools/notify/notifier.ts';
import { HOUR_MS, lab, MINUTE_MS, rows, type Lab } from '../../engine/lab.ts';

interface Desk extends Lab {
  readonly runIds: readonly string[];
  readonly got: NoticeBody[];
  /** A process with its own notifier. */
  process(work: (notifier: Notifier) => void, on?: readonly NoticeEvent[]): Promise<void>;
}

async function desk(): Promise<Desk> {
  const room = lab();
  const runIds = [(await room.submit(rows(2))).id, (await room.submit(rows(3))).id];
  const got: NoticeBody[] = [];
  return {
    ...{ ...room, runIds, got },
    process: async (work, on = NOTICE_EVENTS) => {
      const notifier = new Notifier({
        ...{ ledger: room.store, clock: room.clock, log: silentLogger, exitOf: () => 0 },
        channels: [{ name: 'command', deliver: async (body) => void got.push(body) }],
        on: new Set(on),
        sender: { host: 'here', state: '/state', command: 'batchrun collect' },
        signal: room.stop.signal,
      });
      notifier.begin(runIds);
      work(notifier);
      await room.clock.run(notifier.finish());
    },
  };
}

const WAITING = { kind: 'waiting', untilMs: 0 } as const;

describe('an outage', () => {
  it('is told when it has lasted for ten minutes, once, and its end', async () => {
    const it = await desk();
    const sinceMs = it.clock.now();
    await it.process(({ observe }) => {
      observe({ kind: 'api.errors', sinceMs, cause: '500 api_error on list' });
      it.clock.advance(10 * MINUTE_MS - 1);
      observe(WAITING);
    });
    expect(it.got).toEqual([]);
    await it.process(({ observe }) => {
      observe({ kind: 'api.errors', sinceMs, cause: '500 api_error on list' });
      it.clock.advance(1);
      observe(WAITING);
      it.clock.advance(HOUR_MS);
      observe(WAITING);
      observe({ kind: 'api.answers' });
      observe({ kind: 'api.answers' });
    });
    expect(it.got.map(({ event }) => event)).toEqual(['api_down', 'api_up']);
    const since = new Date(sinceMs).toISOString();
    expect(it.got[0]?.message).toBe(`the API has answered with errors since ${since} (500 api_error on list)`);
    expect(it.got[0]?.details).toEqual({ kind: 'errors', since, cause: '500 api_error on list' });
  });

  it('is told once by a job that starts every five minutes, and the next one is news', async () => {
    const it = await desk();
    for (const outage of [1, 2]) {
      const sinceMs = it.clock.now();
      for (let job = 0; job < 6; job++) {
        await it.process(({ observe }) => observe({ kind: 'api.unreachable', sinceMs, cause: 'no connection' }));
        it.clock.advance(5 * MINUTE_MS);
      }
      await it.process(({ observe }) => observe({ kind: 'api.answers' }));
      expect(it.got.map(({ event }) => event)).toEqual(
        Array.from({ length: outage }, () => ['api_down', 'api_up']).flat(),
      );
    }
    expect(new Set(it.got.map(({ id }) => id)).size).toBe(4);
  });

  it('that is over before it was told is told nobody', async () => {
    const it = await desk();
    await it.process(({ observe }) => {
      observe({ kind: 'api.errors', sinceMs: it.clock.now(), cause: '529 overloaded_error on create' });
      it.clock.advance(MINUTE_MS);
      observe({ kind: 'api.answers' });
      it.clock.advance(HOUR_MS);
      observe(WAITING);
    });
    expect(it.got).toEqual([]);
  });

  it('is left out by --notify-on', async () => {
    const it = await desk();
    await it.process(
      ({ observe }) => {
        observe({ kind: 'api.errors', sinceMs: it.clock.now() - HOUR_MS, cause: '500' });
        observe({ kind: 'api.answers' });
      },
      ['done'],
    );
    expect(it.got).toEqual([]);
  });
});
