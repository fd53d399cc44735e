/**
 * A program's own functions that fail, at once or by their promise: work that is paid does not end by them.
 */
import { expect, it, onTestFinished } from 'vitest';
import { lab, rowsOf } from './lab.ts';

const FAILING: readonly (readonly [string, () => void])[] = [
  [
    'throw',
    () => {
      throw new Error('the disk of the log is full');
    },
  ],
  // As an async function, which TypeScript takes for one that gives nothing.
  ['reject', () => Promise.reject(new Error('the disk of the log is full')) as unknown as undefined],
];

it.each(FAILING)('a log and a progress that %s', async (_how, fail) => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  onTestFinished(() => void process.off('unhandledRejection', onUnhandled));
  const { open } = await lab();
  let [logged, progressed] = [0, 0];
  const count = (what: 'log' | 'progress') => (): void => {
    if (what === 'log') logged++;
    else progressed++;
    return fail();
  };
  const batchrun = open({ log: count('log'), logLevel: 'debug' });
  const run = await batchrun.submit(rowsOf(3), { lane: 'realtime', onProgress: count('progress') });
  expect((await run.wait()).rows).toMatchObject({ succeeded: 3 });
  await batchrun.close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(logged).toBeGreaterThan(0);
  expect(progressed).toBeGreaterThan(0);
  expect(unhandled).toEqual([]);
});
