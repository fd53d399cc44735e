/**
 * What a program hears of a run while it is under way, and what it gets where the run cannot be brought to its end.
 */
import { describe, expect, it } from 'vitest';
import { EventFeed, EventHub, WAITING_EVENTS_MAX, type RunEvent } from '../../src/library/events.ts';
import { ENDLESS, KEY, requests } from '../support/cli.ts';
import { all, lab, rowsOf } from './lab.ts';

const kinds = (events: readonly RunEvent[]): string[] => events.map(({ kind }) => kind);

describe('events', () => {
  it('tell of every step, and end when the run is done', async () => {
    const { open } = await lab();
    const run = await open().submit(rowsOf(20), { chunkRows: 10, start: false });
    const events = await all(run.events());
    expect(events[0]).toMatchObject({ kind: 'progress', runId: run.id, rows: { total: 20, succeeded: 0 } });
    const counted = (kind: string): number => kinds(events).filter((one) => one === kind).length;
    expect([counted('upload.done'), counted('batch.ended'), counted('chunk.collected')]).toEqual([2, 2, 2]);
    expect(events.at(-1)).toEqual({ kind: 'run.done', runId: run.id });
    expect(events.findLast(({ kind }) => kind === 'progress')).toMatchObject({ rows: { succeeded: 20 } });
    // Of a finished run there is nothing more to tell.
    expect(kinds(await all(run.events()))).toEqual(['progress', 'run.done']);
  });

  it('have readers of their own: one may leave, and the others and the run go on', async () => {
    const { open } = await lab();
    const run = await open().submit(rowsOf(6), { chunkRows: 3 });
    const [first, second] = [run.events(), run.events()];
    for await (const event of first) if (event.kind !== 'progress') break;
    expect(await first.next()).toEqual({ done: true, value: undefined });
    expect(kinds(await all(second)).at(-1)).toBe('run.done');
    expect((await run.status()).state).toBe('done');
  });

  it('are for the run alone', async () => {
    const { open } = await lab();
    const batchrun = open();
    const [one, other] = [await batchrun.submit(rowsOf(2, 'a')), await batchrun.submit(rowsOf(2, 'b'))];
    const [events] = await Promise.all([all(one.events()), other.wait()]);
    for (const event of events) if ('runId' in event) expect(event.runId).toBe(one.id);
  });

  it('wait for a slow reader up to a bound, and then say how many it has missed', async () => {
    const hub = new EventHub();
    const runId = 'run_a';
    let done: () => void = () => {};
    const ended = new Promise<void>((resolve) => (done = resolve));
    const rows = { total: 1 } as Extract<RunEvent, { kind: 'progress' }>['rows'];
    const feed = new EventFeed({ hub, runId, rows: () => Promise.resolve(rows), ended: () => ended });
    expect(await feed.next()).toMatchObject({ value: { kind: 'progress' } });
    const many = WAITING_EVENTS_MAX + 500;
    for (let chunkNo = 1; chunkNo <= many; chunkNo++) {
      hub.emit({ kind: 'batch.ended', runId, chunkNo, batchId: 'b', tookMs: 1 });
      hub.emit({ kind: 'rows.settled', runId, succeeded: 1, rest: 0 });
      hub.emit({ kind: 'changed' });
      hub.emit({ kind: 'batch.ended', runId: 'run_b', chunkNo, batchId: 'b', tookMs: 1 });
    }
    done();
    const events = await all(feed);
    expect(events[0]).toEqual({ kind: 'events.dropped', runId, count: 500 });
    expect(events.filter(({ kind }) => kind === 'batch.ended')).toHaveLength(WAITING_EVENTS_MAX);
    expect(kinds(events).slice(-2)).toEqual(['batch.ended', 'run.done']);
  });

  describe('hold no listener', () => {
    const rows = { total: 1 } as Extract<RunEvent, { kind: 'progress' }>['rows'];
    const runId = 'run_a';
    const endless = (): Promise<never> => new Promise(() => {});

    it('where they are never asked for, and nothing is driven for them', async () => {
      const hub = new EventHub();
      let driven = 0;
      const ended = (): Promise<never> => {
        driven++;
        return endless();
      };
      const feed = new EventFeed({ hub, runId, rows: () => Promise.resolve(rows), ended });
      expect([hub.listenerCount, driven]).toEqual([0, 0]);
      await feed.next();
      expect([hub.listenerCount, driven]).toEqual([1, 1]);
      await feed.return();
      expect(hub.listenerCount).toBe(0);
      expect(await feed.next()).toEqual({ done: true, value: undefined });
      expect([hub.listenerCount, driven]).toEqual([0, 1]);
    });

    it('after a reader has left by break, or by an error of its own', async () => {
      const hub = new EventHub();
      const feed = (): EventFeed => new EventFeed({ hub, runId, rows: () => Promise.resolve(rows), ended: endless });
      for await (const event of feed()) if (event.kind === 'progress') break;
      expect(hub.listenerCount).toBe(0);
      const reading = async (): Promise<void> => {
        for await (const event of feed()) throw new Error(event.kind);
      };
      await expect(reading()).rejects.toThrow('progress');
      expect(hub.listenerCount).toBe(0);
    });

    it('after the state was closed under it', async () => {
      const hub = new EventHub();
      const feed = new EventFeed({
        ...{ hub, runId, ended: endless },
        rows: () => Promise.reject(new Error('closed')),
      });
      await expect(feed.next()).rejects.toThrow('closed');
      expect(hub.listenerCount).toBe(0);
      expect(await feed.next()).toEqual({ done: true, value: undefined });
    });

    it('after the run is done, also where nobody reads to the end', async () => {
      const hub = new EventHub();
      const feed = new EventFeed({ hub, runId, rows: () => Promise.resolve(rows), ended: () => Promise.resolve() });
      expect(await feed.next()).toMatchObject({ value: { kind: 'progress' } });
      expect(hub.listenerCount).toBe(0);
      expect(kinds(await all(feed))).toEqual(['run.done']);
    });
  });
});

