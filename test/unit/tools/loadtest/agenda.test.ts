/**
 * What is due when, on a clock that moves when it is told to.
 */
import { expect, it } from 'vitest';
import { seededRng } from '../../../../src/base/random.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { Agenda } from '../../../../src/tools/loadtest/agenda.ts';

it('does everything at its time and in its order, also what is put in on the way', async () => {
  const clock = new VirtualClock();
  const agenda = new Agenda(clock);
  const rng = seededRng(4);
  const done: number[] = [];
  const wanted: number[] = [];
  for (let count = 0; count < 500; count++) {
    const atMs = Math.floor(rng.next() * 1_000);
    wanted.push(atMs);
    agenda.at(atMs, () => {
      expect(clock.monotonicMs()).toBeGreaterThanOrEqual(atMs);
      done.push(atMs);
    });
  }
  agenda.at(500, () => agenda.at(501, () => done.push(501)));
  await clock.run(agenda.run(() => done.length === 501));
  expect(done).toEqual([...wanted, 501].sort((a, b) => a - b));
});

it('keeps the order of what is due at the same time', async () => {
  const clock = new VirtualClock();
  const agenda = new Agenda(clock);
  const done: number[] = [];
  for (let at = 0; at < 20; at++) agenda.at(10, () => done.push(at));
  await clock.run(agenda.run(() => done.length === 20));
  expect(done).toEqual(Array.from({ length: 20 }, (_, at) => at));
});

it('wakes for what is put in from outside while it sleeps, and for its end', async () => {
  const clock = new VirtualClock();
  const agenda = new Agenda(clock);
  const state = { over: false };
  agenda.at(1_000_000, () => expect.unreachable('it is over before'));
  const run = agenda.run(() => state.over);
  agenda.at(5, () => {
    state.over = true;
    agenda.wake();
  });
  await clock.run(run);
  expect(clock.monotonicMs()).toBeLessThan(1_000);
});

it('lets others go on when it is behind with its work', async () => {
  const clock = new VirtualClock();
  const agenda = new Agenda(clock);
  let done = 0;
  let seen = -1;
  for (let at = 0; at < 1_000; at++) agenda.at(0, () => done++);
  const run = agenda.run(() => done === 1_000);
  setImmediate(() => (seen = done));
  await clock.run(run);
  expect(seen).toBeGreaterThanOrEqual(0);
  expect(seen).toBeLessThan(1_000);
});
