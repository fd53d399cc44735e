/**
 * Who asks in the very moment in which a loop comes to its end is not forgotten.
 */
import { expect, it } from 'vitest';
import { messageOf } from '../../src/base/errors.ts';
import { seededRng } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { Driving } from '../../src/library/driving.ts';
import { EventFeed, EventHub } from '../../src/library/events.ts';
import type { RunOptions } from '../../src/library/limiter-options.ts';
import { limiterOn } from '../../src/library/paced-calls.ts';
import { MODEL } from '../support/cli.ts';

const SMALL: RunOptions = { model: MODEL, estimate: { inputTokens: 20, maxTokens: 60 } };
/** More steps than a call takes from its beginning to its end. */
const STEPS = 150;

/** All that can happen without a timer has happened. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('a call that comes at any step of another one has its turn', async () => {
  const forgotten: number[] = [];
  for (let steps = 0; steps < STEPS; steps++) {
    const limiter = limiterOn({ tier: 'scale' }, { clock: new VirtualClock(), rng: seededRng(1) });
    await limiter.run(() => 'the first', SMALL);
    for (let step = 0; step < steps; step++) await Promise.resolve();
    let answer = '';
    void limiter.run(() => 'the second', SMALL).then((text) => (answer = text));
    await settle();
    if (answer !== 'the second') forgotten.push(steps);
  }
  expect(forgotten).toEqual([]);
});

it('a run that is wanted again as soon as its driving has failed is driven again', async () => {
  let tries = 0;
  const driving = new Driving({
    engine: () => Promise.reject(new Error(`no key, ${++tries}`)),
    hub: new EventHub(),
    holder: { pid: 1, host: 'here', command: 'a test' },
    retryLockMs: 0,
    signal: new AbortController().signal,
  });
  const said: string[] = [];
  const again = (error: unknown): Promise<void> => {
    said.push(messageOf(error));
    return driving.ended('run_a');
  };
  void driving
    .ended('run_a')
    .catch(again)
    .catch((error: unknown) => said.push(messageOf(error)));
  await settle();
  expect(said).toEqual(['no key, 1', 'no key, 2']);
  await driving.rest();
});

it('a driving that is stopped before it begins says so, each time', async () => {
  const driving = new Driving({
    engine: () => Promise.reject(new Error('not asked for')),
    hub: new EventHub(),
    holder: { pid: 1, host: 'here', command: 'a test' },
    retryLockMs: 0,
    signal: AbortSignal.abort(),
  });
  for (let time = 0; time < 2; time++) {
    await expect(driving.ended('run_a')).rejects.toMatchObject({ code: 'E_NOT_FINISHED' });
  }
  await driving.rest();
});

it('events that are asked for side by side all come', async () => {
  const hub = new EventHub();
  const rows = { total: 1 } as Awaited<ReturnType<ConstructorParameters<typeof EventFeed>[0]['rows']>>;
  const feed = new EventFeed({
    hub,
    runId: 'run_a',
    rows: () => Promise.resolve(rows),
    ended: () => new Promise(() => {}),
  });
  await feed.next();
  const kinds: (string | undefined)[] = [];
  for (let reader = 0; reader < 2; reader++) void feed.next().then(({ value }) => kinds.push(value?.kind));
  await settle();
  for (const chunkNo of [1, 2]) hub.emit({ kind: 'batch.ended', runId: 'run_a', chunkNo, batchId: 'b', tookMs: 1 });
  await settle();
  expect(kinds).toEqual(['batch.ended', 'batch.ended']);
  await feed.return();
});
