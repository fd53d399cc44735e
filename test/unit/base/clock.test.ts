/**
 * Time: the machine's own, cut short by a signal and never rejecting, and the virtual one that only moves when told.
 */
/* eslint-disable no-restricted-syntax, no-restricted-properties -- the machine's clock is what is tested: its timers are faked, nothing sleeps */
import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';

async function turns(): Promise<void> {
  for (let nth = 0; nth < 3; nth++) await new Promise((resolve) => setImmediate(resolve));
}

describe('the machine’s clock', () => {
  afterEach(() => vi.useRealTimers());

  function faked(): void {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  }

  test('tells the time, and a time that never runs backwards', () => {
    const before = Date.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(before);
    const first = systemClock.monotonicMs();
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(first);
  });

  test('sleeps for as long as asked, even longer than one timer can', async () => {
    faked();
    const month = 31 * 86_400_000;
    let awake = false;
    const sleeping = systemClock.sleep(month).then(() => (awake = true));
    await vi.advanceTimersByTimeAsync(month - 1);
    expect(awake).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await sleeping;
    expect(awake).toBe(true);
  });

  test.each([0, -5, Number.NaN])('does not sleep for %s ms', async (ms) => {
    await systemClock.sleep(ms);
  });

  test('wakes at once when its signal aborts, and leaves neither a timer nor a listener', async () => {
    faked();
    const abort = new AbortController();
    const sleeping = systemClock.sleep(1_000_000, abort.signal);
    expect(vi.getTimerCount()).toBe(1);
    abort.abort();
    await sleeping;
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    await systemClock.sleep(1_000_000, abort.signal);
  });

  test('leaves no listener behind when it wakes by itself', async () => {
    faked();
    const { signal } = new AbortController();
    const sleeping = systemClock.sleep(10, signal);
    await vi.advanceTimersByTimeAsync(10);
    await sleeping;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('the virtual clock', () => {
  test('stands still until it is told to move', () => {
    const clock = new VirtualClock(5_000);
    expect([clock.now(), clock.monotonicMs()]).toEqual([5_000, 0]);
    clock.advance(250);
    expect([clock.now(), clock.monotonicMs()]).toEqual([5_250, 250]);
  });

  test('wakes sleepers by their time, ties in the order in which they went to sleep', async () => {
    const clock = new VirtualClock(0);
    const woken: string[] = [];
    const waits: readonly (readonly [string, number])[] = [
      ['c', 30],
      ['a', 10],
      ['b1', 20],
      ['b2', 20],
      ['d', 40],
    ];
    for (const [name, ms] of waits) void clock.sleep(ms).then(() => woken.push(`${name}@${clock.now()}`));
    clock.advance(30);
    await turns();
    expect(woken.map((one) => one.split('@')[0])).toEqual(['a', 'b1', 'b2', 'c']);
    expect([clock.now(), clock.sleeping]).toEqual([30, 1]);
  });

  test('jumps from sleeper to sleeper, and says when nobody sleeps', async () => {
    const clock = new VirtualClock(0);
    void clock.sleep(70);
    void clock.sleep(20);
    expect([clock.advanceToNext(), clock.now()]).toEqual([true, 20]);
    expect([clock.advanceToNext(), clock.now()]).toEqual([true, 70]);
    expect([clock.advanceToNext(), clock.now()]).toEqual([false, 70]);
  });

  test('lets a sleeper go when its signal aborts, without time passing', async () => {
    const clock = new VirtualClock(0);
    const abort = new AbortController();
    const sleeping = clock.sleep(1_000, abort.signal);
    abort.abort();
    await sleeping;
    expect([clock.now(), clock.sleeping]).toEqual([0, 0]);
    await clock.sleep(1_000, abort.signal);
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  });

  test('leaves no listener behind when a sleeper wakes', async () => {
    const clock = new VirtualClock(0);
    const { signal } = new AbortController();
    const sleeping = clock.sleep(5, signal);
    clock.advance(5);
    await sleeping;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('runs work that sleeps for weeks in no time', async () => {
    const clock = new VirtualClock(0);
    const work = async (): Promise<string> => {
      for (let day = 0; day < 30; day++) await clock.sleep(86_400_000);
      return 'done';
    };
    expect(await clock.run(work())).toBe('done');
    expect(clock.now()).toBe(30 * 86_400_000);
  });

  test('gives the error of the work, and one of its own when the work waits for something else', async () => {
    const clock = new VirtualClock(0);
    const failing = async (): Promise<void> => {
      await clock.sleep(5);
      throw new Error('on the way');
    };
    await expect(clock.run(failing())).rejects.toThrow('on the way');
    await expect(clock.run(new Promise(() => undefined))).rejects.toThrow('nobody sleeps on the virtual clock');
    const forever = async (): Promise<void> => {
      for (;;) await clock.sleep(1);
    };
    await expect(clock.run(forever(), 50)).rejects.toThrow('did not finish within 50 turns');
  });
});
