/**
 * An outage of the API in the ledger: `status` shows it while it lasts, the next process knows since when, and its end is
 * written once.
 */
import { describe, expect, it } from 'vitest';
import type { RunRecord } from '../../../../src/domain/model.ts';
import type { EngineEvent } from '../../../../src/engine/events.ts';
import { drive } from '../../../../src/engine/runner.ts';
import { viewRun } from '../../../../src/engine/views/status.ts';
import { HOLDER, HOUR_MS, lab, linesOf, MINUTE_MS, refused, rows, wire, type Lab } from '../lab.ts';

const BROKEN = refused({ status: 500, type: 'api_error', message: 'Internal server error' });

interface Night extends Lab {
  readonly run: RunRecord;
  /** Collects to its end, or one pass. */
  driven(once?: boolean, hear?: (event: EngineEvent) => void): Promise<string>;
  view(): ReturnType<typeof viewRun>;
  told(kind: EngineEvent['kind']): EngineEvent[];
  words(): Promise<string[]>;
}

/** A run whose batch is under way. */
async function night(): Promise<Night> {
  const it = lab({ pacing: { idleLookMs: MINUTE_MS } });
  const run = await it.submit(rows(3));
  const request = { runIds: null, goal: 'finish', holder: HOLDER, retryLockMs: 0, asCompleted: null } as const;
  const driven: Night['driven'] = (once = false, hear = () => undefined) => {
    const emit = (event: EngineEvent): void => {
      it.engine.emit(event);
      hear(event);
    };
    return it.clock.run(drive({ ...it.engine, emit }, { ...request, once }));
  };
  await driven(true);
  return {
    ...{ ...it, run, driven },
    view: async () => viewRun(it.store, (await it.store.run(run.id)) ?? run),
    told: (kind) => it.events.filter((event) => event.kind === kind),
    words: async () =>
      (await it.store.events(run.id, { limit: 1_000 }))
        .map(({ kind }) => kind)
        .filter((kind) => kind.startsWith('api.')),
  };
}

describe('an API that answers the list with errors all night', () => {
  it('is told once, shown by status since when, and its end as well', async () => {
    const it = await night();
    const beginMs = it.clock.now();
    it.api.listFailure = BROKEN;
    const shown: ReturnType<Night['view']>[] = [];
    const end = await it.driven(false, (event) => {
      if (event.kind !== 'waiting' || shown.length > 0 || it.clock.now() - beginMs < 3 * HOUR_MS) return;
      shown.push(it.view());
      it.api.listFailure = null;
      it.api.end('msgbatch_1', linesOf(it.run, 1, 3));
    });
    expect(end).toBe('done');
    const outage = (await shown[0])?.api_outage;
    expect(outage).toMatchObject({ kind: 'errors', cause: '500 api_error on list' });
    expect(Date.parse(outage?.since ?? '') - beginMs).toBeLessThan(2 * MINUTE_MS);
    expect(Date.parse(outage?.last ?? '') - beginMs).toBeGreaterThan(2.5 * HOUR_MS);
    expect([it.told('api.errors'), it.told('api.answers'), it.told('api.unreachable')]).toMatchObject([[{}], [{}], []]);
    const words = await it.words();
    expect(words.filter((kind) => kind === 'api.answers')).toHaveLength(1);
    expect(words.at(-1)).toBe('api.answers');
    expect((await it.view()).api_outage).toBeNull();
  });

  it('is the same outage for a job that starts every five minutes', async () => {
    const it = await night();
    it.api.listFailure = BROKEN;
    const sinceMs = it.clock.now();
    for (let job = 0; job < 5; job++) {
      expect(await it.driven(true)).toBe('once');
      it.clock.advance(5 * MINUTE_MS);
    }
    const { api_outage: outage } = await it.view();
    expect(outage).toMatchObject({ kind: 'errors', since: new Date(sinceMs).toISOString() });
    const last = it.told('api.errors').at(-1);
    expect(last).toMatchObject({ sinceMs });
    // Written anew every quarter of an hour, not with each job.
    expect(await it.words()).toEqual(['api.errors', 'api.errors']);
    it.api.listFailure = null;
    await it.driven(true);
    await it.driven(true);
    expect(await it.words()).toEqual(['api.errors', 'api.errors', 'api.answers']);
    expect((await it.view()).api_outage).toBeNull();
  });

  it('is told of results as well', async () => {
    const it = await night();
    it.api.end('msgbatch_1', [wire(it.run, 1, 0)]);
    it.api.streamResults = async function* () {
      yield* [];
      throw BROKEN;
    };
    expect(await it.driven(true)).toBe('once');
    expect((await it.view()).api_outage).toMatchObject({ kind: 'errors', cause: '500 api_error on results' });
  });
});

it('a silence stands in the ledger too', async () => {
  const it = await night();
  it.api.listFailure = refused({ connection: 'never_made', message: 'no connection' });
  expect(await it.driven()).toBe('unreachable');
  expect((await it.view()).api_outage).toMatchObject({ kind: 'silent', cause: 'no connection' });
});