describe('a run that cannot be brought to its end', () => {
  it('is blocked until a person acts, and goes on with another key', async () => {
    const good = 'sk-ant-api03-GOODKEY-0123456789abcdefghijklmnop-good';
    const { open } = await lab({ strictKeys: true, keys: { [good]: { workspace: 'wrkspc_a' } } });
    const batchrun = open();
    const run = await batchrun.submit(rowsOf(2), { preflight: false });
    const [byWait, byEvents] = await Promise.allSettled([run.wait(), all(run.events())]);
    expect(byWait).toMatchObject({ status: 'rejected', reason: { code: 'E_BLOCKED', exit: 5 } });
    expect(byEvents).toMatchObject({ status: 'rejected', reason: { code: 'E_BLOCKED' } });
    expect((await run.status()).blocked).toMatchObject([{ reason: 'credentials' }]);
    await batchrun.close();
    expect((await (await open({ apiKey: good }).run(run.id)).wait()).rows).toMatchObject({ succeeded: 2 });
  });

  it('has no API: it says so, and goes on when that is back', async () => {
    const { bench: b, open } = await lab();
    const batchrun = open({ giveUpMs: 100 });
    const run = await batchrun.submit(rowsOf(2), { start: false });
    await b.offline();
    await expect(run.wait()).rejects.toMatchObject({ code: 'E_API_UNREACHABLE' });
    await b.online();
    expect((await run.wait()).state).toBe('done');
  });

  it('is driven by another process: it says by which', async () => {
    const { bench: b, open } = await lab(ENDLESS);
    b.write('in.jsonl', requests(3));
    const other = b.start(['run', 'in.jsonl']);
    await other.says(/Safe to stop/);
    const run = await open().submit(rowsOf(2, 'mine'));
    await expect(run.wait()).rejects.toMatchObject({
      code: 'E_LOCKED',
      details: { driver: { pid: other.child.pid, command: 'batchrun run' } },
    });
    await expect(all(run.events())).rejects.toMatchObject({ code: 'E_LOCKED' });
  });

  it('is driven by another one in this process: that is another process, too', async () => {
    const { open } = await lab(ENDLESS);
    const run = await open().submit(rowsOf(2));
    for await (const event of run.events()) if (event.kind === 'upload.done') break;
    const second = await open().run(run.id);
    await expect(second.wait()).rejects.toMatchObject({ code: 'E_LOCKED', details: { driver: { pid: process.pid } } });
    await expect(second.retry()).rejects.toMatchObject({ code: 'E_RUN_NOT_DONE' });
  });

  it('is stopped by the signal, safely, and another one brings it to its end', async () => {
    const { bench: b, open } = await lab({ batchDurationMs: [300, 300] });
    const stop = new AbortController();
    const run = await open({ signal: stop.signal }).submit(rowsOf(4));
    const waiting = run.wait();
    for await (const event of run.events()) {
      if (event.kind !== 'upload.done') continue;
      stop.abort();
      break;
    }
    await expect(waiting).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
    expect((await (await open().run(run.id)).wait()).rows).toMatchObject({ succeeded: 4 });
    expect(b.calls('batches.create')).toBe(1);
  });

  it('is left by whoever waits no longer, and goes on', async () => {
    const { open } = await lab();
    const run = await open().submit(rowsOf(2));
    const gone = AbortSignal.abort(new Error('no patience'));
    await expect(run.wait({ signal: gone })).rejects.toThrow('no patience');
    const later = new AbortController();
    const waiting = run.wait({ signal: later.signal });
    later.abort(new Error('no more'));
    await expect(waiting).rejects.toThrow('no more');
    expect((await run.wait()).state).toBe('done');
  });

  it('is stopped by close, after which nothing can be asked of it', async () => {
    const { open } = await lab(ENDLESS);
    const batchrun = open();
    const run = await batchrun.submit(rowsOf(2));
    const waiting = run.wait();
    await Promise.all([batchrun.close(), expect(waiting).rejects.toMatchObject({ code: 'E_NOT_FINISHED' })]);
    await batchrun.close();
    await expect(batchrun.runs()).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(batchrun.submit(rowsOf(1))).rejects.toMatchObject({ code: 'E_USAGE' });
  });

  it('belongs to the API it was made for', async () => {
    const { open } = await lab(ENDLESS);
    const first = open();
    const run = await first.submit(rowsOf(1));
    await first.close();
    const elsewhere = await open({ baseUrl: 'http://127.0.0.1:9' }).run(run.id);
    await expect(elsewhere.wait()).rejects.toMatchObject({ code: 'E_ORIGIN' });
  });
});

describe('the log', () => {
  it('has what the engine says, without a key', async () => {
    const { open } = await lab();
    const lines: unknown[] = [];
    const run = await open({ log: (entry) => lines.push(entry), logLevel: 'debug', apiKey: [KEY, `${KEY}2`] }).submit(
      rowsOf(1),
    );
    await run.wait();
    expect(JSON.stringify(lines)).not.toContain(KEY);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'info', event: 'run.done', run: run.id }));
  });
});
